//! `[sip.tls]`: what `check` finds in a certificate and its key.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{OFFICE, in_words};
use crate::base::Transport;
use crate::config::{Faults, Loaded, load};

/// A folder with an office that listens by TLS, and room for its certificate.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let listen = "[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"tls:0.0.0.0:5061\", \"wss:0.0.0.0:8443\"]\n";
    let tls = "[sip.tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n";
    std::fs::write(folder.path().join("ramal.toml"), format!("{OFFICE}{listen}{tls}")).unwrap();
    folder
}

fn loaded(folder: &Path) -> Result<Loaded, Faults> {
    load(&folder.join("ramal.toml"))
}

fn certify(folder: &Path, change: impl FnOnce(&mut CertificateParams)) -> KeyPair {
    let mut params = CertificateParams::new(vec!["pbx.example.com".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("chain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    key
}

#[test]
fn a_certificate_and_its_key_beside_the_file_are_taken() {
    let folder = folder();
    certify(folder.path(), |_| {});
    let loaded = loaded(folder.path()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", in_words(&loaded.warnings));
    let sip = loaded.settings.sip;
    assert_eq!(sip.tls.unwrap().key().cert.len(), 1);
    assert!(sip.listen.iter().any(|(transport, _)| *transport == Transport::Wss));
}

#[test]
fn files_that_are_missing_or_hold_nothing_of_the_kind_are_faults() {
    let folder = folder();
    certify(folder.path(), |_| {});
    std::fs::remove_file(folder.path().join("chain.pem")).unwrap();
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let faults = in_words(loaded(folder.path()).unwrap_err().faults());
    assert_eq!(
        faults,
        [
            "33: [sip.tls]: chain.pem cannot be read: No such file or directory (os error 2) (the path counts from the folder of this file, or from where ramal is started)",
            "34: [sip.tls]: key.pem cannot be read: it holds none (write it as PEM, with its -----BEGIN …----- lines)",
        ]
    );
}

#[test]
fn a_key_of_another_certificate_is_a_fault() {
    let folder = folder();
    certify(folder.path(), |_| {});
    std::fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let faults = in_words(loaded(folder.path()).unwrap_err().faults());
    assert_eq!(
        faults,
        ["34: [sip.tls]: key.pem is not the key of chain.pem (name the key that the certificate was asked for with)"]
    );
}

#[test]
fn one_that_has_expired_or_soon_will_is_a_warning() {
    let folder = folder();
    certify(folder.path(), |params| params.not_after = date_time_ymd(2021, 3, 1));
    let warnings = in_words(&loaded(folder.path()).unwrap().warnings);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("33: [sip.tls]: the certificate has expired: Mar  1 "), "{warnings:?}");
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 10);
    let soon = soon.to_string();
    let part = |from: usize, to: usize| soon[from..to].parse::<u8>().unwrap();
    let (year, month, day) = (2000 + i32::from(part(2, 4)), part(5, 7), part(8, 10));
    certify(folder.path(), |params| params.not_after = date_time_ymd(year, month, day));
    let warnings = in_words(&loaded(folder.path()).unwrap().warnings);
    assert!(warnings[0].contains("expires within 14 days"), "{warnings:?}");
}
