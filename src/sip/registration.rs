//! Staying registered with a carrier: RFC 3261 §10.2.
//!
//! One [`Registration`] for each trunk with `register = true`. It says what to send ([`Registration::wake`]) and hears
//! what came of it; the way to a registrar, and sending, are its holder's.

use std::time::Duration;

use rsip::Method;

use super::agent::USER_AGENT;
use super::digest::{Challenge, Session, best, challenges};
use super::message::{Address, Name, Request, Response, build};
use crate::base::{Account, Hop, Ids, Instant};

/// Staying registered at one of a trunk's peers.
#[derive(Debug)]
pub struct Registration {
    account: Account,
    /// In order of preference.
    servers: Vec<Server>,
    /// Which of them is asked.
    peer: usize,
    /// The same for ever, over reloads too.
    ///
    /// RFC 3261 §10.2: "All registrations from a UAC SHOULD use the same Call-ID header field value for registrations
    /// sent to a particular registrar."
    call_id: String,
    tag: String,
    cseq: u32,
    /// What it asks for; more where the registrar wants more.
    expires: u32,
    /// How the next REGISTER answers the last challenge beforehand.
    login: Option<Login>,
    state: State,
    /// Peers in a row that did not take it.
    failures: u32,
    ids: Ids,
}

/// A registrar, as the files name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The Request-URI: `sip:sip.example.com:5070`.
    pub uri: String,
    /// The host of our address-of-record there.
    pub host: String,
}

#[derive(Debug)]
struct Login {
    challenge: Challenge,
    session: Session,
    /// In Proxy-Authorization, after a 407.
    proxy: bool,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent then; `binding` holds meanwhile.
    Waiting { at: Instant, binding: Binding, round: Round },
    /// Sent; the answer is waited for.
    Asking { binding: Binding, round: Round },
    /// To be taken out.
    Leaving { round: Round },
    /// Being taken out.
    Left { round: Round },
    /// Nothing more is done.
    Gone,
}

/// What the registrar has of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    /// Nobody has asked it yet.
    Unknown,
    /// Our Contact, until then.
    Until(Instant),
    /// It has refused it, or does not answer.
    None,
}

/// The REGISTERs that make one: with credentials, with a longer interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Round {
    /// Sent so far.
    sent: u8,
    /// Of them challenged.
    challenged: u8,
}

/// A REGISTER to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Without Via.
    pub request: Request,
    /// To which of the peers.
    pub peer: usize,
    /// By what way.
    pub hop: Hop,
}

/// What a REGISTER came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The registrar has our binding.
    Registered {
        /// For how long.
        expires: Duration,
    },
    /// It goes on at once: [`Registration::wake`] is due.
    Again,
    /// It does not have it; the next try comes later, or at once with the next peer.
    Refused {
        /// What it said; `None`: nothing.
        status: Option<u16>,
        /// When it is tried again.
        again_in: Duration,
    },
    /// Our binding is taken out, or nothing more can be done about it.
    Gone,
}

impl Registration {
    /// One that begins at once.
    pub fn new(now: Instant, account: Account, servers: Vec<Server>, mut ids: Ids) -> Self {
        let call_id = format!("{:016x}{:016x}", ids.bits(), ids.bits());
        let tag = format!("{:016x}", ids.bits());
        let state = State::Waiting { at: now, binding: Binding::Unknown, round: Round::default() };
        let (login, expires) = (None, EXPIRES);
        Self { account, servers, peer: 0, call_id, tag, cseq: 0, expires, login, state, failures: 0, ids }
    }

    /// Whether it is the one for this account with these peers: then a reload leaves it alone.
    pub fn is_for(&self, account: &Account, servers: &[Server]) -> bool {
        self.account == *account && self.servers == servers
    }

    /// Whom the registrar knows us as.
    pub fn username(&self) -> &str {
        &self.account.username
    }

    /// Whether the registrar has our binding, as far as we know.
    pub fn is_registered(&self, now: Instant) -> bool {
        matches!(self.binding(), Binding::Until(until) if until > now)
    }

    /// Whether it is known that no calls reach us by it.
    pub fn is_lost(&self, now: Instant) -> bool {
        match self.binding() {
            Binding::Unknown => false,
            Binding::Until(until) => until <= now,
            Binding::None => true,
        }
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { at, .. } => Some(at),
            State::Leaving { .. } => Some(Instant::default()),
            State::Asking { .. } | State::Left { .. } | State::Gone => None,
        }
    }

    /// Whether nothing more is done.
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// The REGISTER that is due; `way` is how a peer is reached now. Without a way the next peer is due.
    pub fn wake(&mut self, now: Instant, way: impl Fn(usize) -> Option<Hop>) -> Option<Outgoing> {
        let expires = match self.state {
            State::Waiting { at, .. } if at <= now => self.expires,
            State::Leaving { .. } => 0,
            State::Waiting { .. } | State::Asking { .. } | State::Left { .. } | State::Gone => return None,
        };
        let Some(hop) = way(self.peer) else {
            // Its name is not found, or no listener goes there.
            self.failed(now);
            return None;
        };
        let sent = |round: Round| Round { sent: round.sent.saturating_add(1), ..round };
        self.state = match self.state {
            State::Waiting { binding, round, .. } => State::Asking { binding, round: sent(round) },
            State::Leaving { round } => State::Left { round: sent(round) },
            other => other,
        };
        Some(self.register(&hop, expires))
    }

    /// What the registrar answered.
    pub fn answered(&mut self, now: Instant, response: &Response) -> Outcome {
        let status = response.status.code();
        match self.state {
            State::Asking { binding, round } => match status {
                200..300 => self.taken(now, response),
                401 | 407 => match self.log_in(response, round) {
                    Some(round) => self.again(now, binding, round),
                    None => self.fail(now, Some(status), None),
                },
                // RFC 3261 §10.2.8: "If a UA receives a 423 (Interval Too Brief) response, it MAY retry the registration
                // after making the expiration interval of all contact addresses in the REGISTER request equal to or
                // greater than the expiration interval within the Min-Expires header field".
                423 if round.sent < MOST_SENT => {
                    let wanted = response.headers.number(&Name::MinExpires).unwrap_or(self.expires);
                    self.expires = wanted.clamp(EXPIRES, LONGEST_EXPIRES);
                    self.again(now, binding, round)
                }
                _ => self.fail(now, Some(status), retry_after(response)),
            },
            State::Left { round } if matches!(status, 401 | 407) => match self.log_in(response, round) {
                Some(round) => {
                    self.state = State::Leaving { round };
                    Outcome::Again
                }
                None => self.gone(),
            },
            State::Left { .. } | State::Gone => self.gone(),
            // An answer to what was sent before: what was decided meanwhile goes on.
            State::Waiting { .. } | State::Leaving { .. } => Outcome::Again,
        }
    }

    /// The registrar is silent, or cannot be reached.
    pub fn failed(&mut self, now: Instant) -> Outcome {
        match self.state {
            State::Leaving { .. } | State::Left { .. } | State::Gone => self.gone(),
            State::Asking { .. } | State::Waiting { .. } => self.fail(now, None, None),
        }
    }

    /// Takes our binding out (`Expires: 0`), where the registrar may have it.
    pub fn leave(&mut self, now: Instant) {
        self.state = match self.state {
            State::Waiting { binding: Binding::Until(until), .. } if until > now => {
                State::Leaving { round: Round::default() }
            }
            // It may take what it was just asked.
            State::Asking { .. } => State::Leaving { round: Round::default() },
            State::Waiting { .. } => State::Gone,
            going => going,
        };
    }

    fn binding(&self) -> Binding {
        match self.state {
            State::Waiting { binding, .. } | State::Asking { binding, .. } => binding,
            State::Leaving { .. } | State::Left { .. } | State::Gone => Binding::None,
        }
    }

    fn gone(&mut self) -> Outcome {
        self.state = State::Gone;
        Outcome::Gone
    }

    fn again(&mut self, now: Instant, binding: Binding, round: Round) -> Outcome {
        self.state = State::Waiting { at: now, binding, round };
        Outcome::Again
    }

    fn register(&mut self, hop: &Hop, expires: u32) -> Outgoing {
        // RFC 3261 §10.2: "A UA MUST increment the CSeq value by one for each REGISTER request with the same Call-ID."
        self.cseq = self.cseq.wrapping_add(1).max(1);
        let (uri, host) = self.servers.get(self.peer).map_or(("", ""), |server| (&*server.uri, &*server.host));
        let aor = build::name_addr("", &build::sip_uri_at(&self.account.username, host));
        let mut request = Request::new(Method::Register, uri)
            .with(Name::MaxForwards, "70")
            .with(Name::From, build::tagged(&aor, &self.tag))
            .with(Name::To, aor.as_str())
            .with(Name::CallId, self.call_id.as_str())
            .with(Name::CSeq, build::cseq(self.cseq, Method::Register))
            .with(Name::Contact, build::contact(&self.account.username, hop.advertised, hop.transport))
            .with(Name::Expires, expires.to_string())
            .with(Name::UserAgent, USER_AGENT);
        if let Some(login) = &mut self.login {
            login.session.count = login.session.count.wrapping_add(1).max(1);
            let name = if login.proxy { Name::ProxyAuthorization } else { Name::Authorization };
            request.headers.push(name, login.challenge.answer(&self.account, "REGISTER", uri, &login.session));
        }
        Outgoing { request, peer: self.peer, hop: *hop }
    }

    fn taken(&mut self, now: Instant, response: &Response) -> Outcome {
        let expires = Duration::from_secs(u64::from(self.granted(response)));
        if expires.is_zero() {
            return self.fail(now, Some(response.status.code()), None);
        }
        self.failures = 0;
        // Before its end, with time left to try once more: a fifth of it, but no more than 30 s.
        let margin = (expires / 5).min(Duration::from_secs(30));
        let (at, binding) = (now + (expires - margin), Binding::Until(now + expires));
        self.state = State::Waiting { at, binding, round: Round::default() };
        Outcome::Registered { expires }
    }

    /// For how long the registrar has our binding.
    ///
    /// RFC 3261 §10.2.4: "The 2xx response to the REGISTER request will contain, in a Contact header field, the complete
    /// list of bindings"; each has an `expires` parameter of its own.
    fn granted(&self, response: &Response) -> u32 {
        let ours = |contact: &&Address| contact.uri.user() == Some(self.account.username.as_str());
        let contacts = response.headers.contacts();
        let only = contacts.first().filter(|_| contacts.len() == 1);
        let of_ours = contacts.iter().find(ours).or(only).and_then(|contact| contact.param("expires")?.parse().ok());
        of_ours.or_else(|| response.headers.number(&Name::Expires)).unwrap_or(self.expires).min(LONGEST_EXPIRES)
    }

    /// Notes how the next REGISTER answers the challenge; `None`: it cannot, or the password has just been refused.
    fn log_in(&mut self, response: &Response, round: Round) -> Option<Round> {
        let proxy = response.status == 407;
        let name = if proxy { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let challenge = best(challenges(&response.headers, &name))?;
        // RFC 3261 §22.2: "A UAC MUST NOT re-attempt requests with the credentials that have just been rejected (though
        // the request may be retried if the nonce was stale)." What answered an older nonce beforehand is no such case.
        let refused = round.challenged > 0 && !challenge.stale;
        if refused || round.sent >= MOST_SENT {
            self.login = None;
            return None;
        }
        let session = Session { cnonce: format!("{:016x}", self.ids.bits()), count: 0 };
        self.login = Some(Login { challenge, session, proxy });
        Some(Round { challenged: round.challenged + 1, ..round })
    }

    /// The next peer at once, all of them in vain: later, and later each time.
    fn fail(&mut self, now: Instant, status: Option<u16>, retry_after: Option<Duration>) -> Outcome {
        let peers = u32::try_from(self.servers.len()).unwrap_or(1).max(1);
        self.failures = self.failures.saturating_add(1);
        self.peer = (self.peer + 1) % self.servers.len().max(1);
        let is_whole_turn = self.failures.is_multiple_of(peers);
        let again_in = if is_whole_turn { self.back_off(self.failures / peers) } else { Duration::ZERO };
        let again_in = if is_whole_turn { again_in.max(retry_after.unwrap_or_default()) } else { again_in };
        // What another registrar had of us may still hold there; what counts is that nobody refreshes it.
        let binding = match self.binding() {
            Binding::Until(until) if until > now && status.is_none() => Binding::Until(until),
            _ => Binding::None,
        };
        self.state = State::Waiting { at: now + again_in, binding, round: Round::default() };
        Outcome::Refused { status, again_in }
    }

    /// RFC 5626 §4.5: "wait-time = min( max-time, (base-time * 2 ^ consecutive-failures)) … the upper-bound is … the
    /// delay time is computed by selecting a uniform random time between 50 and 100 percent of the upper-bound wait
    /// time"; its Appendix A has 30 s and 30 minutes.
    fn back_off(&mut self, turns: u32) -> Duration {
        let most = BASE_MS.saturating_mul(1 << turns.saturating_sub(1).min(16)).min(LONGEST_MS);
        Duration::from_millis(most / 2 + self.ids.below(most / 2 + 1))
    }
}

/// RFC 3261 §20.33: seconds, perhaps with a comment behind.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers.number(&Name::RetryAfter)?;
    Some(Duration::from_secs(u64::from(seconds.min(LONGEST_EXPIRES))))
}

/// What is asked for at first, in seconds.
const EXPIRES: u32 = 600;
/// What is asked for or waited at most, in seconds.
const LONGEST_EXPIRES: u32 = 86_400;
/// REGISTERs that make one.
const MOST_SENT: u8 = 4;
/// The first back-off.
const BASE_MS: u64 = 30_000;
/// The longest.
const LONGEST_MS: u64 = 1_800_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Secret, Transport};
    use crate::sip::digest::Credentials;
    use crate::sip::message::Status;

    fn hop() -> Hop {
        let at = |text: &str| text.parse().unwrap();
        let local = at("192.0.2.1:5060");
        Hop { transport: Transport::Udp, local, remote: at("203.0.113.5:5060"), advertised: local, name: None }
    }

    fn account() -> Account {
        Account { username: "acme".to_owned(), password: Secret::new("secret".to_owned()) }
    }

    fn server(host: &str) -> Server {
        Server { uri: format!("sip:{host}"), host: host.to_owned() }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_millis(secs * 1_000)
    }

    fn registration(hosts: &[&str]) -> Registration {
        Registration::new(at(0), account(), hosts.iter().map(|host| server(host)).collect(), Ids::seeded(7))
    }

    #[track_caller]
    fn sent(registration: &mut Registration, now: Instant) -> Outgoing {
        registration.wake(now, |_| Some(hop())).expect("a REGISTER is due")
    }

    fn header(request: &Request, name: &Name) -> String {
        request.headers.get(name).map(ToString::to_string).unwrap_or_default()
    }

    fn answer(outgoing: &Outgoing, code: u16) -> Response {
        Response::to(&outgoing.request, Status::new(code).unwrap())
    }

    fn ok(outgoing: &Outgoing, expires: u32) -> Response {
        let contact = format!("{};expires={expires}", header(&outgoing.request, &Name::Contact));
        answer(outgoing, 200).with(Name::Contact, "<sip:other@h>;expires=7").with(Name::Contact, contact)
    }

    fn challenge(outgoing: &Outgoing, nonce: &str, more: &str) -> Response {
        let text = format!("Digest realm=\"carrier\", nonce=\"{nonce}\", qop=\"auth\"{more}");
        answer(outgoing, 401).with(Name::WwwAuthenticate, text)
    }

    #[test]
    fn one_call_id_and_a_rising_cseq_for_ever() {
        let mut registration = registration(&["sip.example.com"]);
        let first = sent(&mut registration, at(0));
        assert_eq!(first.request.uri, "sip:sip.example.com");
        assert_eq!(header(&first.request, &Name::To), "<sip:acme@sip.example.com>");
        assert_eq!(header(&first.request, &Name::Contact), "<sip:acme@192.0.2.1>");
        assert!(!registration.is_registered(at(0)) && !registration.is_lost(at(0)));
        registration.answered(at(0), &ok(&first, 600));
        assert!(registration.is_registered(at(1)));
        assert_eq!(registration.next_wakeup(), Some(at(570)), "30 s before its end");
        let second = sent(&mut registration, at(570));
        let call_id = |outgoing: &Outgoing| header(&outgoing.request, &Name::CallId);
        assert_eq!(call_id(&first), call_id(&second));
        assert_eq!(header(&first.request, &Name::CSeq), "1 REGISTER");
        assert_eq!(header(&second.request, &Name::CSeq), "2 REGISTER");
        registration.answered(at(570), &ok(&second, 60));
        assert_eq!(registration.next_wakeup(), Some(at(570 + 48)), "at 80 % of a short one");
    }

    #[test]
    fn a_challenge_is_answered_and_the_next_one_beforehand() {
        let mut registration = registration(&["h"]);
        let first = sent(&mut registration, at(0));
        assert_eq!(registration.answered(at(0), &challenge(&first, "n1", "")), Outcome::Again);
        let second = sent(&mut registration, at(0));
        let said = Credentials::parse(&header(&second.request, &Name::Authorization)).unwrap();
        assert!(said.are_right(&account().password, "REGISTER") && said.are_for("sip:h"));
        registration.answered(at(0), &ok(&second, 600));
        let third = sent(&mut registration, at(570));
        let said = Credentials::parse(&header(&third.request, &Name::Authorization)).unwrap();
        assert_eq!((said.nonce.as_str(), said.count), ("n1", Some(2)));
        // An old nonce, said so or not, is answered anew: the password was not refused.
        registration.answered(at(570), &challenge(&third, "n2", ""));
        let fourth = sent(&mut registration, at(570));
        registration.answered(at(570), &challenge(&fourth, "n3", ", stale=true"));
        let fifth = sent(&mut registration, at(570));
        assert!(header(&fifth.request, &Name::Authorization).contains("n3"));
    }

    #[test]
    fn a_refused_password_is_not_tried_again_at_once() {
        let mut registration = registration(&["h"]);
        let first = sent(&mut registration, at(0));
        registration.answered(at(0), &challenge(&first, "n1", ""));
        let second = sent(&mut registration, at(0));
        let Outcome::Refused { status: Some(401), again_in } =
            registration.answered(at(0), &challenge(&second, "n2", ""))
        else {
            panic!("refused")
        };
        assert!((15..=30).contains(&again_in.as_secs()), "{again_in:?}");
        assert!(registration.is_lost(at(0)));
        assert!(registration.wake(at(1), |_| Some(hop())).is_none());
    }

    #[test]
    fn too_brief_an_interval_is_made_longer() {
        let mut registration = registration(&["h"]);
        let first = sent(&mut registration, at(0));
        assert_eq!(header(&first.request, &Name::Expires), "600");
        registration.answered(at(0), &answer(&first, 423).with(Name::MinExpires, "3600"));
        let second = sent(&mut registration, at(0));
        assert_eq!(header(&second.request, &Name::Expires), "3600");
        // One that says it for ever is left in peace.
        let mut brief = answer(&second, 423).with(Name::MinExpires, "7200");
        for _ in 0..10 {
            if registration.answered(at(0), &brief) != Outcome::Again {
                return;
            }
            brief = answer(&sent(&mut registration, at(0)), 423);
        }
        panic!("it goes on for ever");
    }

    #[test]
    fn the_next_peer_is_asked_at_once_and_after_a_turn_of_all_it_waits_longer_each_time() {
        let mut registration = registration(&["a", "b"]);
        let mut gaps = Vec::new();
        let mut now = at(0);
        for turn in 0..8 {
            let first = sent(&mut registration, now);
            assert_eq!((first.peer, first.request.uri.as_str()), (0, "sip:a"), "turn {turn}");
            assert_eq!(
                registration.answered(now, &answer(&first, 503)),
                Outcome::Refused { status: Some(503), again_in: Duration::ZERO }
            );
            assert_eq!(sent(&mut registration, now).peer, 1);
            let Outcome::Refused { status: None, again_in } = registration.failed(now) else { panic!("refused") };
            gaps.push(again_in);
            now = now + again_in;
        }
        for (turn, gap) in gaps.iter().enumerate() {
            let most = (30_000 << turn).min(1_800_000);
            assert!((most / 2..=most).contains(&gap.as_millis()), "{turn}: {gap:?}");
        }
    }

    #[test]
    fn retry_after_is_obeyed() {
        let mut registration = registration(&["h"]);
        let first = sent(&mut registration, at(0));
        let busy = answer(&first, 503).with(Name::RetryAfter, "120 (maintenance)");
        let Outcome::Refused { again_in, .. } = registration.answered(at(0), &busy) else { panic!("refused") };
        assert_eq!(again_in, Duration::from_secs(120));
    }

    #[test]
    fn it_leaves_with_expires_0_where_it_was_registered_and_in_silence_where_not() {
        let mut registered = registration(&["h"]);
        let first = sent(&mut registered, at(0));
        registered.answered(at(0), &ok(&first, 600));
        registered.leave(at(100));
        let last = sent(&mut registered, at(100));
        assert_eq!(header(&last.request, &Name::Expires), "0");
        registered.answered(at(100), &challenge(&last, "n", ""));
        let last = sent(&mut registered, at(100));
        assert!(last.request.headers.has(&Name::Authorization));
        assert_eq!(registered.answered(at(100), &answer(&last, 200)), Outcome::Gone);
        assert!(registered.is_gone() && registered.next_wakeup().is_none());
        let mut never = registration(&["h"]);
        never.leave(at(0));
        assert!(never.is_gone());
    }

    #[test]
    fn a_peer_without_an_address_is_passed_over() {
        let mut registration = registration(&["a", "b"]);
        assert!(registration.wake(at(0), |peer| (peer == 1).then(hop)).is_none());
        assert_eq!(registration.wake(at(0), |peer| (peer == 1).then(hop)).unwrap().peer, 1);
    }

    #[test]
    fn the_binding_holds_while_its_registrar_is_silent_and_not_once_it_is_refused() {
        let mut registration = registration(&["h"]);
        let first = sent(&mut registration, at(0));
        registration.answered(at(0), &ok(&first, 600));
        sent(&mut registration, at(570));
        registration.failed(at(580));
        assert!(registration.is_registered(at(599)) && registration.is_lost(at(600)));
    }

    #[test]
    fn a_reload_with_the_same_peers_and_account_is_none() {
        let registration = registration(&["h"]);
        assert!(registration.is_for(&account(), &[server("h")]));
        assert!(!registration.is_for(&account(), &[server("g")]));
        let other = Account { username: "other".to_owned(), ..account() };
        assert!(!registration.is_for(&other, &[server("h")]));
    }
}
