//! The INVITE server transaction: RFC 3261 §17.2.1, RFC 6026 §7.1.

use bytes::Bytes;

use super::{Backoff, Effect, Effects, ServerEvent, Timers};
use crate::base::{Instant, Now, Transport};

/// The machine of a peer's INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteServer {
    /// No final response yet.
    Proceeding {
        /// The last provisional, for repeats of the INVITE.
        last: Option<Bytes>,
        /// What it came by.
        transport: Transport,
    },
    /// A final response other than 2xx was sent; the ACK to it is awaited.
    Completed {
        /// The response.
        response: Bytes,
        /// Timer G; none on a reliable transport.
        resend: Option<Backoff>,
        /// Timer H.
        give_up: Instant,
        /// What it goes by.
        transport: Transport,
    },
    /// The ACK came; its repeats are absorbed.
    Confirmed {
        /// Timer I.
        until: Instant,
    },
    /// A 2xx was sent. The TU repeats it; repeats of the INVITE are absorbed.
    Accepted {
        /// Timer L.
        until: Instant,
    },
    /// Nothing is left to do.
    Terminated,
}

impl InviteServer {
    /// Of an INVITE that came by this transport.
    pub fn start(transport: Transport) -> Self {
        Self::Proceeding { last: None, transport }
    }

    /// When [`ServerEvent::Wake`] is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self {
            Self::Completed { resend, give_up, .. } => Some(resend.map_or(*give_up, |r| r.at.min(*give_up))),
            Self::Confirmed { until } | Self::Accepted { until } => Some(*until),
            Self::Proceeding { .. } | Self::Terminated => None,
        }
    }

    /// Whether it is still without a final response.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Proceeding { .. })
    }

    /// Whether it may be forgotten.
    pub fn is_over(&self) -> bool {
        *self == Self::Terminated
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Now, timers: &Timers, event: ServerEvent, out: &mut Effects) {
        match event {
            ServerEvent::Again => match self {
                // RFC 3261 §17.2.1: "the most recent provisional response that was received from the TU MUST be passed
                // to the transport layer for retransmission".
                Self::Proceeding { last: Some(last), .. } => out.push(Effect::Resend(last.clone())),
                // RFC 3261 §17.2.1: "while in the "Completed" state, if a request retransmission is received, the
                // server SHOULD pass the response to the transport for retransmission."
                Self::Completed { response, .. } => out.push(Effect::Resend(response.clone())),
                // RFC 6026 §7.1: Accepted absorbs retransmissions of the INVITE.
                Self::Proceeding { last: None, .. }
                | Self::Confirmed { .. }
                | Self::Accepted { .. }
                | Self::Terminated => {}
            },
            ServerEvent::Ack => match self {
                Self::Completed { transport, .. } => {
                    let absorb = timers.absorb_late(*transport);
                    *self =
                        if absorb.is_zero() { Self::Terminated } else { Self::Confirmed { until: now.mono + absorb } };
                }
                // RFC 6026 §7.1: an ACK that comes while in Accepted is the TU's.
                Self::Accepted { .. } => out.push(Effect::Pass),
                // Out of turn, or a repeat.
                Self::Proceeding { .. } | Self::Confirmed { .. } | Self::Terminated => {}
            },
            ServerEvent::Respond { status, bytes } => self.respond(now, timers, status, bytes, out),
            ServerEvent::Wake => self.wake(now, out),
        }
    }

    fn respond(&mut self, now: Now, timers: &Timers, status: u16, bytes: Bytes, out: &mut Effects) {
        match self {
            Self::Proceeding { transport, .. } => {
                let transport = *transport;
                out.push(Effect::Send(bytes.clone()));
                *self = match status {
                    0..200 => Self::Proceeding { last: Some(bytes), transport },
                    // RFC 6026 §7.1: a 2xx leads to Accepted, for timer L of 64*T1.
                    200..300 => Self::Accepted { until: now.mono + timers.give_up() },
                    // RFC 3261 §17.2.1: "For unreliable transports, timer G is set to fire in T1 seconds"; "timer H
                    // MUST be set to fire in 64*T1 seconds for all transports."
                    300.. => Self::Completed {
                        response: bytes,
                        resend: (!transport.is_reliable()).then(|| timers.doubling_to_t2(now.mono)),
                        give_up: now.mono + timers.give_up(),
                        transport,
                    },
                };
            }
            // RFC 6026 §7.1: a 2xx that the TU repeats goes to the transport.
            Self::Accepted { .. } => {
                if (200..300).contains(&status) {
                    out.push(Effect::Resend(bytes));
                }
            }
            // A final response was sent; the machine has taken it over, or is through.
            Self::Completed { .. } | Self::Confirmed { .. } | Self::Terminated => {}
        }
    }

    fn wake(&mut self, now: Now, out: &mut Effects) {
        match self {
            Self::Completed { give_up, .. } if now.mono >= *give_up => {
                *self = Self::Terminated;
                out.push(Effect::TimedOut);
            }
            Self::Completed { response, resend: Some(resend), .. } if now.mono >= resend.at => {
                out.push(Effect::Resend(response.clone()));
                *resend = resend.next(now.mono);
            }
            Self::Confirmed { until } | Self::Accepted { until } if now.mono >= *until => *self = Self::Terminated,
            // Not due yet, or nothing ever is.
            Self::Proceeding { .. }
            | Self::Completed { .. }
            | Self::Confirmed { .. }
            | Self::Accepted { .. }
            | Self::Terminated => {}
        }
    }
}
