//! The non-INVITE server transaction: RFC 3261 §17.2.2.

use bytes::Bytes;

use super::{Effect, Effects, ServerEvent, Timers};
use crate::base::{Instant, Now, Transport};

/// The machine of a peer's request other than INVITE and ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// The TU has it and has said nothing yet.
    Trying {
        /// What it came by.
        transport: Transport,
    },
    /// A provisional was sent.
    Proceeding {
        /// It, for repeats of the request.
        last: Bytes,
        /// What the request came by.
        transport: Transport,
    },
    /// The final response was sent.
    Completed {
        /// It, for repeats of the request.
        response: Bytes,
        /// Timer J.
        until: Instant,
    },
    /// Nothing is left to do.
    Terminated,
}

impl Server {
    /// Of a request that came by this transport.
    pub fn start(transport: Transport) -> Self {
        Self::Trying { transport }
    }

    /// When [`ServerEvent::Wake`] is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self {
            Self::Completed { until, .. } => Some(*until),
            Self::Trying { .. } | Self::Proceeding { .. } | Self::Terminated => None,
        }
    }

    /// Whether it is still without a final response.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Trying { .. } | Self::Proceeding { .. })
    }

    /// Whether it may be forgotten.
    pub fn is_over(&self) -> bool {
        *self == Self::Terminated
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Now, timers: &Timers, event: ServerEvent, out: &mut Effects) {
        match event {
            ServerEvent::Again => match self {
                // RFC 3261 §17.2.2: "the most recently sent provisional response MUST be passed to the transport layer
                // for retransmission"; in Completed it "MUST pass the final response".
                Self::Proceeding { last: bytes, .. } | Self::Completed { response: bytes, .. } => {
                    out.push(Effect::Resend(bytes.clone()));
                }
                // RFC 3261 §17.2.2: "Once in the "Trying" state, any further request retransmissions are discarded."
                Self::Trying { .. } | Self::Terminated => {}
            },
            ServerEvent::Respond { status, bytes } => match self {
                Self::Trying { transport } | Self::Proceeding { transport, .. } => {
                    let transport = *transport;
                    out.push(Effect::Send(bytes.clone()));
                    let absorb = timers.absorb_request(transport);
                    *self = match status {
                        0..200 => Self::Proceeding { last: bytes, transport },
                        200.. if absorb.is_zero() => Self::Terminated,
                        200.. => Self::Completed { response: bytes, until: now.mono + absorb },
                    };
                }
                // RFC 3261 §17.2.2: "Any other final responses passed by the TU to the server transaction MUST be
                // discarded while in the "Completed" state."
                Self::Completed { .. } | Self::Terminated => {}
            },
            ServerEvent::Wake => {
                if let Self::Completed { until, .. } = self
                    && now.mono >= *until
                {
                    *self = Self::Terminated;
                }
            }
            // Only INVITE has an ACK.
            ServerEvent::Ack => {}
        }
    }
}
