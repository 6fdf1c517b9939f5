//! Which digests a phone can do, learnt from what it makes of a challenge.
//!
//! RFC 8760 has both algorithms offered, each in a challenge of its own, and a client pass over those that it does not
//! know. Some give up instead as soon as they see one: baresip before 2.0, older desk phones. They register again after a
//! while, and by that they are told: who was offered both, and asks again without having answered, is offered MD5 alone.
//! Whoever has answered by SHA-256 is offered both for ever. Makes that are known to give up get MD5 at once; programs that
//! do not say what they are get it on top. Phones are told apart by address, user and make, so that a
//! phone that can do more loses nothing by another on the same desk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::Instant;
use crate::sip::digest::Algorithm;
use crate::sip::message::{Name, Request};
use crate::sip::registrar::MAX_EXPIRES;

/// What is known of phones.
#[derive(Debug, Default)]
pub(super) struct Digests {
    phones: HashMap<Phone, Seen>,
    /// When room was last made.
    swept: Option<Instant>,
}

/// What a phone is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// SHA-256, and MD5 below it.
    Both,
    /// The same the other way round, for those that read the topmost challenge alone.
    Md5First,
    /// MD5 alone.
    Md5,
}

/// Phones that show the same to us: their address, the user in From, what they call themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Phone {
    source: IpAddr,
    user: Box<str>,
    agent: Box<str>,
}

/// The last that was seen of a phone.
#[derive(Debug)]
struct Seen {
    known: Known,
    at: Instant,
}

#[derive(Debug)]
enum Known {
    /// It was offered both, by the answer to this request, and has not answered yet.
    Offered { request: Box<str> },
    /// It answered by SHA-256.
    DoesSha256,
    /// It answered by MD5; perhaps because nothing else was there to answer.
    DoesMd5,
    /// It could make nothing of both.
    NeedsMd5 {
        /// It has answered by MD5 since.
        answered: bool,
    },
}

impl Digests {
    /// What to offer for a request without good credentials.
    pub(super) fn offer(&mut self, now: Instant, source: IpAddr, request: &Request) -> Offer {
        let (phone, this) = (Phone::of(source, request), transaction(request));
        if GIVE_UP.iter().any(|make| phone.agent.starts_with(make)) {
            return Offer::Md5;
        }
        let both = if phone.agent.is_empty() { Offer::Md5First } else { Offer::Both };
        let Some(seen) = self.phones.get_mut(&phone).filter(|seen| now.since(seen.at) < KEPT) else {
            self.note(now, phone, Known::Offered { request: this });
            return both;
        };
        match &seen.known {
            Known::NeedsMd5 { .. } => Offer::Md5,
            Known::DoesSha256 => Offer::Both,
            // A call that fails is worse than a registration that is tried again: only that finds out what it can do.
            Known::DoesMd5 if request.method != rsip::Method::Register => Offer::Md5,
            Known::DoesMd5 => {
                *seen = Seen { known: Known::Offered { request: this }, at: now };
                both
            }
            // A retransmission, or one of several requests that it sends at once.
            Known::Offered { request } if *request == this || now.since(seen.at) < PAUSE => both,
            Known::Offered { .. } => {
                tracing::debug!(%source, agent = %phone.agent, "made nothing of SHA-256: it is offered MD5 alone");
                *seen = Seen { known: Known::NeedsMd5 { answered: false }, at: now };
                Offer::Md5
            }
        }
    }

    /// It has answered with the right password.
    pub(super) fn answered(&mut self, now: Instant, source: IpAddr, request: &Request, algorithm: Algorithm) {
        let phone = Phone::of(source, request);
        let before = self.phones.get(&phone).map(|seen| &seen.known);
        let known = match (algorithm, before) {
            (Algorithm::Sha256 | Algorithm::Sha256Sess, _) | (_, Some(Known::DoesSha256)) => Known::DoesSha256,
            (Algorithm::Md5 | Algorithm::Md5Sess, Some(Known::NeedsMd5 { .. })) => Known::NeedsMd5 { answered: true },
            (Algorithm::Md5 | Algorithm::Md5Sess, Some(Known::Offered { .. } | Known::DoesMd5) | None) => {
                Known::DoesMd5
            }
        };
        self.note(now, phone, known);
    }

    fn note(&mut self, now: Instant, phone: Phone, known: Known) {
        if self.phones.len() >= MOST && !self.phones.contains_key(&phone) && !self.makes_room(now) {
            return;
        }
        self.phones.insert(phone, Seen { known, at: now });
    }

    /// Forgets what is old, then what anybody can make who asks once, then who asks twice; once a second at most, so that no
    /// request costs more than another.
    fn makes_room(&mut self, now: Instant) -> bool {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP) {
            return false;
        }
        self.swept = Some(now);
        let steps: [fn(&Known) -> bool; 3] = [
            |_| true,
            |known| !matches!(known, Known::Offered { .. }),
            |known| !matches!(known, Known::Offered { .. } | Known::NeedsMd5 { answered: false }),
        ];
        steps.iter().any(|stays| {
            self.phones.retain(|_, seen| now.since(seen.at) < KEPT && stays(&seen.known));
            self.phones.len() < MOST
        })
    }
}

impl Phone {
    fn of(source: IpAddr, request: &Request) -> Self {
        let user = request.headers.from().and_then(|from| from.uri.user().map(start)).unwrap_or_default();
        let agent = request.headers.get(&Name::UserAgent).map(|agent| start(agent)).unwrap_or_default();
        Self { source, user, agent }
    }
}

/// What tells a request from a retransmission.
fn transaction(request: &Request) -> Box<str> {
    let number = request.headers.cseq().map_or(0, |(number, _)| number);
    let call = request.headers.call_id().map(|call| start(call)).unwrap_or_default();
    format!("{number} {call}").into()
}

/// Makes of phones that give up on a challenge that they don't know, also beside one that they do.
const GIVE_UP: [&str; 2] = ["baresip v0.", "baresip v1."];

/// As much of a text as is kept.
fn start(text: &str) -> Box<str> {
    text.chars().take(64).collect::<String>().into()
}

/// How long nothing has to come of a challenge until the phone is thought to have given up.
const PAUSE: Duration = Duration::from_secs(4);
/// How long what is known of a phone is kept after it was last seen: longer than any registration holds.
const KEPT: Duration = Duration::from_secs(MAX_EXPIRES as u64 + 3_600);
/// Room is made no more often than so.
const SWEEP: Duration = Duration::from_secs(1);
/// Of how many phones.
const MOST: usize = 20_000;

#[cfg(test)]
mod tests {
    use rsip::Method;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn asks(method: Method, agent: &str, number: u32) -> Request {
        Request::new(method, "sip:ramal")
            .with(Name::From, "<sip:201@ramal>;tag=1")
            .with(Name::CallId, "a@b")
            .with(Name::CSeq, format!("{number} {method}"))
            .with(Name::UserAgent, agent)
    }

    #[test]
    fn a_phone_that_makes_nothing_of_both_is_offered_md5_when_it_registers_again() {
        let mut digests = Digests::default();
        let mut offer = |seconds, number| digests.offer(at(seconds), HERE, &asks(Method::Register, "old", number));
        assert_eq!([offer(0, 1), offer(8, 1)], [Offer::Both; 2], "a retransmission is no second try");
        assert_eq!(offer(30, 2), Offer::Md5);
        assert_eq!(offer(3_600, 3), Offer::Md5, "it stays so");
        digests.answered(at(9_000), HERE, &asks(Method::Register, "old", 4), Algorithm::Md5);
        assert_eq!(digests.offer(at(18_000), HERE, &asks(Method::Invite, "old", 1)), Offer::Md5, "while it is here");
        assert_eq!(digests.offer(at(60_000), HERE, &asks(Method::Register, "old", 5)), Offer::Both);
    }

    #[test]
    fn makes_that_are_known_to_give_up_get_md5_at_once_and_those_without_a_name_get_it_on_top() {
        let mut digests = Digests::default();
        let mut offer = |agent| digests.offer(at(0), HERE, &asks(Method::Register, agent, 1));
        assert_eq!(offer("baresip v1.0.0 (x86_64/linux)"), Offer::Md5);
        assert_eq!(offer("baresip v2.0.0 (x86_64/linux)"), Offer::Both);
        assert_eq!(offer(""), Offer::Md5First);
    }

    #[test]
    fn requests_at_once_are_no_second_try() {
        let mut digests = Digests::default();
        let offers = (1..20).map(|number| digests.offer(at(1), HERE, &asks(Method::Subscribe, "lamps", number)));
        assert!(offers.into_iter().all(|offer| offer == Offer::Both));
    }

    #[test]
    fn a_phone_that_has_answered_by_sha_256_is_never_offered_less() {
        let mut digests = Digests::default();
        let able = |number| asks(Method::Register, "able", number);
        assert_eq!(digests.offer(at(0), HERE, &able(1)), Offer::Both);
        digests.answered(at(1), HERE, &able(2), Algorithm::Sha256);
        for number in 3..9 {
            assert_eq!(digests.offer(at(u64::from(number) * 60), HERE, &able(number)), Offer::Both);
        }
    }

    #[test]
    fn two_makes_of_one_user_do_not_disturb_each_other() {
        let mut digests = Digests::default();
        for agent in ["able", "old"] {
            digests.offer(at(0), HERE, &asks(Method::Register, agent, 1));
        }
        digests.answered(at(0), HERE, &asks(Method::Register, "able", 2), Algorithm::Sha256);
        assert_eq!(digests.offer(at(60), HERE, &asks(Method::Register, "old", 3)), Offer::Md5);
        assert_eq!(digests.offer(at(60), HERE, &asks(Method::Register, "able", 3)), Offer::Both);
    }

    #[test]
    fn a_phone_that_registered_by_md5_calls_by_md5_and_is_asked_for_more_when_it_registers() {
        let mut digests = Digests::default();
        digests.offer(at(0), HERE, &asks(Method::Register, "plain", 1));
        digests.answered(at(1), HERE, &asks(Method::Register, "plain", 2), Algorithm::Md5);
        assert_eq!(digests.offer(at(9), HERE, &asks(Method::Invite, "plain", 1)), Offer::Md5);
        assert_eq!(digests.offer(at(99), HERE, &asks(Method::Register, "plain", 3)), Offer::Both);
        assert_eq!(digests.offer(at(120), HERE, &asks(Method::Register, "plain", 4)), Offer::Md5);
    }

    #[test]
    fn strangers_cannot_fill_the_memory_nor_drive_out_whom_we_know() {
        let mut digests = Digests::default();
        digests.offer(at(0), HERE, &asks(Method::Register, "old", 1));
        digests.offer(at(60), HERE, &asks(Method::Register, "old", 2));
        for n in 0..50_000_u32 {
            digests.offer(at(61), IpAddr::from(n.to_be_bytes()), &asks(Method::Register, "flood", 1));
        }
        assert!(digests.phones.len() <= MOST);
        assert_eq!(digests.offer(at(62), HERE, &asks(Method::Register, "old", 3)), Offer::Md5);
    }

    #[test]
    fn whoever_asks_twice_from_everywhere_is_forgotten_before_those_who_have_answered() {
        let mut digests = Digests::default();
        digests.offer(at(0), HERE, &asks(Method::Register, "old", 1));
        digests.offer(at(60), HERE, &asks(Method::Register, "old", 2));
        digests.answered(at(60), HERE, &asks(Method::Register, "old", 3), Algorithm::Md5);
        let flood = |n: u32| IpAddr::from(n.to_be_bytes());
        for (seconds, number) in [(61, 1), (70, 2)] {
            for n in 0..u32::try_from(MOST).unwrap() {
                digests.offer(at(seconds), flood(n), &asks(Method::Register, "flood", number));
            }
        }
        let late = flood(4_000_000);
        digests.offer(at(80), late, &asks(Method::Register, "late", 1));
        assert_eq!(
            digests.offer(at(140), late, &asks(Method::Register, "late", 2)),
            Offer::Md5,
            "there was room for it"
        );
        assert_eq!(digests.offer(at(140), HERE, &asks(Method::Register, "old", 4)), Offer::Md5);
    }
}
