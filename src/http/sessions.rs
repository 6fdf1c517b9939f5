//! Who has signed in: sessions of employees, in memory alone, each known by the hash of what its cookie holds.
//!
//! Whether a session still counts is looked up in the files at each request: an employee who has left them, or whose
//! `login` is another by now, has none; a role that changed is in force at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::base::{EmployeeId, Ids, Instant, Secret};
use crate::route::directory::Directory;

/// A session ends when nothing was asked under it for so long …
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// … and so long after it began in any case.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions at once; the one that was used longest ago goes.
const MOST: usize = 4096;
/// Of one employee.
const MOST_OF_ONE: usize = 16;

type Hash = [u8; 32];

/// All sessions.
pub(super) struct Sessions {
    /// For the hashes: of this process alone.
    key: Hash,
    all: Mutex<All>,
}

struct All {
    ids: Ids,
    by_hash: HashMap<Hash, Session>,
}

#[derive(Debug)]
struct Session {
    employee: EmployeeId,
    /// The hash of her `login` when she signed in.
    login: Hash,
    csrf: String,
    from: IpAddr,
    began: Instant,
    used: Instant,
}

/// Whose session a request was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// She.
    pub(super) employee: EmployeeId,
    /// Her role, by the files of now.
    pub(super) admin: bool,
    /// What changes have to carry.
    pub(super) csrf: String,
    /// For [`Sessions::end`] and [`Sessions::goes_on`].
    pub(super) session: Hash,
}

/// What a new session is known by.
#[derive(Debug)]
pub(super) struct Begun {
    /// For the cookie.
    pub(super) token: String,
    /// For the header of changes.
    pub(super) csrf: String,
}

impl Sessions {
    /// None yet.
    pub(super) fn new(mut ids: Ids) -> Self {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&ids.bits().to_be_bytes());
        }
        Self { key, all: Mutex::new(All { ids, by_hash: HashMap::new() }) }
    }

    /// Whether this is the password of this employee. Takes as long whether she exists, and has one, or not.
    pub(super) fn knows(&self, directory: &Directory, employee: &EmployeeId, password: &str) -> bool {
        let login = directory.employee(employee).and_then(|hers| hers.login.as_ref());
        // An empty one is none: it would let in whoever says nothing.
        let login = login.filter(|login| !login.expose().is_empty());
        let wanted = self.hash(login.map_or("", Secret::expose));
        let same = wanted.ct_eq(&self.hash(password));
        bool::from(same) && login.is_some()
    }

    /// Signs her in.
    pub(super) fn begin(&self, now: Instant, directory: &Directory, employee: &EmployeeId, from: IpAddr) -> Begun {
        let mut all = self.all.lock();
        let (token, csrf) = (token(&mut all.ids), token(&mut all.ids));
        all.by_hash.retain(|_, session| session.counts(now));
        all.make_room(|session| session.employee == *employee, MOST_OF_ONE);
        all.make_room(|_| true, MOST);
        let login = self.login_of(directory, employee).unwrap_or_default();
        let session = Session { employee: employee.clone(), login, csrf: csrf.clone(), from, began: now, used: now };
        all.by_hash.insert(self.hash(&token), session);
        Begun { token, csrf }
    }

    /// Whose session this cookie is of; it counts as used.
    pub(super) fn holder(&self, now: Instant, directory: &Directory, token: &str) -> Option<Holder> {
        let hash = self.hash(token);
        let mut all = self.all.lock();
        let session = all.by_hash.get_mut(&hash)?;
        let Some(admin) = self.role(session, now, directory) else {
            all.by_hash.remove(&hash);
            return None;
        };
        session.used = now;
        Some(Holder { employee: session.employee.clone(), admin, csrf: session.csrf.clone(), session: hash })
    }

    /// The role under which a session still goes on, for what lasts longer than a request; `None`: it has ended.
    pub(super) fn goes_on(&self, now: Instant, directory: &Directory, session: &Hash) -> Option<bool> {
        self.role(self.all.lock().by_hash.get(session)?, now, directory)
    }

    /// Ends one.
    pub(super) fn end(&self, session: &Hash) {
        self.all.lock().by_hash.remove(session);
    }

    /// Whether she is signed in from there.
    pub(super) fn is_in_from(&self, now: Instant, employee: &EmployeeId, from: IpAddr) -> bool {
        let all = self.all.lock();
        all.by_hash.values().any(|one| one.employee == *employee && one.from == from && one.counts(now))
    }

    /// Whether she is an admin; `None`: the session does not count any more.
    fn role(&self, session: &Session, now: Instant, directory: &Directory) -> Option<bool> {
        let login = self.login_of(directory, &session.employee)?;
        let counts = session.counts(now) && login == session.login;
        let admin = directory.employee(&session.employee)?.admin;
        counts.then_some(admin)
    }

    fn login_of(&self, directory: &Directory, employee: &EmployeeId) -> Option<Hash> {
        Some(self.hash(directory.employee(employee)?.login.as_ref()?.expose()))
    }

    fn hash(&self, text: &str) -> Hash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl Session {
    fn counts(&self, now: Instant) -> bool {
        now.since(self.used) < IDLE && now.since(self.began) < LONGEST
    }
}

impl All {
    /// Lets go of those of these that were used longest ago, until one more has room.
    fn make_room(&mut self, of: impl Fn(&Session) -> bool, most: usize) {
        while self.by_hash.values().filter(|session| of(session)).count() >= most {
            let meant = self.by_hash.iter().filter(|(_, session)| of(session));
            let Some(oldest) = meant.min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash) else { return };
            self.by_hash.remove(&oldest);
        }
    }
}

/// 256 random bits, in hex.
fn token(ids: &mut Ids) -> String {
    (0..4).map(|_| format!("{:016x}", ids.bits())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::route::testing::house;

    fn office(login: &str, admin: bool) -> Directory {
        let mut directory = house().build();
        for employee in &mut directory.employees {
            if employee.id.as_str() == "ana" {
                let employee = Arc::make_mut(employee);
                (employee.login, employee.admin) = (Some(Secret::new(login.to_owned())), admin);
            }
        }
        directory
    }

    fn sessions() -> Sessions {
        Sessions::new(Ids::seeded(7))
    }

    fn at(hours: u64) -> Instant {
        Instant::from_millis(hours * 3_600_000)
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_the_password_in_the_file_is_known_and_an_empty_one_is_none() {
        let (sessions, ana) = (sessions(), EmployeeId::from("ana"));
        let open = office("open sesame", false);
        assert!(sessions.knows(&open, &ana, "open sesame"));
        for wrong in ["", "open sesam", "open sesame ", "Open Sesame"] {
            assert!(!sessions.knows(&open, &ana, wrong), "{wrong:?}");
        }
        assert!(!sessions.knows(&open, &"bruno".into(), ""), "she has none");
        assert!(!sessions.knows(&open, &"zoe".into(), ""), "nobody");
        assert!(!sessions.knows(&office("", false), &ana, ""));
    }

    #[test]
    fn a_session_lives_while_it_is_used_twelve_hours_at_most_between_and_a_week_in_all() {
        let (sessions, office, ana) = (sessions(), office("x", false), EmployeeId::from("ana"));
        let token = sessions.begin(at(0), &office, &ana, HERE).token;
        assert_eq!(sessions.holder(at(11), &office, &token).unwrap().employee, ana);
        assert!(sessions.holder(at(22), &office, &token).is_some());
        assert!(sessions.holder(at(34), &office, &token).is_none(), "idle for twelve hours");
        let token = sessions.begin(at(0), &office, &ana, HERE).token;
        assert!((0..16).all(|n| sessions.holder(at(n * 10), &office, &token).is_some()));
        assert!(sessions.holder(at(7 * 24), &office, &token).is_none(), "a week");
        assert!(sessions.holder(at(0), &office, "").is_none());
    }

    #[test]
    fn another_login_or_no_employee_ends_a_session_and_a_role_counts_at_once() {
        let (sessions, ana) = (sessions(), EmployeeId::from("ana"));
        let before = office("x", false);
        let token = sessions.begin(at(0), &before, &ana, HERE).token;
        let holder = sessions.holder(at(0), &before, &token).unwrap();
        assert!(!holder.admin);
        assert!(sessions.holder(at(0), &office("x", true), &token).unwrap().admin);
        assert_eq!(sessions.goes_on(at(0), &office("x", true), &holder.session), Some(true));
        assert_eq!(sessions.goes_on(at(0), &office("y", true), &holder.session), None);
        assert!(sessions.holder(at(0), &office("y", false), &token).is_none());
        assert!(sessions.holder(at(0), &before, &token).is_none(), "it is gone, not asleep");
        let token = sessions.begin(at(0), &before, &ana, HERE).token;
        assert!(sessions.holder(at(0), &Directory::default(), &token).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_those_used_longest_ago_go_first() {
        let (sessions, office, ana) = (sessions(), office("x", false), EmployeeId::from("ana"));
        let tokens: Vec<String> =
            (0..=16).map(|n| sessions.begin(Instant::from_millis(n), &office, &ana, HERE).token).collect();
        let there: Vec<bool> = tokens.iter().map(|token| sessions.holder(at(1), &office, token).is_some()).collect();
        assert_eq!((there[0], there.iter().filter(|there| **there).count()), (false, MOST_OF_ONE));
    }

    #[test]
    fn tokens_differ_and_one_that_was_ended_is_nobodys() {
        let (sessions, office, ana) = (sessions(), office("x", false), EmployeeId::from("ana"));
        let (one, two) = (sessions.begin(at(0), &office, &ana, HERE), sessions.begin(at(0), &office, &ana, HERE));
        assert!(one.token != two.token && one.csrf != two.csrf && one.token != one.csrf);
        assert_eq!(one.token.len(), 64);
        let holder = sessions.holder(at(0), &office, &one.token).unwrap();
        assert_eq!(holder.csrf, one.csrf);
        sessions.end(&holder.session);
        assert!(sessions.holder(at(0), &office, &one.token).is_none());
        assert!(sessions.is_in_from(at(0), &ana, HERE), "by the other");
        assert!(!sessions.is_in_from(at(0), &ana, [10, 0, 0, 1].into()));
    }
}
