//! The INVITE client transaction: RFC 3261 §17.1.1, RFC 6026 §7.2.

use bytes::Bytes;

use super::{Backoff, ClientEvent, Effect, Effects, Timers};
use crate::base::{Instant, Now, Transport};

/// The machine of an INVITE of ours.
///
/// ```text
///            1xx                    2xx
/// Calling ---------> Proceeding ----------> Accepted (2xx of every fork passes)
///    |  \________________ | ______2xx_________^   |
///    | 300-699            | 300-699               | timer M
///    v                    v                       v
///   Completed (every repeat is ACKed) --timer D--> Terminated
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteClient {
    /// Nothing was heard yet.
    Calling {
        /// Sent again until something is.
        request: Bytes,
        /// Timer A; none on a reliable transport.
        resend: Option<Backoff>,
        /// Timer B.
        give_up: Instant,
        /// What it goes by.
        transport: Transport,
    },
    /// A provisional came; the TU decides how long to wait.
    Proceeding {
        /// What it goes by.
        transport: Transport,
    },
    /// A final response other than 2xx came.
    Completed {
        /// The ACK to it.
        ack: Bytes,
        /// Timer D.
        until: Instant,
    },
    /// A 2xx came; repeats and those of other forks pass.
    Accepted {
        /// Timer M.
        until: Instant,
    },
    /// Nothing is left to do.
    Terminated,
}

impl InviteClient {
    /// Sends the INVITE.
    pub fn start(now: Now, timers: &Timers, transport: Transport, request: Bytes, out: &mut Effects) -> Self {
        out.push(Effect::Send(request.clone()));
        // RFC 3261 §17.1.1.2: "If an unreliable transport is being used, the client transaction MUST start timer A with
        // a value of T1." "For any transport, the client transaction MUST start timer B with a value of 64*T1 seconds".
        let resend = (!transport.is_reliable()).then(|| timers.doubling(now.mono));
        Self::Calling { request, resend, give_up: now.mono + timers.give_up(), transport }
    }

    /// When [`ClientEvent::Wake`] is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self {
            Self::Calling { resend, give_up, .. } => Some(resend.map_or(*give_up, |r| r.at.min(*give_up))),
            Self::Completed { until, .. } | Self::Accepted { until } => Some(*until),
            Self::Proceeding { .. } | Self::Terminated => None,
        }
    }

    /// Whether a provisional has come and no final one: RFC 3261 §9.1 lets CANCEL go only then.
    pub fn may_cancel(&self) -> bool {
        matches!(self, Self::Proceeding { .. })
    }

    /// Whether it is still without a final response.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Calling { .. } | Self::Proceeding { .. })
    }

    /// Whether it may be forgotten.
    pub fn is_over(&self) -> bool {
        *self == Self::Terminated
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Now, timers: &Timers, event: ClientEvent<'_>, out: &mut Effects) {
        match event {
            ClientEvent::Response { status, ack } => self.respond(now, timers, status, ack, out),
            ClientEvent::Wake => self.wake(now, out),
            ClientEvent::Unreachable => match self {
                // RFC 3261 §17.1.4, figure 5: a transport error ends both states.
                Self::Calling { .. } | Self::Completed { .. } => {
                    let calling = matches!(self, Self::Calling { .. });
                    *self = Self::Terminated;
                    // The TU has had its final response in Completed: only the ACK was lost.
                    if calling {
                        out.push(Effect::Unreachable);
                    }
                }
                // The transaction has nothing in the air here; the TU sends the ACK of a 2xx.
                Self::Proceeding { .. } | Self::Accepted { .. } | Self::Terminated => {}
            },
        }
    }

    fn respond(&mut self, now: Now, timers: &Timers, status: u16, ack: &dyn Fn() -> Bytes, out: &mut Effects) {
        match self {
            Self::Calling { transport, .. } | Self::Proceeding { transport } => {
                let transport = *transport;
                *self = match status {
                    // RFC 3261 §17.1.1.2: "the client transaction SHOULD NOT retransmit the request any longer".
                    0..200 => Self::Proceeding { transport },
                    // RFC 6026 §7.2: a 2xx leads to Accepted, for timer M of 64*T1.
                    200..300 => Self::Accepted { until: now.mono + timers.give_up() },
                    300.. => {
                        let ack = ack();
                        out.push(Effect::Send(ack.clone()));
                        let absorb = timers.absorb_final(transport);
                        if absorb.is_zero() {
                            Self::Terminated
                        } else {
                            Self::Completed { ack, until: now.mono + absorb }
                        }
                    }
                };
                out.push(Effect::Pass);
            }
            // RFC 3261 §17.1.1.2: "Any retransmissions of the final response that are received while in the "Completed"
            // state MUST cause the ACK to be re-passed to the transport layer for retransmission".
            Self::Completed { ack, .. } => {
                if status >= 300 {
                    out.push(Effect::Resend(ack.clone()));
                }
            }
            // RFC 6026 §7.2: each 2xx that comes while in Accepted is the TU's.
            Self::Accepted { .. } => {
                if (200..300).contains(&status) {
                    out.push(Effect::Pass);
                }
            }
            Self::Terminated => {}
        }
    }

    fn wake(&mut self, now: Now, out: &mut Effects) {
        match self {
            Self::Calling { give_up, .. } if now.mono >= *give_up => {
                *self = Self::Terminated;
                out.push(Effect::TimedOut);
            }
            Self::Calling { request, resend: Some(resend), .. } if now.mono >= resend.at => {
                out.push(Effect::Resend(request.clone()));
                *resend = resend.next(now.mono);
            }
            Self::Completed { until, .. } | Self::Accepted { until } if now.mono >= *until => *self = Self::Terminated,
            // Not due yet, or nothing ever is.
            Self::Calling { .. }
            | Self::Proceeding { .. }
            | Self::Completed { .. }
            | Self::Accepted { .. }
            | Self::Terminated => {}
        }
    }
}
