//! Who sends a request that belongs to no call: a trunk or PBX by its address, a phone by her password; and the REGISTERs
//! of phones.

use std::sync::Arc;

use bytes::Bytes;
use rsip::Method;

use super::Inner;
use super::doors::Checked;
use super::receive::Came;
use super::strangers::modest;
use crate::base::EmployeeId;
use crate::net::sink::Path;
use crate::route::directory::Directory;
use crate::route::{self, Origin};
use crate::sip::message::{Name, Request, Response, Status, inspect};

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// By address or password.
    Known(Origin),
    /// Somebody who is to show her password first.
    Asked {
        /// She showed one by a nonce that is worth nothing.
        stale: bool,
    },
    /// She showed a wrong one.
    Wrong,
    /// She showed wrong ones too often.
    Ignored,
}

impl Inner {
    /// Who sends a request: (1) a peer by its very address, (2) a phone by her password, which whoever calls from the source
    /// of a registration has to show, (3) a trunk or PBX by `accept`.
    pub(super) fn who(&self, path: Path, request: &Request) -> Who {
        let dir = self.house.directory();
        if let Some(origin) = route::origin::of_peer(&dir, path.remote) {
            return Who::Known(origin);
        }
        if !self.takes_phones() {
            return Who::Known(route::origin(&dir, path.remote));
        }
        if request.headers.has(&Name::Authorization) {
            match self.registrar.doors.check(self.clock.now(), &dir, path.remote.ip(), request) {
                Checked::Right(employee) => return Who::Known(Origin::Phone(employee)),
                Checked::Ask { stale: true } => return Who::Asked { stale: true },
                Checked::Wrong => return Who::Wrong,
                Checked::Silence => return Who::Ignored,
                // They are for somebody else: as if there were none.
                Checked::Ask { stale: false } => {}
            }
        }
        if self.registrar.is_source(path) {
            return Who::Asked { stale: false };
        }
        match route::origin(&dir, path.remote) {
            // Another port of a phone's address: a phone behind the same NAT, or the same one anew.
            Origin::Stranger if self.registrar.is_address(path.remote.ip()) && may_be_a_phone(&dir, request) => {
                Who::Asked { stale: false }
            }
            origin => Who::Known(origin),
        }
    }

    /// Whether a message comes from where a trunk, a PBX or a registered phone is: what it says is answered.
    pub(super) fn is_known(&self, path: Path) -> bool {
        self.registrar.is_source(path) || route::origin(&self.house.directory(), path.remote) != Origin::Stranger
    }

    /// Whether any phone may register here.
    fn takes_phones(&self) -> bool {
        self.house.directory().employees.iter().any(|employee| employee.password.is_some())
    }

    /// Asks for a password. An answer of strangers' size, but for two challenges: one more than half again of what was
    /// asked never goes to an address that may be forged.
    pub(super) fn ask_for_password(&self, came: Came, request: &Request, stale: bool) {
        let (path, now) = (came.path, self.clock.now());
        let ip = path.remote.ip();
        if !self.registrar.is_address(ip) && !self.admission.answers_stranger(ip) {
            return;
        }
        let response = self.registrar.doors.ask(now, &self.house.directory(), ip, request, stale);
        if path.transport.is_reliable() || self.is_known(path) {
            return self.answer(path, response);
        }
        let response = super::answer::located(path, response);
        let target = super::answer::response_target(path, &response);
        if let Some(bytes) = challenge_within(response, came.size + came.size / 2) {
            self.answer_bytes(path, target, &bytes, false);
        }
    }

    /// A REGISTER.
    pub(super) fn registers(self: &Arc<Self>, came: Came, request: Request) {
        if self.is_beyond_repeat(&request) {
            return;
        }
        if !self.takes_phones() {
            return match route::origin(&self.house.directory(), came.path.remote) {
                Origin::Stranger => self.forbid(came, &request),
                Origin::Trunk(_) | Origin::Pbx(_) | Origin::Phone(_) => self.not_allowed(came.path, &request),
            };
        }
        let checked = {
            let dir = self.house.directory();
            self.registrar.doors.check(self.clock.now(), &dir, came.path.remote.ip(), &request)
        };
        match checked {
            Checked::Right(employee) => self.registered(came, &employee, request),
            Checked::Ask { stale } => self.ask_for_password(came, &request, stale),
            Checked::Wrong => self.forbid_password(came, &request),
            Checked::Silence => {}
        }
    }

    /// Refuses whoever showed a wrong password. As for unknown users: nobody is to learn which of both it was.
    pub(super) fn forbid_password(&self, came: Came, request: &Request) {
        tracing::debug!(from = %came.path.remote, "a wrong password, or nobody with that name");
        self.forbid(came, request);
    }

    /// She showed her password.
    fn registered(&self, came: Came, employee: &EmployeeId, request: Request) {
        let Some(waiting) = self.take_on(came.path, request) else { return };
        let request = &waiting.request;
        let to = request.headers.to().and_then(|to| to.uri.user().map(str::to_owned));
        let is_hers = to.is_some_and(|user| {
            let directory = self.house.directory();
            directory.employee_at(&user).is_some_and(|owner| owner.id == *employee)
        });
        let response = match inspect(request, REGISTER_SUPPORTED) {
            Some(objection) => objection.response(request),
            // RFC 3261 §10.3: "If the authenticated user is not authorized to modify bindings, the registrar MUST return a
            // 403 (Forbidden)".
            None if !is_hers => Response::to(request, Status::FORBIDDEN),
            None => self.registrar.register(self.clock.now(), employee, came.path, request),
        };
        self.answer_waiting(&waiting, response);
    }
}

/// Whether somebody calls herself what a phone of ours would: by something that looks like an extension. Whether there is
/// one like that is not told.
fn may_be_a_phone(dir: &Directory, request: &Request) -> bool {
    let from = request.headers.from();
    let Some(user) = from.as_ref().and_then(|from| from.uri.user()) else { return false };
    let mut phones = dir.employees.iter().filter(|employee| employee.password.is_some());
    user.bytes().all(|b| b.is_ascii_digit())
        && phones.any(|employee| employee.extension.as_ref().is_some_and(|its| its.len() == user.len()))
}

/// What of this 401 fits: both challenges, else MD5's alone, which every phone knows.
fn challenge_within(response: Response, size: usize) -> Option<Bytes> {
    let mut single = response.clone();
    modest(response, size).or_else(|| {
        let all: Vec<_> = single.headers.all(&Name::WwwAuthenticate).cloned().collect();
        single.headers.remove(&Name::WwwAuthenticate);
        for challenge in all.into_iter().filter(|challenge| challenge.contains("algorithm=MD5")) {
            single = single.with(Name::WwwAuthenticate, challenge);
        }
        modest(single, size)
    })
}

/// Methods with which somebody new wants something of us, for which her password is asked.
pub(super) fn wants_password(method: Method) -> bool {
    !matches!(method, Method::Ack | Method::Cancel | Method::Options)
}

/// What a REGISTER may require.
const REGISTER_SUPPORTED: &[&str] = &["path", "outbound", "gruu"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::{Algorithm, Challenge};

    #[test]
    fn a_challenge_shrinks_to_what_every_phone_knows_and_then_to_silence() {
        let request = Request::new(Method::Register, "sip:h").with(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bK1");
        let challenge = |algorithm| Challenge::new("ramal", &"n".repeat(43), algorithm, false).text();
        let (strong, plain) = (challenge(Algorithm::Sha256), challenge(Algorithm::Md5));
        for [first, second] in [[&strong, &plain], [&plain, &strong]] {
            let response = Response::to(&request, Status::UNAUTHORIZED)
                .with(Name::WwwAuthenticate, first.as_str())
                .with(Name::WwwAuthenticate, second.as_str());
            let whole = response.to_bytes().len();
            let has = |size: usize, word: &str| {
                let bytes = challenge_within(response.clone(), size).unwrap();
                String::from_utf8_lossy(&bytes).contains(word)
            };
            assert!(has(whole, "SHA-256") && has(whole, "MD5"));
            assert!(!has(whole - 100, "SHA-256") && has(whole - 100, "MD5"));
            assert_eq!(challenge_within(response, 100), None);
        }
    }
}
