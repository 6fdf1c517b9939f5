//! RFC 3263 against a name server of the tests' own.

use std::time::Duration;

use tokio::time::timeout;

use super::dns::Dns;
use crate::base::{Ids, Transport, Way};
use crate::net::resolve::{Found, NotFound, Resolver, Wanted};

const SIP: Wanted<'_> = Wanted { host: "carrier.test", port: None, transport: None, secure: false };

async fn find(dns: &Dns, wanted: Wanted<'_>) -> Result<Found, NotFound> {
    let mut ids = Ids::seeded(7);
    let found = Resolver::at(dns.at(), Duration::from_millis(300));
    let found = found.find(wanted, |_| true, |below| ids.below(below));
    timeout(Duration::from_secs(20), found).await.expect("every question has its time")
}

async fn ways(dns: &Dns, wanted: Wanted<'_>) -> Vec<String> {
    let way = |way: &Way| format!("{} {}", way.transport.as_str(), way.address);
    find(dns, wanted).await.unwrap().ways.iter().map(way).collect()
}

#[tokio::test]
async fn naptr_leads_to_srv_and_srv_to_all_addresses_in_order() {
    let dns = Dns::new().await;
    dns.naptr("carrier.test", (10, 20), "SIP+D2U", "_sip._udp.carrier.test");
    dns.naptr("carrier.test", (10, 10), "SIP+D2T", "tcp.elsewhere.test");
    dns.srv("tcp.elsewhere.test", 300, (20, 0), 5080, "b.test");
    dns.srv("tcp.elsewhere.test", 300, (10, 0), 5070, "a.test");
    dns.srv("_sip._udp.carrier.test", 300, (0, 0), 5060, "a.test");
    dns.address("a.test", 300, "192.0.2.1");
    dns.address("a.test", 300, "2001:db8::1");
    dns.address("b.test", 300, "192.0.2.2");
    let all = ways(&dns, SIP).await;
    assert_eq!(
        all,
        [
            "TCP [2001:db8::1]:5070",
            "TCP 192.0.2.1:5070",
            "TCP 192.0.2.2:5080",
            "UDP [2001:db8::1]:5060",
            "UDP 192.0.2.1:5060"
        ]
    );
}

#[tokio::test]
async fn without_naptr_srv_is_asked_for_each_transport_and_for_a_written_one_alone() {
    let dns = Dns::new().await;
    dns.srv("_sip._udp.carrier.test", 300, (0, 0), 5062, "a.test");
    dns.srv("_sips._tcp.carrier.test", 300, (0, 0), 5063, "a.test");
    dns.address("a.test", 300, "192.0.2.1");
    assert_eq!(ways(&dns, SIP).await, ["UDP 192.0.2.1:5062", "TLS 192.0.2.1:5063"]);
    let sips = Wanted { transport: Some(Transport::Tls), secure: true, ..SIP };
    assert_eq!(ways(&dns, sips).await, ["TLS 192.0.2.1:5063"]);
    dns.address("carrier.test", 300, "192.0.2.9");
    let tcp = Wanted { transport: Some(Transport::Tcp), ..SIP };
    assert_eq!(ways(&dns, tcp).await, ["TCP 192.0.2.9:5060"], "no SRV of that transport: the name's own addresses");
}

#[tokio::test]
async fn a_written_port_and_a_name_without_services_are_asked_for_addresses_alone() {
    let dns = Dns::new().await;
    dns.srv("_sip._udp.carrier.test", 300, (0, 0), 5062, "a.test");
    dns.address("carrier.test", 300, "192.0.2.9");
    dns.address("bare.test", 300, "192.0.2.8");
    assert_eq!(ways(&dns, Wanted { port: Some(5070), ..SIP }).await, ["UDP 192.0.2.9:5070"]);
    let secure = Wanted { port: Some(5071), secure: true, transport: Some(Transport::Tls), ..SIP };
    assert_eq!(ways(&dns, secure).await, ["TLS 192.0.2.9:5071"]);
    assert_eq!(ways(&dns, Wanted { host: "bare.test", ..SIP }).await, ["UDP 192.0.2.8:5060"]);
    let tls = Wanted { host: "bare.test", transport: Some(Transport::Tls), secure: true, port: None };
    assert_eq!(ways(&dns, tls).await, ["TLS 192.0.2.8:5061"]);
}

#[tokio::test]
async fn an_answer_lasts_as_long_as_its_shortest_record_within_bounds() {
    let dns = Dns::new().await;
    dns.srv("_sip._udp.carrier.test", 120, (0, 0), 5060, "a.test");
    dns.address("a.test", 300, "192.0.2.1");
    assert_eq!(find(&dns, SIP).await.unwrap().lasts, Duration::from_secs(120));
    dns.forget("a.test");
    dns.address("a.test", 1, "192.0.2.1");
    assert_eq!(find(&dns, SIP).await.unwrap().lasts, Duration::from_secs(30));
    dns.address("long.test", 90_000, "192.0.2.1");
    assert_eq!(find(&dns, Wanted { host: "long.test", ..SIP }).await.unwrap().lasts, Duration::from_secs(3600));
}

#[tokio::test]
async fn a_name_that_is_none_a_service_that_is_none_and_a_dead_server_are_told_apart() {
    let dns = Dns::new().await;
    assert_eq!(find(&dns, SIP).await, Err(NotFound::NoSuchName));
    dns.srv("_sip._udp.carrier.test", 300, (0, 0), 5060, "gone.test");
    dns.address("carrier.test", 300, "192.0.2.80");
    assert_eq!(find(&dns, SIP).await, Err(NotFound::NoSuchName));
    dns.be_silent(true);
    assert!(matches!(find(&dns, SIP).await, Err(NotFound::NoAnswer(_))));
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let dns = Dns::new().await;
    dns.address("carrier.test", 300, "192.0.2.9");
    dns.be_silent(true);
    let speaks_late = async {
        dns.asked(1).await;
        dns.be_silent(false);
    };
    let (found, ()) = tokio::join!(find(&dns, SIP), speaks_late);
    assert_eq!(found.unwrap().ways.len(), 1);
}

#[tokio::test]
async fn what_this_machine_knows_by_itself_needs_no_server() {
    let localhost = Wanted { host: "localhost", port: Some(5070), ..SIP };
    let found = Resolver::of_system().find(localhost, |_| true, |_| 0).await.unwrap();
    assert!(found.ways.iter().all(|way| way.address.ip().is_loopback() && way.address.port() == 5070));
}
