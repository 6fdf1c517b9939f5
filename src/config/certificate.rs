//! `[sip.tls]`: the certificate and its key, read and held against each other before anybody is shown them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::fault::{At, Fault, Report};
use super::raw::RawTls;

/// A certificate with those that lead to its root, and its key.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// As TLS takes it.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

impl RawTls {
    /// Reads both files. What keeps them from being used is a fault where a listener shows them; everything else is a
    /// warning, also that they are about to expire.
    pub(super) fn load(&self, listens: bool, report: &Report) -> Option<Certificate> {
        let tell = |fault: Fault| if listens { report.fault(fault) } else { report.warn(fault) };
        let (certificate, key) = (self.certificate.as_ref()?, self.key.as_ref()?);
        let chain = read(certificate, tell, |path| {
            let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
            if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
        });
        let private = read(key, tell, |path| PrivateKeyDer::from_pem_file(path));
        let (chain, private) = (chain?, private?);
        if let Some(leaf) = chain.first() {
            note_expiry(certificate, leaf, report);
        }
        match CertifiedKey::from_der(chain, private, &ring::default_provider()) {
            Ok(both) => Some(Certificate(Arc::new(both))),
            Err(fault) => {
                tell(unusable(certificate, key, &fault));
                None
            }
        }
    }
}

fn read<T>(
    path: &At<String>,
    tell: impl FnOnce(Fault),
    read: impl FnOnce(&Path) -> Result<T, pem::Error>,
) -> Option<T> {
    let fault = match read(&place_of(path)) {
        Ok(found) => return Some(found),
        Err(fault) => fault,
    };
    let (why, help) = match fault {
        pem::Error::Io(fault) => {
            (fault.to_string(), "the path counts from the folder of this file, or from where ramal is started")
        }
        pem::Error::NoItemsFound => ("it holds none".to_owned(), "write it as PEM, with its -----BEGIN …----- lines"),
        other => (other.to_string(), "write it as PEM, with its -----BEGIN …----- lines"),
    };
    tell(Fault::new(&path.place, format!("[sip.tls]: {} cannot be read: {why}", path.value)).help(help));
    None
}

/// From the folder of the file that names it; where nothing is there, from the working directory.
fn place_of(path: &At<String>) -> PathBuf {
    let beside = Path::new(&path.place.source.name).parent().unwrap_or(Path::new("")).join(&path.value);
    if beside.exists() { beside } else { PathBuf::from(&path.value) }
}

fn unusable(certificate: &At<String>, key: &At<String>, fault: &rustls::Error) -> Fault {
    match fault {
        rustls::Error::InconsistentKeys(_) => {
            let message = format!("[sip.tls]: {} is not the key of {}", key.value, certificate.value);
            Fault::new(&key.place, message).help("name the key that the certificate was asked for with")
        }
        other => Fault::new(&certificate.place, format!("[sip.tls]: the certificate is not to be used: {other}"))
            .help("`openssl x509 -text -in FILE` shows what it is"),
    }
}

/// Expired is a warning too: calls over other transports need not wait for it.
fn note_expiry(certificate: &At<String>, leaf: &CertificateDer<'_>, report: &Report) {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return };
    let until = leaf.validity().not_after;
    let left = until.timestamp() - ASN1Time::now().timestamp();
    let message = match left {
        ..=0 => format!("[sip.tls]: the certificate has expired: {until}"),
        1..=SOON => format!("[sip.tls]: the certificate expires within 14 days: {until}"),
        _ => return,
    };
    let help = "renew it, and `ramal reload`; calls that are up stay up";
    report.warn(Fault::new(&certificate.place, message).help(help));
}

/// 14 days, in seconds.
const SOON: i64 = 14 * 24 * 3600;
