//! A house to test against: the real server in a folder of its own, and the sockets of its carrier and its PBX.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "test code; each test file uses its part")]

pub mod process;
pub mod web;

use std::net::SocketAddr;
use std::time::Duration;

use ramal::base::Transport;
use ramal::node::{Handle, Node, World};
use tokio::net::UdpSocket;

/// Long for a machine under load, short for a person.
pub const SOON: Duration = Duration::from_secs(10);

/// The SDP of whoever answers.
pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A running server with its peers.
pub struct House {
    node: Node,
    /// Kept for its files.
    folder: tempfile::TempDir,
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub carrier: Wire,
    pub office: Wire,
}

impl House {
    /// Starts it, with these lines more in its file.
    pub async fn open(more: &str) -> Self {
        Self::open_with((Wire::new().await, Wire::new().await), more, |_, text| text).await
    }

    /// Starts it with these peers, and its file changed by somebody who may put others beside it.
    pub async fn open_with(
        peers: (Wire, Wire),
        more: &str,
        change: impl FnOnce(&std::path::Path, String) -> String,
    ) -> Self {
        Self::open_in(World::of_system(), peers, more, change).await
    }

    /// The same, in a world of its own.
    pub async fn open_in(
        world: World,
        (carrier, office): (Wire, Wire),
        more: &str,
        change: impl FnOnce(&std::path::Path, String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = file(folder.path(), carrier.at(), office.at(), more);
        let path = folder.path().join("ramal.toml");
        std::fs::write(&path, change(folder.path(), text)).unwrap();
        Self::start(world, folder, carrier, office).await
    }

    /// Stops it and starts it again, on other ports.
    pub async fn restart(self) -> Self {
        self.node.stop().await;
        Self::start(World::of_system(), self.folder, self.carrier, self.office).await
    }

    async fn start(world: World, folder: tempfile::TempDir, carrier: Wire, office: Wire) -> Self {
        let path = folder.path().join("ramal.toml");
        let loaded = ramal::config::load(&path).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        let node = Node::start_in(world, loaded.settings, path).await.unwrap();
        let handle = node.handle();
        let at = |transport| handle.listening().iter().find(|(t, _)| *t == transport).unwrap().1;
        let (udp, tcp) = (at(Transport::Udp), at(Transport::Tcp));
        Self { node, folder, udp, tcp, carrier, office }
    }

    /// Its file, and what was put beside it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The listeners of a transport.
    pub fn listening(&self, transport: Transport) -> Vec<SocketAddr> {
        let handle = self.handle();
        handle.listening().iter().filter(|(spoken, _)| *spoken == transport).map(|(_, at)| *at).collect()
    }

    pub fn handle(&self) -> Handle {
        self.node.handle()
    }

    /// Sends by UDP and gives the answer.
    pub async fn ask(&self, wire: &Wire, message: &str) -> String {
        wire.send(self.udp, message).await;
        wire.next().await
    }

    pub async fn close(self) {
        self.node.stop().await;
    }

    /// Stops it, and gives what the carrier then hears that begins so.
    pub async fn close_hearing(self, start: &str) -> String {
        let Self { node, carrier, folder, .. } = self;
        let (heard, ()) = tokio::join!(carrier.expect(start), node.stop());
        drop(folder);
        heard
    }
}

/// The operator's file, kept in this folder, with these lines more.
pub fn file(folder: &std::path::Path, carrier: SocketAddr, office: SocketAddr, more: &str) -> String {
    let data = folder.display();
    format!(
        r#"
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[media]
mode = "bypass"
[store]
url = "sqlite:{data}/ramal.db"
[trace]
path = "{data}/trace"
[http]
listen = "127.0.0.1:0"
control = "{data}/ramal.sock"
{more}
[[trunk]]
name = "carrier"
peers = ["sip:{carrier}"]
[[pbx]]
name = "office"
peers = ["sip:{office}"]
extensions = "2xx"
[[employee]]
id = "ana"
extension = "201"
[[employee]]
id = "bruno"
extension = "202"
[[queue]]
name = "sales"
members = ["bruno", "ana"]
[[line]]
number = "+551140028922"
trunk = "carrier"
queue = "sales"
"#
    )
}

/// A peer's socket.
pub struct Wire(UdpSocket);

impl Wire {
    pub async fn new() -> Self {
        Self::bound("127.0.0.1:0").await
    }

    pub async fn bound(at: &str) -> Self {
        Self(UdpSocket::bind(at).await.unwrap())
    }

    /// At this address, at any port or at that one.
    pub async fn on(at: impl tokio::net::ToSocketAddrs) -> Self {
        Self(UdpSocket::bind(at).await.unwrap())
    }

    pub fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub async fn send_bytes(&self, to: SocketAddr, message: &[u8]) {
        self.0.send_to(message, to).await.unwrap();
    }

    /// All that has come so far.
    pub fn came(&self) -> Vec<String> {
        let mut buffer = vec![0; 65_535];
        let mut came = Vec::new();
        while let Ok(length) = self.0.try_recv(&mut buffer) {
            came.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        came
    }

    pub async fn send(&self, to: SocketAddr, message: &str) {
        self.0.send_to(message.as_bytes(), to).await.unwrap();
    }

    /// The next message.
    pub async fn next(&self) -> String {
        let mut buffer = vec![0; 65_535];
        let received = tokio::time::timeout(SOON, self.0.recv_from(&mut buffer)).await;
        let (length, _) = received.expect("a message comes").unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next message that begins so; others are passed over.
    pub async fn expect(&self, start: &str) -> String {
        loop {
            let message = self.next().await;
            if message.starts_with(start) {
                return message;
            }
        }
    }

    /// The next response that begins so and answers this method.
    pub async fn expect_answer(&self, start: &str, method: &str) -> String {
        loop {
            let message = self.expect(start).await;
            if header(&message, "CSeq").ends_with(method) {
                return message;
            }
        }
    }

    pub async fn ask_until(&self, to: SocketAddr, message: &str, start: &str) -> String {
        self.send(to, message).await;
        self.expect(start).await
    }

    pub fn received_nothing(&self) -> bool {
        self.0.try_recv_from(&mut [0; 1]).is_err()
    }

    /// Answers a request that came.
    pub async fn answer(&self, to: SocketAddr, request: &str, status: u16, sdp: &str) {
        self.send(to, &answer(self.at(), request, status, sdp)).await;
    }

    /// The ACK to this 200.
    pub async fn ack(&self, to: SocketAddr, invite: &str, answered: &str) {
        self.send(to, &self.in_dialog("ACK", 1, invite, answered)).await;
    }

    /// A BYE in the dialog of this 200.
    pub async fn bye(&self, to: SocketAddr, invite: &str, answered: &str) {
        self.send(to, &self.in_dialog("BYE", 2, invite, answered)).await;
    }

    /// A request in the dialog of this 200.
    pub fn in_dialog(&self, method: &str, cseq: u32, invite: &str, answered: &str) -> String {
        let uri = header(answered, "Contact");
        let uri = uri.trim_start_matches('<').split('>').next().unwrap();
        let (at, from, to, id) = (self.at(), header(invite, "From"), header(answered, "To"), header(invite, "Call-ID"));
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{id};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        )
    }
}

/// An INVITE from this wire.
pub fn invite(wire: &Wire, to: &str, from: &str, id: &str) -> String {
    let at = wire.at();
    format!(
        "INVITE sip:{to}@ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}@carrier.example>;tag={id}\r\nTo: <sip:{to}@ramal>\r\nCall-ID: {id}@carrier.example\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:{from}@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// The answer to a request, of somebody at this address.
pub fn answer(at: SocketAddr, request: &str, status: u16, sdp: &str) -> String {
    let vias: Vec<_> = request.split("\r\n").filter(|line| line.starts_with("Via:")).collect();
    let [from, to, id, cseq] = ["From", "To", "Call-ID", "CSeq"].map(|name| header(request, name));
    let tag = if to.contains(";tag=") { "" } else { ";tag=phone" };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} Said\r\n{}\r\nFrom: {from}\r\nTo: {to}{tag}\r\nCall-ID: {id}\r\nCSeq: {cseq}\r\n\
         Contact: <sip:phone@{at}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        vias.join("\r\n"),
        sdp.len()
    )
}

/// The value of a header; empty where it is absent.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.split("\r\n").find(|line| line.split_once(':').is_some_and(|(n, _)| n == name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
}
