//! The real server with requests that are too large for UDP (`sip.tcp_switch`).

mod house;

#[path = "house/dns.rs"]
mod dns;

use std::time::Duration;

use dns::Dns;
use house::{House, SDP, SOON, Wire, header, invite};
use ramal::net::resolve::Resolver;
use ramal::net::tls::Roots;
use ramal::node::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A port that both UDP and TCP have free.
fn free_port() -> u16 {
    loop {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A PBX's UDP socket, and its listener for TCP on the same port.
async fn office() -> (Wire, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return (Wire::bound(&format!("127.0.0.1:{port}")).await, tcp);
        }
    }
}

/// A server whose PBX has a name with servers for UDP and for TCP.
async fn house(dns: &Dns, office: Wire, more: &str) -> House {
    dns.address("host.test", 300, "127.0.0.1");
    for service in ["_sip._udp", "_sip._tcp"] {
        dns.srv(&format!("{service}.office.test"), 300, (0, 0), office.at().port(), "host.test");
    }
    let world = World { resolver: Resolver::at(dns.at(), Duration::from_millis(300)), roots: Roots::System };
    let peer = format!("sip:{}", office.at());
    let port = free_port();
    let listen = format!("listen = [\"udp:127.0.0.1:{port}\", \"tcp:127.0.0.1:{port}\"]\n{more}");
    House::open_in(world, (Wire::new().await, office), "", |_, text| {
        let from = "listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]";
        text.replace(from, &listen).replace(&peer, "sip:office.test")
    })
    .await
}

/// A call with a description of 1,500 bytes.
fn large_call(house: &House, id: &str) -> String {
    let sdp = format!("{SDP}a=fmtp:8 {}\r\n", "x".repeat(1500 - SDP.len()));
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", id);
    call.replace(&format!("Content-Length: {}", SDP.len()), &format!("Content-Length: {}", sdp.len()))
        .replace(SDP, &sdp)
}

async fn message(stream: &mut TcpStream) -> String {
    let mut came = String::new();
    let whole = async {
        loop {
            if let Some(head) = came.find("\r\n\r\n") {
                let length: usize = header(&came[..head], "Content-Length").parse().unwrap();
                if came.len() >= head + 4 + length {
                    return came;
                }
            }
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0, "closed after {came}");
            came.push_str(std::str::from_utf8(&piece[..n]).unwrap());
        }
    };
    tokio::time::timeout(SOON, whole).await.expect("a message comes")
}

#[tokio::test]
async fn a_large_invite_goes_by_tcp_to_a_peer_whose_name_takes_it_and_the_call_goes_on() {
    let (dns, (office, tcp)) = (Dns::new().await, office().await);
    let house = house(&dns, office, "").await;
    house.carrier.send(house.udp, &large_call(&house, "l1")).await;
    let (mut stream, _) = tokio::time::timeout(SOON, tcp.accept()).await.expect("it connects").unwrap();
    let rung = message(&mut stream).await;
    assert!(rung.starts_with("INVITE sip:202@office.test SIP/2.0"), "{rung}");
    assert!(header(&rung, "Via").starts_with(&format!("SIP/2.0/TCP {};", house.udp)), "{rung}");
    stream.write_all(house::answer(house.office.at(), &rung, 200, SDP).as_bytes()).await.unwrap();
    house.carrier.expect("SIP/2.0 200").await;
    let ack = house.office.next().await;
    assert!(ack.starts_with("ACK ") && header(&ack, "Via").starts_with("SIP/2.0/UDP "), "not the INVITE again: {ack}");
    house.close().await;
}

#[tokio::test]
async fn a_large_invite_goes_back_to_udp_where_tcp_is_refused_and_the_next_one_at_once() {
    let (dns, (office, tcp)) = (Dns::new().await, office().await);
    drop(tcp);
    let house = house(&dns, office, "").await;
    for id in ["l2", "l3"] {
        house.carrier.send(house.udp, &large_call(&house, id)).await;
        let rung = house.office.expect("INVITE ").await;
        assert!(header(&rung, "Via").starts_with("SIP/2.0/UDP "), "{rung}");
        house.office.answer(house.udp, &rung, 486, "").await;
    }
    house.close().await;
}

#[tokio::test]
async fn never_is_obeyed() {
    let (dns, (office, _tcp)) = (Dns::new().await, office().await);
    let house = house(&dns, office, "tcp_switch = \"never\"\n").await;
    house.carrier.send(house.udp, &large_call(&house, "l4")).await;
    let rung = house.office.expect("INVITE ").await;
    assert!(header(&rung, "Via").starts_with("SIP/2.0/UDP "), "{rung}");
    house.close().await;
}
