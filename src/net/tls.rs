//! TLS 1.2 and 1.3: our certificate, whose certificates we believe, and the handshakes (RFC 3261 §26.3.1, RFC 5922).

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// RFC 8996 has retired the versions before.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What the handshakes of all connections need; connections that are up are not touched when it changes.
pub struct Tls {
    roots: Roots,
    server: ArcSwapOption<ServerConfig>,
    client: ArcSwapOption<ClientConfig>,
    /// Shown to peers that ask for one while we call them.
    own: ArcSwapOption<CertifiedKey>,
}

/// Whose word we take for a peer's name.
#[derive(Debug, Clone)]
pub enum Roots {
    /// What the system trusts, or the file that `SSL_CERT_FILE` names; read when a connection is first made.
    System,
    /// These alone.
    These(Arc<RootCertStore>),
}

impl Tls {
    /// Without a certificate of our own.
    pub fn new(roots: Roots) -> Self {
        let (server, client, own) = (ArcSwapOption::empty(), ArcSwapOption::empty(), ArcSwapOption::empty());
        Self { roots, server, client, own }
    }

    /// Shows this certificate from now on, and reads anew whom the system trusts.
    pub fn set_certificate(&self, certificate: Option<Arc<CertifiedKey>>) {
        let server = certificate.as_ref().map(|own| {
            let resolver = Arc::new(SingleCertAndKey::from(Arc::clone(own)));
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(VERSIONS)
                .expect("ring has suites for both versions");
            Arc::new(config.with_no_client_auth().with_cert_resolver(resolver))
        });
        self.server.store(server);
        self.own.store(certificate);
        self.client.store(None);
    }

    /// Answers a peer's handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = self.server.load_full();
        let config = config.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no certificate"))?;
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Begins a handshake with whoever can show a certificate for this name.
    ///
    /// RFC 5922 §7.4: "the TLS client … MUST authenticate the server": the name is the one that the operator wrote,
    /// never one that DNS gave instead of it.
    pub(super) async fn connect(&self, stream: TcpStream, name: &str) -> io::Result<client::TlsStream<TcpStream>> {
        let wrong = |_| io::Error::new(io::ErrorKind::InvalidInput, "no name that a certificate could have");
        let server = ServerName::try_from(name.to_owned()).map_err(wrong)?;
        let secured = TlsConnector::from(self.client_config()).connect(server, stream).await;
        if let Err(fault) = &secured
            && fault.kind() == io::ErrorKind::InvalidData
        {
            // A peer of the operator's files, so his to mend; strangers are not called.
            tracing::warn!(name, %fault, "no TLS with this peer");
        }
        secured
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        if let Some(config) = self.client.load_full() {
            return config;
        }
        let roots = match &self.roots {
            Roots::System => Arc::new(system_roots()),
            Roots::These(roots) => Arc::clone(roots),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(VERSIONS)
            .expect("ring has suites for both versions")
            .with_root_certificates(roots);
        let config = Arc::new(match self.own.load_full() {
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
            None => config.with_no_client_auth(),
        });
        self.client.store(Some(Arc::clone(&config)));
        config
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for fault in found.errors {
        tracing::warn!(%fault, "some of the system's root certificates cannot be read");
    }
    let (_, _ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!("there are no root certificates: install ca-certificates, or set SSL_CERT_FILE");
    }
    roots
}
