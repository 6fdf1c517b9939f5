//! TLS: who is believed, who is refused, and which connection serves whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::{Bench, MESSAGE, Seen, is_closed, short};
use crate::base::Transport;
use crate::net::connections::{PER_SOURCE, Patience, Unsent};
use crate::net::tls::Roots;

/// An authority whose certificates the bench believes.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        Arc::new(roots)
    }

    fn certify(&self, name: &str) -> Arc<CertifiedKey> {
        self.certify_with(name, |_| {})
    }

    fn certify_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Arc<CertifiedKey> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        certified(&certificate, &key)
    }
}

fn certified(certificate: &rcgen::Certificate, key: &KeyPair) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], key, &ring::default_provider()).unwrap())
}

/// A bench that shows a certificate for `ramal.test`.
fn bench(authority: &Authority, patience: Patience) -> Bench {
    let bench = Bench::trusting(Roots::These(authority.roots()), Transport::Tls, patience);
    bench.all.tls().set_certificate(Some(authority.certify("ramal.test")));
    bench
}

/// A peer that listens.
struct Peer {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Peer {
    async fn with(certificate: Arc<CertifiedKey>) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn at(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn accept(&self) -> std::io::Result<server::TlsStream<TcpStream>> {
        let accepted = timeout(Duration::from_secs(5), self.listener.accept()).await.expect("somebody comes");
        self.acceptor.accept(accepted.unwrap().0).await
    }

    /// Accepts until nobody comes any more.
    async fn accept_all(self) {
        while let Ok((stream, _)) = self.listener.accept().await {
            // One who does not like our certificate closes.
            let _ = self.acceptor.accept(stream).await;
        }
    }
}

async fn connect(authority: &Authority, to: SocketAddr) -> client::TlsStream<TcpStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(authority.roots()).with_no_client_auth();
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("ramal.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn heard(stream: &mut (impl AsyncReadExt + Unpin), wanted: &str) {
    let mut bytes = vec![0; wanted.len()];
    timeout(Duration::from_secs(5), stream.read_exact(&mut bytes)).await.expect("it comes").unwrap();
    assert_eq!(bytes, wanted.as_bytes());
}

#[tokio::test]
async fn a_peer_that_came_gets_answers_and_requests_by_its_own_connection() {
    let authority = Authority::new();
    let mut bench = bench(&authority, Patience::default());
    let mut peer = connect(&authority, bench.local).await;
    peer.write_all(MESSAGE.as_bytes()).await.unwrap();
    let (path, bytes) = bench.received().await;
    assert_eq!((path.transport, &*bytes), (Transport::Tls, MESSAGE.as_bytes()));
    bench.send(path.remote, Bytes::from_static(b"answer")).unwrap();
    heard(&mut peer, "answer").await;
    // By a name it would be somebody else: whoever came has shown no certificate.
    bench.send_to(path.remote, Some("sbc.test"), Bytes::from_static(b"not here")).unwrap();
    assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "not here"));
    // Once it is gone, nothing is sent there at all.
    drop(peer);
    let gone = async {
        while bench.send(path.remote, Bytes::from_static(b"more")) != Err(Unsent::Gone) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.expect("its end is seen");
}

#[tokio::test]
async fn a_peer_is_called_by_its_name_once_and_by_an_address_where_the_certificate_has_that() {
    let authority = Authority::new();
    for name in ["sbc.test", "127.0.0.1"] {
        let mut bench = bench(&authority, Patience::default());
        let peer = Peer::with(authority.certify(name)).await;
        for text in ["one", "two"] {
            bench.send_to(peer.at(), Some(name), Bytes::from_static(text.as_bytes())).unwrap();
        }
        let mut stream = peer.accept().await.unwrap();
        assert_eq!(stream.get_ref().1.server_name(), (name == "sbc.test").then_some(name), "SNI");
        heard(&mut stream, "onetwo").await;
        // What it sends by that connection is answered by it.
        stream.write_all(MESSAGE.as_bytes()).await.unwrap();
        let (path, _) = bench.received().await;
        bench.send(path.remote, Bytes::from_static(b"answer")).unwrap();
        heard(&mut stream, "answer").await;
    }
}

#[tokio::test]
async fn a_connection_serves_no_other_name_at_the_same_address() {
    let authority = Authority::new();
    let mut bench = bench(&authority, Patience::default());
    let peer = Peer::with(authority.certify("sbc.test")).await;
    bench.send_to(peer.at(), Some("sbc.test"), Bytes::from_static(b"hers")).unwrap();
    let mut stream = peer.accept().await.unwrap();
    heard(&mut stream, "hers").await;
    bench.send_to(peer.at(), Some("other.test"), Bytes::from_static(b"another's")).unwrap();
    assert!(peer.accept().await.is_err(), "another connection, whose certificate is refused");
    assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "another's"));
    bench.send_to(peer.at(), Some("sbc.test"), Bytes::from_static(b"again")).unwrap();
    heard(&mut stream, "again").await;
}

#[tokio::test]
async fn an_expired_a_wrong_and_a_self_made_certificate_get_no_message() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["sbc.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(2099, 1, 1);
    for (why, certificate) in [
        ("expired", authority.certify_with("sbc.test", expired)),
        ("not valid yet", authority.certify_with("sbc.test", early)),
        ("another name", authority.certify("sbc.example.test")),
        ("an address instead of a name", authority.certify("127.0.0.1")),
        ("self-signed", certified(&own, &key)),
        ("by an authority that nobody knows", stranger.certify("sbc.test")),
    ] {
        let mut bench = bench(&authority, Patience::default());
        let peer = Peer::with(certificate).await;
        bench.send_to(peer.at(), Some("sbc.test"), Bytes::from_static(b"secret")).unwrap();
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(peer.accept_all());
        assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "secret"), "{why}");
        assert_eq!(bench.all.counts().0, 0, "{why}");
    }
}

#[tokio::test]
async fn plain_sip_and_tls_1_0_on_a_tls_port_are_closed_without_a_word_of_sip() {
    let authority = Authority::new();
    let mut bench = bench(&authority, Patience::default());
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    for first in [MESSAGE.as_bytes(), &hello] {
        let mut stream = TcpStream::connect(bench.local).await.unwrap();
        stream.write_all(first).await.unwrap();
        let mut answer = Vec::new();
        // Reset or closed, both are an end.
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("it is closed");
        assert!(answer.is_empty() || answer[0] == 0x15, "an alert at most: {answer:?}");
    }
    assert!(bench.seen.try_recv().is_err(), "nothing was received");
}

#[tokio::test]
async fn silence_and_drips_in_the_handshake_and_after_it_end_a_connection() {
    let authority = Authority::new();
    let bench = bench(&authority, short());
    let mut silent = TcpStream::connect(bench.local).await.unwrap();
    let mut half = TcpStream::connect(bench.local).await.unwrap();
    half.write_all(&[0x16, 3, 1, 0]).await.unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
    let mut secured = connect(&authority, bench.local).await;
    secured.write_all(&MESSAGE.as_bytes()[..20]).await.unwrap();
    assert!(is_closed(&mut secured).await);
}

#[tokio::test]
async fn handshakes_count_toward_the_connections_of_an_address() {
    let authority = Authority::new();
    let bench = bench(&authority, short());
    let mut streams = Vec::new();
    for _ in 0..=PER_SOURCE {
        streams.push(TcpStream::connect(bench.local).await.unwrap());
    }
    for stream in &mut streams {
        assert!(is_closed(stream).await);
    }
    let places = async {
        while bench.all.counts().1 > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), places).await.expect("every place comes back");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_peers_and_old_connections_live_on() {
    let authority = Authority::new();
    let mut bench = bench(&authority, Patience::default());
    let mut old = connect(&authority, bench.local).await;
    let renewed = authority.certify("ramal.test");
    bench.all.tls().set_certificate(Some(Arc::clone(&renewed)));
    let new = connect(&authority, bench.local).await;
    assert_eq!(new.get_ref().1.peer_certificates().unwrap(), renewed.cert);
    assert_ne!(old.get_ref().1.peer_certificates().unwrap(), renewed.cert);
    old.write_all(MESSAGE.as_bytes()).await.unwrap();
    bench.received().await;
}

#[tokio::test]
async fn a_refused_connection_loses_its_messages_at_once() {
    let authority = Authority::new();
    let mut bench = bench(&authority, Patience::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.send_to(closed, Some("sbc.test"), Bytes::from_static(b"one")).unwrap();
    assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "one"));
}
