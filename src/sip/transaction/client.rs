//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use bytes::Bytes;

use super::{Backoff, ClientEvent, Effect, Effects, Timers};
use crate::base::{Instant, Now, Transport};

/// The machine of a request of ours other than INVITE and ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// Nothing was heard yet.
    Trying(Unanswered),
    /// A provisional came; sent again all the same, at gaps of T2.
    Proceeding(Unanswered),
    /// A final response came; its repeats are absorbed.
    Completed {
        /// Timer K.
        until: Instant,
    },
    /// Nothing is left to do.
    Terminated,
}

/// A request without its final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Sent again until the final response comes.
    request: Bytes,
    /// Timer E; none on a reliable transport.
    resend: Option<Backoff>,
    /// Timer F.
    give_up: Instant,
    transport: Transport,
}

impl Client {
    /// Sends the request.
    pub fn start(now: Now, timers: &Timers, transport: Transport, request: Bytes, out: &mut Effects) -> Self {
        out.push(Effect::Send(request.clone()));
        // RFC 3261 §17.1.2.2: "the client transaction SHOULD set timer F to fire in 64*T1 seconds"; "If an unreliable
        // transport is in use, the client transaction MUST set timer E to fire in T1 seconds."
        let resend = (!transport.is_reliable()).then(|| timers.doubling_to_t2(now.mono));
        Self::Trying(Unanswered { request, resend, give_up: now.mono + timers.give_up(), transport })
    }

    /// When [`ClientEvent::Wake`] is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self {
            Self::Trying(open) | Self::Proceeding(open) => {
                Some(open.resend.map_or(open.give_up, |r| r.at.min(open.give_up)))
            }
            Self::Completed { until } => Some(*until),
            Self::Terminated => None,
        }
    }

    /// Whether it is still without a final response.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Trying(_) | Self::Proceeding(_))
    }

    /// Whether it may be forgotten.
    pub fn is_over(&self) -> bool {
        *self == Self::Terminated
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Now, timers: &Timers, event: ClientEvent<'_>, out: &mut Effects) {
        match event {
            ClientEvent::Response { status, .. } => self.respond(now, timers, status, out),
            ClientEvent::Wake => self.wake(now, out),
            ClientEvent::Unreachable => {
                if self.is_open() {
                    // RFC 3261 §17.1.4: "The client transaction SHOULD inform the TU that a transport failure has
                    // occurred, and the client transaction SHOULD transition directly to the "Terminated" state."
                    *self = Self::Terminated;
                    out.push(Effect::Unreachable);
                }
            }
        }
    }

    fn respond(&mut self, now: Now, timers: &Timers, status: u16, out: &mut Effects) {
        match self {
            Self::Trying(open) | Self::Proceeding(open) if status < 200 => {
                // RFC 3261 §17.1.2.2: in Proceeding "Timer E MUST be reset with a value of T2 seconds", once it fires.
                let open = Unanswered { resend: open.resend.map(Backoff::at_its_longest), ..open.clone() };
                *self = Self::Proceeding(open);
                out.push(Effect::Pass);
            }
            Self::Trying(open) | Self::Proceeding(open) => {
                let absorb = timers.absorb_late(open.transport);
                *self = if absorb.is_zero() { Self::Terminated } else { Self::Completed { until: now.mono + absorb } };
                out.push(Effect::Pass);
            }
            // RFC 3261 §17.1.2.2: "The "Completed" state exists to buffer any additional response retransmissions that
            // may be received".
            Self::Completed { .. } | Self::Terminated => {}
        }
    }

    fn wake(&mut self, now: Now, out: &mut Effects) {
        match self {
            Self::Trying(open) | Self::Proceeding(open) => {
                if now.mono >= open.give_up {
                    *self = Self::Terminated;
                    out.push(Effect::TimedOut);
                } else if let Some(resend) = open.resend.as_mut().filter(|r| now.mono >= r.at) {
                    *resend = resend.next(now.mono);
                    out.push(Effect::Resend(open.request.clone()));
                }
            }
            Self::Completed { until } if now.mono >= *until => *self = Self::Terminated,
            // Not due yet, or nothing ever is.
            Self::Completed { .. } | Self::Terminated => {}
        }
    }
}
