//! OAuth as the token service does it: a code once, an access token for an hour, a refresh token that dies by its use.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::Wall;

/// A granted pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For requests, during an hour.
    pub access_token: String,
    /// For one new pair, during 180 days.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires: Wall,
}

/// What was granted.
#[derive(Debug, Default)]
pub(super) struct Grants {
    made: u64,
    codes: BTreeMap<String, Grant>,
    access: BTreeMap<String, Grant>,
    refresh: BTreeMap<String, Grant>,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    user: i64,
    until: Wall,
}

/// What a token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Good, for this user.
    Good(i64),
    /// It was good once.
    Expired,
    /// Never heard of.
    Unknown,
}

impl Grants {
    /// A code for the authorisation of a user.
    pub(super) fn code(&mut self, user: i64, now: Wall) -> String {
        let code = self.word("code");
        self.codes.insert(code.clone(), Grant { user, until: later(now, CODE) });
        code
    }

    /// A pair for a code, which is worth nothing afterwards.
    pub(super) fn by_code(&mut self, code: &str, now: Wall) -> Option<(i64, Tokens)> {
        let grant = self.codes.remove(code).filter(|grant| now < grant.until)?;
        Some((grant.user, self.grant(grant.user, now)))
    }

    /// A pair for a refresh token, which is worth nothing afterwards.
    pub(super) fn by_refresh(&mut self, token: &str, now: Wall) -> Option<(i64, Tokens)> {
        let grant = self.refresh.remove(token).filter(|grant| now < grant.until)?;
        Some((grant.user, self.grant(grant.user, now)))
    }

    /// A pair for a user.
    pub(super) fn grant(&mut self, user: i64, now: Wall) -> Tokens {
        let (access_token, refresh_token) = (self.word("access"), self.word("refresh"));
        let expires = later(now, HOUR);
        self.access.insert(access_token.clone(), Grant { user, until: expires });
        self.refresh.insert(refresh_token.clone(), Grant { user, until: later(now, 180 * 24 * HOUR) });
        Tokens { access_token, refresh_token, expires }
    }

    pub(super) fn worth(&self, token: &str, now: Wall) -> Worth {
        match self.access.get(token) {
            Some(grant) if now < grant.until => Worth::Good(grant.user),
            Some(_) => Worth::Expired,
            None => Worth::Unknown,
        }
    }

    /// Tells tokens apart; nobody has to be kept from guessing those of a portal of play.
    fn word(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:016x}", self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// The token service's answer.
pub(super) fn answer(user: i64, tokens: &Tokens, portal: &str) -> Value {
    let domain = portal.trim_start_matches("http://");
    json!({
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires": tokens.expires.unix_millis() / 1000,
        "expires_in": HOUR,
        "scope": "app",
        "domain": domain,
        "server_endpoint": format!("{portal}/rest/"),
        "client_endpoint": format!("{portal}/rest/"),
        "status": "L",
        "member_id": "fake",
        "user_id": user,
    })
}

const fn later(now: Wall, seconds: i64) -> Wall {
    Wall::from_unix_millis(now.unix_millis() + seconds * 1000)
}

const HOUR: i64 = 3600;
const CODE: i64 = 30;
