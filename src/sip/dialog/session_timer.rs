//! Session timers: RFC 4028. How long a session lives without a refresh, and who refreshes it, on one leg.
//!
//! This module reads and writes the headers and counts the time; the requests that refresh are the user agent's.

use std::fmt;
use std::time::Duration;

use crate::base::Instant;
use crate::sip::message::{Headers, Name};

/// The shortest interval that we take, in seconds. RFC 4028 §5: "The minimum timer … MUST NOT be less than 90 seconds".
pub const MIN_SE: u32 = 90;

/// The interval that we ask for, in seconds. RFC 4028 §4: "a value of 1800 seconds (30 minutes) is RECOMMENDED".
pub const USUAL: u32 = 1_800;

/// The option tag.
pub const TIMER: &str = "timer";

/// How long before the end of an interval BYE goes, at most.
const MARGIN: Duration = Duration::from_secs(32);

/// How long a refresh waits that was refused for a reason that may pass.
const RETRY: Duration = Duration::from_secs(10);

/// Which side of a request and its 2xx refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// The value of Session-Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval.
    pub seconds: u32,
    /// Who refreshes, where it says so.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads it; `None` where it is absent or no number.
    pub fn of(headers: &Headers) -> Option<Self> {
        let value = headers.get(&Name::SessionExpires)?;
        let seconds = headers.number(&Name::SessionExpires)?;
        let refresher = value.split(';').skip(1).find_map(|param| {
            let (name, value) = param.split_once('=')?;
            let is_it = name.trim().eq_ignore_ascii_case("refresher");
            match value.trim() {
                v if is_it && v.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                v if is_it && v.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None, // another parameter, or a word that RFC 4028 doesn't have
            }
        });
        Some(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        };
        write!(f, "{}{refresher}", self.seconds)
    }
}

/// Whose refreshes keep a session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Ours.
    Ours,
    /// The peer's.
    Theirs,
    /// Ours, of a peer that knows no session timers: we only want to know whether it is still there.
    OursAlone,
}

/// What a leg's two ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The interval, in seconds; at least [`MIN_SE`].
    pub seconds: u32,
    /// Who refreshes.
    pub whose: Whose,
}

impl Terms {
    /// What we, as UAS, make of a request that we accept; `None`: no timer runs.
    ///
    /// A request whose interval is too short has been refused with 422 before ([`is_too_short`]); one that cannot
    /// be (its sender would not understand) gets ours.
    pub fn as_uas(request: &Headers) -> Option<Self> {
        let knows = request.has_token(&Name::Supported, TIMER) || request.has_token(&Name::Require, TIMER);
        let least = request.number(&Name::MinSe).unwrap_or(MIN_SE).max(MIN_SE);
        match SessionExpires::of(request) {
            Some(asked) => {
                // RFC 4028 §9, table 2: a refresher that the request names stays; a UAC that knows no timers cannot be
                // it. Where it leaves the choice, whoever asks for a timer keeps it.
                let whose = match asked.refresher {
                    Some(Refresher::Uac) | None if knows => Whose::Theirs,
                    _ => Whose::Ours,
                };
                Some(Self { seconds: asked.seconds.max(least), whose })
            }
            // RFC 4028 §9: "If the incoming request … does not have a Session-Expires header field", the UAS may ask
            // for one: a peer that died is found by our refreshes.
            None => knows.then_some(Self { seconds: USUAL.max(least), whose: Whose::Ours }),
        }
    }

    /// What we, as UAC, make of a 2xx to a request that asked for a timer. `may_update`: the peer takes UPDATE.
    pub fn as_uac(response: &Headers, may_update: bool) -> Option<Self> {
        match SessionExpires::of(response) {
            Some(given) => {
                let whose = if given.refresher == Some(Refresher::Uas) { Whose::Theirs } else { Whose::Ours };
                Some(Self { seconds: given.seconds.max(MIN_SE), whose })
            }
            // RFC 4028 §7.2: without Session-Expires in the 2xx no timer runs, "The UAC MAY … perform refreshes". An UPDATE
            // without SDP costs nothing and finds a dead peer; a re-INVITE might break more than it saves.
            None => may_update.then_some(Self { seconds: USUAL, whose: Whose::OursAlone }),
        }
    }

    /// Session-Expires of a 2xx of ours.
    pub fn in_response(self) -> SessionExpires {
        let refresher = if self.whose == Whose::Theirs { Refresher::Uac } else { Refresher::Uas };
        SessionExpires { seconds: self.seconds, refresher: Some(refresher) }
    }

    /// Session-Expires of a request of ours in the dialog. RFC 4028 §7.4: it "SHOULD" keep the interval and, by its refresher parameter, the role that each side has.
    pub fn in_request(self) -> SessionExpires {
        let refresher = if self.whose == Whose::Theirs { Refresher::Uas } else { Refresher::Uac };
        SessionExpires { seconds: self.seconds, refresher: Some(refresher) }
    }
}

/// Whether a request asks for a shorter interval than we take, and understands it when told so.
///
/// RFC 4028 §9: "If an incoming request contains a Supported header field with a value "timer" and a Session Expires
/// header field", the UAS "MAY reject the INVITE request with a 422 (Session Interval Too Small) response if the session
/// interval … is smaller than the minimum interval defined by the UAS' local policy".
pub fn is_too_short(request: &Headers) -> bool {
    request.has_token(&Name::Supported, TIMER)
        && SessionExpires::of(request).is_some_and(|asked| asked.seconds < MIN_SE)
}

/// The timer of one session that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// What was agreed.
    pub terms: Terms,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The peer refreshes before this time.
    Watching { end: Instant },
    /// We refresh at `at`.
    Waiting { at: Instant, end: Option<Instant> },
    /// A refresh of ours is under way.
    Refreshing { end: Option<Instant> },
}

/// What a timer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A refresh is to go.
    Refresh,
    /// The session has not been refreshed in time.
    Expired,
}

impl SessionTimer {
    /// Of a session that has just been set up or refreshed.
    pub fn start(terms: Terms, now: Instant) -> Self {
        let interval = Duration::from_secs(terms.seconds.into());
        // RFC 4028 §10: "the side not performing refreshes … SHOULD send a BYE to terminate the session, slightly before
        // the session expiration. The minimum of 32 seconds and one third of the session interval is RECOMMENDED."
        let end = now + (interval - MARGIN.min(interval / 3));
        // "It is RECOMMENDED that this refresh be sent once half the session interval has elapsed."
        let at = now + interval / 2;
        let state = match terms.whose {
            Whose::Theirs => State::Watching { end },
            Whose::Ours => State::Waiting { at, end: Some(end) },
            Whose::OursAlone => State::Waiting { at, end: None },
        };
        Self { terms, state }
    }

    /// When something is due; `None` while only an answer is waited for.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self.state {
            State::Watching { end } => Some(end),
            State::Waiting { at, end } => Some(end.map_or(at, |end| at.min(end))),
            State::Refreshing { end } => end,
        }
    }

    /// What is due now.
    pub fn due(&self, now: Instant) -> Option<Due> {
        match self.state {
            State::Watching { end } | State::Waiting { end: Some(end), .. } | State::Refreshing { end: Some(end) }
                if now >= end =>
            {
                Some(Due::Expired)
            }
            State::Waiting { at, .. } if now >= at => Some(Due::Refresh),
            State::Watching { .. } | State::Waiting { .. } | State::Refreshing { .. } => None,
        }
    }

    /// A refresh went.
    pub fn sent(&mut self) {
        if let State::Waiting { end, .. } = self.state {
            self.state = State::Refreshing { end };
        }
    }

    /// The refresh was refused, or could not go: once more after `wait`, or after a usual while.
    pub fn again(&mut self, now: Instant, wait: Option<Duration>) {
        if let State::Refreshing { end } | State::Waiting { end, .. } = self.state {
            self.state = State::Waiting { at: now + wait.unwrap_or(RETRY), end };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Headers;

    fn headers(fields: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        fields.iter().for_each(|(name, value)| headers.push(name.clone(), *value));
        headers
    }

    #[test]
    fn as_uas_the_refresher_is_who_the_request_names_and_never_one_that_knows_no_timers() {
        use Whose::{Ours, Theirs};
        for (supported, expires, terms) in [
            ("timer", Some("1800;refresher=uac"), Some((1_800, Theirs))),
            ("timer", Some("600;x=y;Refresher=UAS"), Some((600, Ours))),
            ("timer", Some("600"), Some((600, Theirs))),
            ("timer", None, Some((1_800, Ours))),
            ("", Some("600;refresher=uac"), Some((600, Ours))),
            ("", Some("600"), Some((600, Ours))),
            ("", Some("10"), Some((90, Ours))),
            ("100rel", None, None),
            ("", Some("soon"), None),
        ] {
            let mut request = headers(&[(Name::Supported, supported)]);
            if let Some(expires) = expires {
                request.push(Name::SessionExpires, expires);
            }
            let got = Terms::as_uas(&request).map(|t| (t.seconds, t.whose));
            assert_eq!(got, terms, "{supported} {expires:?}");
        }
    }

    #[test]
    fn a_min_se_of_the_uac_is_kept() {
        let request = headers(&[(Name::Supported, "timer"), (Name::MinSe, "3600")]);
        assert_eq!(Terms::as_uas(&request).unwrap().seconds, 3_600);
    }

    #[test]
    fn as_uac_the_2xx_says_who_refreshes_and_silence_leaves_it_to_us_where_it_costs_nothing() {
        let given = |value: &str| Terms::as_uac(&headers(&[(Name::SessionExpires, value)]), true).unwrap();
        assert_eq!(given("600;refresher=uas").whose, Whose::Theirs);
        assert_eq!(given("600;refresher=uac").whose, Whose::Ours);
        assert_eq!(given("600").whose, Whose::Ours);
        assert_eq!(given("0;refresher=uac").seconds, 90);
        assert_eq!(Terms::as_uac(&Headers::new(), true).unwrap().whose, Whose::OursAlone);
        assert_eq!(Terms::as_uac(&Headers::new(), false), None);
    }

    #[test]
    fn only_who_understands_422_is_told_that_it_is_too_short() {
        let asked = |supported: &str, seconds: &str| {
            is_too_short(&headers(&[(Name::Supported, supported), (Name::SessionExpires, seconds)]))
        };
        assert!(asked("timer", "89"));
        assert!(!asked("timer", "90"));
        assert!(!asked("", "60"));
    }

    #[test]
    fn we_refresh_at_half_and_hang_up_shortly_before_the_end() {
        let at = |s: u64| Instant::from_millis(s * 1_000);
        let ours = Terms { seconds: 90, whose: Whose::Ours };
        let mut timer = SessionTimer::start(ours, at(0));
        assert_eq!((timer.next_wakeup(), timer.due(at(44))), (Some(at(45)), None));
        assert_eq!(timer.due(at(45)), Some(Due::Refresh));
        timer.sent();
        assert_eq!((timer.next_wakeup(), timer.due(at(59))), (Some(at(60)), None));
        timer.again(at(46), Some(Duration::from_secs(2)));
        assert_eq!(timer.due(at(48)), Some(Due::Refresh));
        assert_eq!(timer.due(at(60)), Some(Due::Expired));

        let theirs = SessionTimer::start(Terms { seconds: 1_800, whose: Whose::Theirs }, at(0));
        assert_eq!((theirs.due(at(1_767)), theirs.due(at(1_768))), (None, Some(Due::Expired)));
        let alone = SessionTimer::start(Terms { seconds: 1_800, whose: Whose::OursAlone }, at(0));
        assert_eq!(alone.due(at(9_999)), Some(Due::Refresh), "nobody hangs up for want of it");
    }
}
