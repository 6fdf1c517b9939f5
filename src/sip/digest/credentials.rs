//! What a client says, read and checked.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use super::fields::{Fields, unescaped};
use super::hash::{Algorithm, Made, response, unhex};
use crate::base::Secret;
use crate::sip::message::parse_uri;

/// The value of an Authorization or Proxy-Authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who says that she is: what her quoted string stands for.
    pub username: String,
    /// Of which challenge, as it stands between its quotes.
    pub realm: String,
    /// The nonce, as it stands between its quotes.
    pub nonce: String,
    /// The Request-URI as she saw it.
    pub uri: String,
    /// MD5 where she names none.
    pub algorithm: Algorithm,
    /// Which request it is under this nonce; `None`: no qop, so that a replay can't be told.
    pub count: Option<u32>,
    /// What was given to her to be repeated.
    pub opaque: Option<String>,
    written: Written,
}

/// What is hashed as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    username: String,
    response: Vec<u8>,
    cnonce: String,
    nc: Option<String>,
}

/// Why credentials can't be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// They are of another scheme, or don't follow the grammar.
    #[error("no digest")]
    NotDigest,
    /// A parameter is missing, stands there twice, or has no value that it may have.
    #[error("a parameter is missing or wrong")]
    Parameters,
    /// They are made by an algorithm or qop that is not done here.
    #[error("an algorithm or qop that nobody asked for")]
    Unsupported,
}

impl Credentials {
    /// Reads the value of one header.
    ///
    /// # Errors
    /// Why they can't be checked.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let read = Fields::read(text);
        let [fields] = &*read else { return Err(Unusable::NotDigest) };
        if !fields.scheme.eq_ignore_ascii_case("Digest") {
            return Err(Unusable::NotDigest);
        }
        if fields.is_ambiguous() {
            return Err(Unusable::Parameters);
        }
        let algorithm = match fields.value("algorithm") {
            Some(name) => Algorithm::of(name).ok_or(Unusable::Unsupported)?,
            None => Algorithm::Md5,
        };
        let must = |name| fields.value(name).ok_or(Unusable::Parameters);
        let response = unhex(must("response")?).filter(|bytes| bytes.len() == algorithm.width());
        let nc = match fields.value("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(must("nc")?),
            Some(_) => return Err(Unusable::Unsupported),
        };
        let count = match nc {
            // RFC 3261 §25.1: nc-value = 8LHEX.
            Some(nc) if nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(nc, 16).ok(),
            Some(_) => return Err(Unusable::Parameters),
            None => None,
        };
        let is_session = matches!(algorithm, Algorithm::Md5Sess | Algorithm::Sha256Sess);
        let cnonce = if nc.is_some() || is_session { must("cnonce")? } else { "" };
        Ok(Self {
            username: unescaped(must("username")?),
            realm: must("realm")?.to_owned(),
            nonce: must("nonce")?.to_owned(),
            uri: must("uri")?.to_owned(),
            algorithm,
            count,
            opaque: fields.value("opaque").map(str::to_owned),
            written: Written {
                username: must("username")?.to_owned(),
                response: response.ok_or(Unusable::Parameters)?,
                cnonce: cnonce.to_owned(),
                nc: nc.map(str::to_owned),
            },
        })
    }

    /// Whether this password made them, for a request of this method. Takes the same time whatever is wrong.
    pub fn are_right(&self, password: &Secret, method: &str) -> bool {
        let wanted = response(Made {
            algorithm: self.algorithm,
            username: &self.written.username,
            realm: &self.realm,
            password: password.expose(),
            method,
            uri: &self.uri,
            nonce: &self.nonce,
            cnonce: &self.written.cnonce,
            nc: self.written.nc.as_deref(),
        });
        wanted.ct_eq(&self.written.response).into()
    }

    /// Whether they were made for this Request-URI.
    ///
    /// RFC 7616 §3.4.6: "The authenticating server MUST assure that the resource designated by the "uri" parameter is the
    /// same as the resource specified in the Request-Line". Parameters are no part of it: proxies add and take them.
    pub fn are_for(&self, request_uri: &str) -> bool {
        if self.uri == request_uri {
            return true;
        }
        let (Some(theirs), Some(ours)) = (resource(&self.uri), resource(request_uri)) else { return false };
        // deviates: some clients write the server alone, whomever they call. Method and nonce still bind the answer.
        theirs == ours || (theirs.0.is_empty() && (theirs.1, theirs.2) == (ours.1, ours.2))
    }
}

/// A SIP URI's user, host and port, as RFC 3261 §19.1.4 compares them.
fn resource(uri: &str) -> Option<(String, String, u16)> {
    let uri = parse_uri(uri).ok()?;
    let is_secure = match uri.scheme.as_ref()? {
        rsip::Scheme::Sip => false,
        rsip::Scheme::Sips => true,
        rsip::Scheme::Other(_) => return None,
    };
    let user = uri.auth.as_ref().map(|auth| auth.user.clone()).unwrap_or_default();
    let host = uri.host_with_port.host.to_string().to_ascii_lowercase();
    let bare = host.trim_matches(['[', ']']);
    // The same IPv6 address has many spellings.
    let host = bare.parse::<IpAddr>().map_or_else(|_| bare.to_owned(), |ip| ip.to_string());
    let port = uri.host_with_port.port.as_ref().map_or(if is_secure { 5061 } else { 5060 }, |port| *port.value());
    Some((user, host, port))
}
