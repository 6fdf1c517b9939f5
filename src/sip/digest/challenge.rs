//! What a server asks, and the answer to it.

use std::fmt::Write as _;

use super::fields::{Fields, escaped};
use super::hash::{Algorithm, Made, hex, response};
use crate::base::Account;
use crate::sip::message::{Headers, Name};

/// How many challenges of one response are looked at.
const MOST_CHALLENGES: usize = 16;

/// A challenge that we can answer; texts as they stand between their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users.
    pub realm: String,
    /// The server's number.
    pub nonce: String,
    /// To be repeated as it came.
    pub opaque: Option<String>,
    /// `None`: it names none, which means MD5.
    pub algorithm: Option<Algorithm>,
    /// Whether it asks for `qop=auth`; else it is of RFC 2069's kind.
    pub qop: bool,
    /// The last answer was right but for its nonce: the same password will do.
    pub stale: bool,
}

/// What a client has counted under one nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Our own number, one for all requests under this nonce: the key of `-sess` is made with the first.
    pub cnonce: String,
    /// How many requests went with this nonce, the one to be made included.
    pub count: u32,
}

impl Challenge {
    /// A challenge of ours: `qop=auth`, a nonce of [`Ids`](crate::base::Ids)' making.
    pub fn new(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> Self {
        let (realm, nonce) = (escaped(realm), escaped(nonce));
        Self { realm, nonce, opaque: None, algorithm: Some(algorithm), qop: true, stale }
    }

    /// The value of WWW-Authenticate or Proxy-Authenticate.
    pub fn text(&self) -> String {
        let mut out = format!("Digest realm=\"{}\", nonce=\"{}\"", self.realm, self.nonce);
        if let Some(algorithm) = self.algorithm {
            push(&mut out, format_args!(", algorithm={}", algorithm.as_str()));
        }
        if let Some(opaque) = &self.opaque {
            push(&mut out, format_args!(", opaque=\"{opaque}\""));
        }
        if self.qop {
            out.push_str(", qop=\"auth\"");
        }
        if self.stale {
            out.push_str(", stale=true");
        }
        out
    }

    /// The value of Authorization or Proxy-Authorization that answers it, for a request of this method to this
    /// Request-URI.
    pub fn answer(&self, account: &Account, method: &str, uri: &str, session: &Session) -> String {
        let username = escaped(&account.username);
        let nc = format!("{:08x}", session.count);
        let algorithm = self.algorithm.unwrap_or(Algorithm::Md5);
        let response = hex(&response(Made {
            algorithm,
            username: &username,
            realm: &self.realm,
            password: account.password.expose(),
            method,
            uri,
            nonce: &self.nonce,
            cnonce: &session.cnonce,
            nc: self.qop.then_some(&nc),
        }));
        let mut out = format!(
            "Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            self.realm, self.nonce
        );
        // RFC 3261 §22.4 and RFC 7616 §3.4: what the challenge says is repeated; what it leaves out, older servers do
        // not expect.
        if let Some(algorithm) = self.algorithm {
            push(&mut out, format_args!(", algorithm={}", algorithm.as_str()));
        }
        if self.qop || matches!(algorithm, Algorithm::Md5Sess | Algorithm::Sha256Sess) {
            push(&mut out, format_args!(", cnonce=\"{}\"", session.cnonce));
        }
        if let Some(opaque) = &self.opaque {
            push(&mut out, format_args!(", opaque=\"{opaque}\""));
        }
        if self.qop {
            // RFC 7616 §3.4: "The nc value is the hexadecimal count of the number of requests (including the current
            // request) that the client has sent with the nonce value in this request." RFC 3261 §25.1: 8LHEX, no quotes.
            push(&mut out, format_args!(", qop=auth, nc={nc}"));
        }
        out
    }

    fn of(fields: &Fields<'_>) -> Option<Self> {
        if !fields.scheme.eq_ignore_ascii_case("Digest") || fields.is_ambiguous() {
            return None;
        }
        let algorithm = match fields.value("algorithm") {
            // RFC 8760 §2.2: one that we don't know makes the whole challenge one that we can't answer.
            Some(name) => Some(Algorithm::of(name)?),
            None => None,
        };
        let qop = match fields.value("qop") {
            None | Some("") => false,
            Some(list) if list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
            // Only `auth-int`, or what is not invented yet.
            Some(_) => return None,
        };
        Some(Self {
            realm: fields.value("realm")?.to_owned(),
            nonce: fields.value("nonce").filter(|nonce| !nonce.is_empty())?.to_owned(),
            opaque: fields.value("opaque").map(str::to_owned),
            algorithm,
            qop,
            stale: fields.value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

/// The challenges in all fields of that name that we can answer, top first.
pub fn challenges(headers: &Headers, name: &Name) -> Vec<Challenge> {
    let values = headers.all(name).take(MOST_CHALLENGES);
    values
        .flat_map(|value| Fields::read(value))
        .filter_map(|fields| Challenge::of(&fields))
        .take(MOST_CHALLENGES)
        .collect()
}

/// The challenge to be answered: the first with the strongest hash.
///
/// RFC 8760 §2.4: "the UAC … SHOULD use the topmost header field that it supports unless a local policy dictates
/// otherwise." Ours does: SHA-256 is taken wherever it stands.
pub fn best(challenges: Vec<Challenge>) -> Option<Challenge> {
    let is_strong =
        |challenge: &Challenge| matches!(challenge.algorithm, Some(Algorithm::Sha256 | Algorithm::Sha256Sess));
    let at = challenges.iter().position(is_strong).unwrap_or(0);
    challenges.into_iter().nth(at)
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes all that is written");
}
