//! The real server with peers that have names, and a name server that answers, moves them, and dies.

mod house;

#[path = "house/dns.rs"]
mod dns;

use std::time::Duration;

use dns::Dns;
use house::{House, Wire, invite};
use ramal::net::resolve::Resolver;
use ramal::net::tls::Roots;
use ramal::node::World;

/// A server whose PBX has a name.
async fn house(dns: &Dns) -> House {
    let world = World { resolver: Resolver::at(dns.at(), Duration::from_millis(200)), roots: Roots::System };
    let (carrier, office) = (Wire::new().await, Wire::new().await);
    let peer = format!("sip:{}", office.at());
    House::open_in(world, (carrier, office), "", |_, text| text.replace(&peer, "sip:office.test")).await
}

fn lead_to(dns: &Dns, priority: u16, wire: &Wire) {
    dns.srv("_sip._udp.office.test", 300, (priority, 0), wire.at().port(), "host.test");
}

#[tokio::test]
async fn a_dead_address_among_the_servers_of_a_name_is_passed_over() {
    let dns = Dns::new().await;
    dns.address("host.test", 300, "127.0.0.1");
    let closed = Wire::new().await;
    lead_to(&dns, 10, &closed);
    drop(closed);
    let live = Wire::new().await;
    lead_to(&dns, 20, &live);
    let house = house(&dns).await;
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "d1");
    house.carrier.send(house.udp, &call).await;
    let rung = live.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:202@office.test SIP/2.0"), "{rung}");
    house.close().await;
}

#[tokio::test]
async fn a_reload_finds_where_a_name_has_moved_and_a_name_that_is_gone_keeps_its_addresses() {
    let dns = Dns::new().await;
    dns.address("host.test", 300, "127.0.0.1");
    let (old, new) = (Wire::new().await, Wire::new().await);
    lead_to(&dns, 0, &old);
    let house = house(&dns).await;
    let ring = |id: &'static str| {
        let house = &house;
        async move {
            let call = invite(&house.carrier, "+551140028922", "+5521976543210", id);
            house.carrier.send(house.udp, &call).await;
        }
    };
    ring("m1").await;
    old.expect("INVITE ").await;
    dns.forget("_sip._udp.office.test");
    lead_to(&dns, 0, &new);
    house.handle().reload().await.unwrap();
    ring("m2").await;
    new.expect("INVITE ").await;
    dns.forget("_sip._udp.office.test");
    house.handle().reload().await.unwrap();
    ring("m3").await;
    new.expect("INVITE ").await;
    house.close().await;
}

#[tokio::test]
async fn a_server_starts_without_dns_and_finds_its_peers_when_that_comes_back() {
    let dns = Dns::new().await;
    dns.address("host.test", 300, "127.0.0.1");
    let live = Wire::new().await;
    lead_to(&dns, 0, &live);
    dns.be_silent(true);
    let house = house(&dns).await;
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "b1");
    let answer = house.carrier.ask_until(house.udp, &call, "SIP/2.0 4").await;
    assert!(answer.starts_with("SIP/2.0 480 "), "{answer}");
    dns.be_silent(false);
    // It asks by itself; nobody else can tell when it has heard.
    for attempt in 0.. {
        assert!(attempt < 200, "it hears of them");
        let call = invite(&house.carrier, "+551140028922", "+5521976543210", &format!("b2{attempt}"));
        house.carrier.send(house.udp, &call).await;
        if tokio::time::timeout(Duration::from_millis(100), live.expect("INVITE ")).await.is_ok() {
            break;
        }
    }
    house.close().await;
}
