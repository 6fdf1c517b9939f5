//! The hashes, and what is hashed: RFC 7616 §3.4.1 to §3.4.3.

use md5::Md5;
use sha2::{Digest, Sha256};

/// Which hash, and whether its key is made for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Algorithm {
    Md5,
    /// The password's hash is hashed once more with the nonces.
    Md5Sess,
    Sha256,
    /// The password's hash is hashed once more with the nonces.
    Sha256Sess,
}

impl Algorithm {
    /// The algorithm of that name, in whatever case; `None`: one that we don't do.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
    }

    /// As the header writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
        }
    }

    /// How many bytes its hash has.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Md5 | Self::Md5Sess => 16,
            Self::Sha256 | Self::Sha256Sess => 32,
        }
    }

    /// The hash of these pieces with colons between, as bytes.
    fn hash(self, pieces: &[&str]) -> Vec<u8> {
        let text = pieces.join(":");
        match self {
            Self::Md5 | Self::Md5Sess => Md5::digest(text).to_vec(),
            Self::Sha256 | Self::Sha256Sess => Sha256::digest(text).to_vec(),
        }
    }
}

/// What a response is made of; texts as they stand between their quotes.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    pub(super) cnonce: &'a str,
    /// Its eight digits, with `qop=auth`; `None`: no qop, as in RFC 2069.
    pub(super) nc: Option<&'a str>,
}

/// The response, as bytes.
pub(super) fn response(made: Made<'_>) -> Vec<u8> {
    let Made { algorithm, nonce, cnonce, .. } = made;
    let hash = |pieces: &[&str]| hex(&algorithm.hash(pieces));
    let secret = hash(&[made.username, made.realm, made.password]);
    let secret = match algorithm {
        Algorithm::Md5 | Algorithm::Sha256 => secret,
        // RFC 7616 §3.4.2: "A1 = H( unq(username) ":" unq(realm) ":" passwd ) ":" unq(nonce-prime) ":"
        // unq(cnonce-prime)".
        Algorithm::Md5Sess | Algorithm::Sha256Sess => hash(&[&secret, nonce, cnonce]),
    };
    let what = hash(&[made.method, made.uri]);
    match made.nc {
        Some(nc) => algorithm.hash(&[&secret, nonce, nc, cnonce, "auth", &what]),
        // RFC 2617 §3.2.2.1: "for compatibility with RFC 2069".
        None => algorithm.hash(&[&secret, nonce, &what]),
    }
}

/// RFC 7616 §3: "all the values … SHALL be … lowercase hex".
pub(in crate::sip) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes that so many hex digits stand for.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
