//! The real server over TLS, WebSocket and IPv6, on loopback sockets.

mod house;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use house::{House, SOON, Wire, header, invite};
use ramal::base::Transport;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const OPTIONS: &str = "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKo1\r\nMax-Forwards: 70\r\n\
    From: <sip:probe@example.com>;tag=p1\r\nTo: <sip:ramal>\r\nCall-ID: o1@example.com\r\nCSeq: 7 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

/// A certificate for `ramal.test` in this folder, in place of the one before.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["ramal.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("chain.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// A server that listens by all transports, and takes calls of its carrier from 127.0.0.2.
async fn house() -> House {
    let peers = (Wire::new().await, Wire::new().await);
    House::open_with(peers, "", |folder, text| {
        certify(folder);
        let listen = "\"tls:127.0.0.1:0\", \"ws:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\n[sip.tls]\n\
            certificate = \"chain.pem\"\nkey = \"key.pem\"";
        let text = text.replace("\"tcp:127.0.0.1:0\"]", &format!("\"tcp:127.0.0.1:0\", {listen}"));
        text.replacen("name = \"carrier\"", "name = \"carrier\"\naccept = [\"127.0.0.2\"]", 1)
    })
    .await
}

async fn from_the_carrier(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn secured(house: &House, stream: TcpStream) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(house.folder().join("chain.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("ramal.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// A stream of messages.
struct Messages<S> {
    stream: S,
    came: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    const fn by(stream: S) -> Self {
        Self { stream, came: String::new() }
    }

    async fn send(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn next(&mut self) -> String {
        let whole = async {
            let mut piece = [0; 4096];
            loop {
                if let Some(head) = self.came.find("\r\n\r\n") {
                    let length: usize = header(&self.came[..head], "Content-Length").parse().unwrap();
                    if self.came.len() >= head + 4 + length {
                        return self.came.drain(..head + 4 + length).collect();
                    }
                }
                let n = self.stream.read(&mut piece).await.unwrap();
                assert!(n > 0, "closed after {}", self.came);
                self.came.push_str(std::str::from_utf8(&piece[..n]).unwrap());
            }
        };
        tokio::time::timeout(SOON, whole).await.expect("a message comes")
    }

    async fn expect(&mut self, start: &str) -> String {
        loop {
            let message = self.next().await;
            if message.starts_with(start) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_call_over_tls_goes_both_ways_by_the_connection_that_its_trunk_made() {
    let house = house().await;
    let stream = from_the_carrier(house.listening(Transport::Tls)[0]).await;
    let mut carrier = Messages::by(secured(&house, stream).await);
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "t1").replace("2.0/UDP", "2.0/TLS");
    carrier.send(&call).await;
    let rung = house.office.expect("INVITE ").await;
    house.office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    assert!(header(&answered, "Contact").contains(";transport=tls"), "{answered}");
    house.office.expect("ACK ").await;
    let ack = house.carrier.in_dialog("ACK", 1, &call, &answered).replace("2.0/UDP", "2.0/TLS");
    carrier.send(&ack).await;
    let from_phone = format!("{}:{}", house.office.at().ip(), house.office.at().port());
    let bye = format!(
        "BYE sip:ramal@{} SIP/2.0\r\nVia: SIP/2.0/UDP {from_phone};branch=z9hG4bKb1;rport\r\nMax-Forwards: 70\r\n\
         From: {};tag=phone\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 5 BYE\r\nContent-Length: 0\r\n\r\n",
        house.udp,
        header(&rung, "To"),
        header(&rung, "From"),
        header(&rung, "Call-ID"),
    );
    house.office.send(house.udp, &bye).await;
    let bye = carrier.expect("BYE ").await;
    assert!(header(&bye, "Via").starts_with("SIP/2.0/TLS "), "{bye}");
    carrier.send(&house::answer(house.carrier.at(), &bye, 200, "")).await;
    house.office.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}

#[tokio::test]
async fn a_reload_shows_a_renewed_certificate_and_cuts_nobody_off() {
    let house = house().await;
    let at = house.listening(Transport::Tls)[0];
    let mut old = Messages::by(secured(&house, TcpStream::connect(at).await.unwrap()).await);
    old.send(OPTIONS).await;
    assert!(old.next().await.starts_with("SIP/2.0 200"));
    let renewed = certify(house.folder());
    house.handle().reload().await.unwrap();
    let new = secured(&house, TcpStream::connect(at).await.unwrap()).await;
    assert_eq!(new.get_ref().1.peer_certificates().unwrap(), [renewed]);
    old.send(&OPTIONS.replace("o1", "o2")).await;
    assert!(old.next().await.starts_with("SIP/2.0 200"));
    // A key that does not fit keeps the certificate that did.
    std::fs::write(house.folder().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    house.handle().reload().await.unwrap_err();
    secured(&house, TcpStream::connect(at).await.unwrap()).await;
    house.close().await;
}

#[tokio::test]
async fn a_call_goes_over_ipv6_from_end_to_end() {
    let peers = (Wire::bound("[::1]:0").await, Wire::bound("[::1]:0").await);
    let house =
        House::open_with(peers, "", |_, text| text.replace("127.0.0.1:0\", \"tcp:127.0.0.1", "[::1]:0\", \"tcp:[::1]"))
            .await;
    let (carrier, office) = (&house.carrier, &house.office);
    let call = invite(carrier, "+551140028922", "+5521976543210", "v6");
    carrier.send(house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    let own = house.udp.to_string();
    assert!(own.starts_with("[::1]:"), "{own}");
    assert!(rung.starts_with(&format!("INVITE sip:202@{} ", office.at())), "{rung}");
    assert!(header(&rung, "Via").starts_with(&format!("SIP/2.0/UDP {own};")), "{rung}");
    assert!(header(&rung, "Contact").contains(&format!("@{own}")), "{rung}");
    office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    assert!(header(&answered, "Via").contains("received=::1"), "{answered}");
    office.expect("ACK ").await;
    carrier.ack(house.udp, &call, &answered).await;
    carrier.bye(house.udp, &call, &answered).await;
    let bye = office.expect("BYE ").await;
    office.answer(house.udp, &bye, 200, "").await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}

#[tokio::test]
async fn a_trunk_over_ipv6_calls_a_pbx_over_ipv4() {
    let peers = (Wire::bound("[::1]:0").await, Wire::new().await);
    let house = House::open_with(peers, "", |_, text| text.replace("\"udp:", "\"udp:[::1]:0\", \"udp:")).await;
    let (carrier, office) = (&house.carrier, &house.office);
    let [v6, v4] = house.listening(Transport::Udp)[..] else { panic!("two listeners") };
    let call = invite(carrier, "+551140028922", "+5521976543210", "mix");
    carrier.send(v6, &call).await;
    let rung = office.expect("INVITE ").await;
    assert!(header(&rung, "Via").starts_with(&format!("SIP/2.0/UDP {v4};")), "{rung}");
    office.answer(v4, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    assert!(header(&answered, "Contact").contains(&format!("@{v6}")), "{answered}");
    office.expect("ACK ").await;
    carrier.ack(v6, &call, &answered).await;
    carrier.bye(v6, &call, &answered).await;
    let bye = office.expect("BYE ").await;
    office.answer(v4, &bye, 200, "").await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}
