//! Who somebody is who calls or registers from a phone of her own: by her password, asked for by digest.
//!
//! Whoever has no password here and whoever has the wrong one get the same answer at the same cost; after some wrong
//! tries of one user from one address both get silence, and nobody else is touched by that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use super::digests::{Digests, Offer};
use crate::base::{EmployeeId, Ids, Instant, Now, Secret};
use crate::route::directory::Directory;
use crate::sip::digest::{Algorithm, Challenge, Credentials};
use crate::sip::message::{Name, Request, Response, Status, method_text};
use crate::sip::nonces::{Nonces, Worth};
use crate::store::{Store, StoreError};

/// What asks for passwords.
pub(super) struct Doors {
    nonces: Mutex<Nonces>,
    failures: Mutex<Failures>,
    digests: Mutex<Digests>,
    /// What is hashed where there is no password, so that the answer takes as long.
    nobodys: Secret,
}

/// Who has failed of late.
#[derive(Debug, Default)]
struct Failures {
    of: HashMap<(IpAddr, Box<str>), Failed>,
    /// When those of long ago were last looked for.
    swept: Option<Instant>,
}

/// Wrong tries of one user from one address.
#[derive(Debug, Clone, Copy)]
struct Failed {
    since: Instant,
    times: u32,
}

/// What a request's credentials come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// She is who she says.
    Right(EmployeeId),
    /// It has none for us, or such that a new nonce mends.
    Ask {
        /// There were some, by a nonce that is worth nothing.
        stale: bool,
    },
    /// They are wrong: 403.
    Wrong,
    /// They were wrong too often: no answer.
    Silence,
}

impl Doors {
    pub(super) async fn open(store: &Store, now: Now) -> Result<Self, StoreError> {
        let mut ids = Ids::from_os();
        let fresh: String = (0..4).map(|_| format!("{:016x}", ids.bits())).collect();
        let nobodys = Secret::new(format!("{:016x}{:016x}", ids.bits(), ids.bits()));
        let text = store.secret("nonces", fresh).await?;
        let mut secret = [0; 32];
        // 64 hex digits, by its making.
        secret.iter_mut().zip(text.as_bytes().chunks(2)).for_each(|(byte, digits)| {
            *byte = std::str::from_utf8(digits).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
        });
        Ok(Self {
            nonces: Mutex::new(Nonces::new(secret, now.wall)),
            failures: Mutex::default(),
            digests: Mutex::default(),
            nobodys,
        })
    }

    /// Checks a request's credentials for our realm.
    pub(super) fn check(&self, now: Now, dir: &Directory, source: IpAddr, request: &Request) -> Checked {
        let Some(said) = credentials(request, realm(dir)) else { return Checked::Ask { stale: false } };
        let user: Box<str> = said.username.chars().take(LONGEST_USER).collect::<String>().into();
        // Whoever forges a phone's address never sees a nonce that we made for it: such tries are not even counted, so that
        // nobody can lock her out. RFC 7616 §3.3: "The server SHOULD only set stale to TRUE if it receives a request for
        // which the nonce is invalid." So it says nothing of the password.
        if self.nonces.lock().look(now, source, &said.username, &said.nonce) != Worth::Good {
            return Checked::Ask { stale: true };
        }
        let key = (source, user);
        if self.has_failed_too_often(now.mono, &key) {
            return Checked::Silence;
        }
        let employee = dir.employee_at(&said.username).filter(|employee| employee.password.is_some());
        let password = employee.and_then(|employee| employee.password.as_ref()).unwrap_or(&self.nobodys);
        let is_right = said.are_right(password, method_text(request.method)) & said.are_for(&request.uri);
        let Some(employee) = employee.filter(|_| is_right) else {
            return if self.fails(now.mono, key) { Checked::Wrong } else { Checked::Silence };
        };
        self.digests.lock().answered(now.mono, source, request, said.algorithm);
        match self.nonces.lock().spend(now, source, &said.username, &said.nonce, said.count) {
            Worth::Good => {
                self.failures.lock().of.remove(&key);
                Checked::Right(employee.id.clone())
            }
            // A replay gets a new nonce too, which is worth nothing without the password.
            Worth::Stale | Worth::Foreign | Worth::Replayed => Checked::Ask { stale: true },
        }
    }

    /// The 401: SHA-256 first, where the phone is not known to give up on seeing it.
    ///
    /// RFC 8760 §2.3: "the UAS … MUST add these header fields … in order of preference, with the most preferred algorithm
    /// at the top".
    pub(super) fn ask(&self, now: Now, dir: &Directory, source: IpAddr, request: &Request, stale: bool) -> Response {
        let user = said_user(request, realm(dir));
        let nonce = self.nonces.lock().make(now, source, &user);
        let challenge = |algorithm| Challenge::new(realm(dir), &nonce, algorithm, stale).text();
        let offered: &[Algorithm] = match self.digests.lock().offer(now.mono, source, request) {
            Offer::Both => &[Algorithm::Sha256, Algorithm::Md5],
            Offer::Md5First => &[Algorithm::Md5, Algorithm::Sha256],
            Offer::Md5 => &[Algorithm::Md5],
        };
        let response = Response::to(request, Status::UNAUTHORIZED);
        offered.iter().fold(response, |response, algorithm| response.with(Name::WwwAuthenticate, challenge(*algorithm)))
    }

    fn has_failed_too_often(&self, now: Instant, key: &(IpAddr, Box<str>)) -> bool {
        let failures = self.failures.lock();
        failures.of.get(key).is_some_and(|failed| failed.times >= TRIES && now.since(failed.since) < WINDOW)
    }

    /// Notes a wrong try; false: that was one too many, or there is no room to note it.
    fn fails(&self, now: Instant, key: (IpAddr, Box<str>)) -> bool {
        let mut failures = self.failures.lock();
        if failures.of.len() >= MOST_FAILURES && failures.swept.is_none_or(|swept| now.since(swept) >= SWEEP) {
            failures.swept = Some(now);
            failures.of.retain(|_, failed| now.since(failed.since) < WINDOW);
        }
        if failures.of.len() >= MOST_FAILURES && !failures.of.contains_key(&key) {
            return false;
        }
        let failed = failures.of.entry(key).or_insert(Failed { since: now, times: 0 });
        if now.since(failed.since) >= WINDOW {
            *failed = Failed { since: now, times: 0 };
        }
        failed.times += 1;
        failed.times <= TRIES
    }
}

/// Whose users phones are: the realm.
fn realm(dir: &Directory) -> &str {
    dir.domain.as_deref().unwrap_or("ramal")
}

/// The first credentials that are for us.
fn credentials(request: &Request, realm: &str) -> Option<Credentials> {
    let all = request.headers.all(&Name::Authorization).take(MOST_CREDENTIALS);
    all.filter_map(|text| Credentials::parse(text).ok()).find(|said| said.realm == realm)
}

/// Whom a nonce is made for: who is about to answer it. Credentials name her; before them, From does.
fn said_user(request: &Request, realm: &str) -> String {
    if let Some(said) = credentials(request, realm) {
        return said.username;
    }
    request.headers.from().and_then(|from| from.uri.user().map(str::to_owned)).unwrap_or_default()
}

/// Wrong tries of one user from one address in [`WINDOW`] that get an answer.
const TRIES: u32 = 5;
/// For how long they count.
const WINDOW: Duration = Duration::from_secs(60);
/// A full table is swept no more often than so: no try costs more than another.
const SWEEP: Duration = Duration::from_secs(1);
/// How many are remembered.
const MOST_FAILURES: usize = 20_000;
/// How much of a user name is.
const LONGEST_USER: usize = 64;
/// Credentials of one request that are looked at.
const MOST_CREDENTIALS: usize = 4;
