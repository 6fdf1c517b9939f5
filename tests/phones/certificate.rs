//! The server's certificate, and the authority that the phones believe.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::house::House;

/// Writes `certificate.pem` and `key.pem` for the house's own address, and `ca.pem`.
pub(crate) fn certify(house: &House) -> Result<(), String> {
    let made = || -> Result<_, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut ours = CertificateParams::new(vec![house.sip().ip().to_string()])?;
        ours.distinguished_name.push(DnType::CommonName, house.sip().ip().to_string());
        let key = KeyPair::generate()?;
        let certificate = ours.signed_by(&key, &authority)?;
        Ok([("certificate.pem", certificate.pem()), ("key.pem", key.serialize_pem()), ("ca.pem", authority.pem())])
    };
    for (name, text) in made().map_err(|e| e.to_string())? {
        fs::write(house.dir().join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}
