//! The transactions of a call, client and server, INVITE and other, each with what it is for.

use bytes::Bytes;
use rsip::Method;

use super::credentials::Retry;
use super::{AgentOut, RequestId, Transmit};
use crate::base::{Hop, Instant, LegId, Now};
use crate::sip::message::Request;
use crate::sip::transaction::{
    Client, ClientEvent, ClientKey, Effect, Effects, InviteClient, InviteServer, Server, ServerEvent, ServerKey, Timers,
};

/// A request of ours.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) key: ClientKey,
    pub(super) leg: LegId,
    pub(super) hop: Hop,
    /// Its number.
    pub(super) cseq: u32,
    pub(super) machine: ClientMachine,
    pub(super) purpose: Purpose,
    /// Of an INVITE: what the ACK to its refusal and its CANCEL repeat of it.
    pub(super) head: Option<Request>,
    /// Of a re-INVITE whose dialog has ended meanwhile: when it is no longer waited for. Its transaction alone would
    /// wait for ever once a provisional came (RFC 3261 §17.1.1.2 has no timer in Proceeding).
    pub(super) orphaned: Option<Instant>,
    /// Where its leg may be challenged: what is sent again then.
    pub(super) retry: Option<Box<Retry>>,
}

/// What a request of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Calls the leg.
    Invite,
    /// Takes that back.
    Cancel,
    /// A re-INVITE.
    ReInvite {
        /// The call's name for it.
        id: RequestId,
        /// Whether it carries the offer.
        offered: bool,
    },
    /// An UPDATE, with an offer.
    Update(RequestId),
    /// An UPDATE without one, which keeps a session alive (RFC 4028).
    Refresh(RequestId),
    /// A PRACK.
    Prack,
    /// An INFO or MESSAGE.
    Pass(RequestId),
    /// Of the progress of a REFER.
    Notify {
        /// The call's name for it.
        id: RequestId,
        /// The REFER.
        refer: RequestId,
    },
    /// Ends the dialog.
    Bye,
}

impl Purpose {
    /// The call's name for it.
    pub(super) fn id(self) -> Option<RequestId> {
        match self {
            Self::ReInvite { id, .. }
            | Self::Update(id)
            | Self::Refresh(id)
            | Self::Pass(id)
            | Self::Notify { id, .. } => Some(id),
            Self::Invite | Self::Cancel | Self::Prack | Self::Bye => None,
        }
    }
}

/// The machine of a request of ours.
#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

impl Outgoing {
    pub(super) fn handle(&mut self, now: Now, timers: &Timers, event: ClientEvent<'_>) -> Effects {
        let mut effects = Effects::new();
        match &mut self.machine {
            ClientMachine::Invite(machine) => machine.handle(now, timers, event, &mut effects),
            ClientMachine::Other(machine) => machine.handle(now, timers, event, &mut effects),
        }
        effects
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let machine = match &self.machine {
            ClientMachine::Invite(machine) => machine.next_wakeup(),
            ClientMachine::Other(machine) => machine.next_wakeup(),
        };
        let orphaned = self.orphaned.filter(|_| self.is_open());
        [machine, orphaned].into_iter().flatten().min()
    }

    /// Whether it is an INVITE that RFC 3261 §9.1 lets CANCEL now.
    pub(super) fn may_cancel(&self) -> bool {
        matches!(&self.machine, ClientMachine::Invite(machine) if machine.may_cancel())
    }

    /// Whether it is still without a final response.
    pub(super) fn is_open(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.is_open(),
            ClientMachine::Other(machine) => machine.is_open(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.is_over(),
            ClientMachine::Other(machine) => machine.is_over(),
        }
    }
}

impl ClientMachine {
    /// Starts the machine that the method needs, which sends the request.
    pub(super) fn start(
        now: Now,
        timers: &Timers,
        hop: &Hop,
        (method, request): (Method, Bytes),
        effects: &mut Effects,
    ) -> Self {
        match method {
            Method::Invite => Self::Invite(InviteClient::start(now, timers, hop.transport, request, effects)),
            _ => Self::Other(Client::start(now, timers, hop.transport, request, effects)),
        }
    }
}

/// A request of the peer's.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) key: ServerKey,
    pub(super) leg: LegId,
    /// The way that its responses go.
    pub(super) hop: Hop,
    /// What they are made from; its top Via says where it came from.
    pub(super) request: Request,
    pub(super) machine: ServerMachine,
    pub(super) wants: Wants,
}

/// What a request of the peer's wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// To call; the A leg's INVITE.
    Call,
    /// A re-INVITE; the call answers.
    ReInvite(RequestId),
    /// An UPDATE with an offer; the call answers.
    Update(RequestId),
    /// INFO, MESSAGE; the call answers.
    Pass(RequestId),
    /// A REFER; the call answers.
    Refer(RequestId),
    /// A BYE; the call answers.
    Bye(RequestId),
    /// Nothing more: it has been answered here.
    Nothing,
}

impl Wants {
    /// The call's name for it.
    pub(super) fn id(self) -> Option<RequestId> {
        match self {
            Self::ReInvite(id) | Self::Update(id) | Self::Pass(id) | Self::Refer(id) | Self::Bye(id) => Some(id),
            Self::Call | Self::Nothing => None,
        }
    }

    /// Whether it carries an offer or asks for one.
    pub(super) fn negotiates(self) -> bool {
        matches!(self, Self::ReInvite(_) | Self::Update(_))
    }
}

/// The machine of a request of the peer's.
#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

impl Incoming {
    pub(super) fn new(key: ServerKey, leg: LegId, hop: Hop, request: Request, wants: Wants) -> Self {
        let machine = match request.method {
            Method::Invite => ServerMachine::Invite(InviteServer::start(hop.transport)),
            _ => ServerMachine::Other(Server::start(hop.transport)),
        };
        Self { key, leg, hop, request, machine, wants }
    }

    pub(super) fn handle(&mut self, now: Now, timers: &Timers, event: ServerEvent) -> Effects {
        let mut effects = Effects::new();
        match &mut self.machine {
            ServerMachine::Invite(machine) => machine.handle(now, timers, event, &mut effects),
            ServerMachine::Other(machine) => machine.handle(now, timers, event, &mut effects),
        }
        effects
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.next_wakeup(),
            ServerMachine::Other(machine) => machine.next_wakeup(),
        }
    }

    /// Whether it is still without a final response.
    pub(super) fn is_open(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.is_open(),
            ServerMachine::Other(machine) => machine.is_open(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.is_over(),
            ServerMachine::Other(machine) => machine.is_over(),
        }
    }
}

/// Puts what effects send into `out`; tells whether the rest is [`Effect::Pass`], a failure, or nothing.
pub(super) fn send_all(effects: Effects, hop: Hop, leg: LegId, out: &mut AgentOut) -> Option<Effect> {
    let mut news = None;
    for effect in effects {
        let (bytes, again) = match effect {
            Effect::Send(bytes) => (bytes, false),
            Effect::Resend(bytes) => (bytes, true),
            other => {
                news = Some(other);
                continue;
            }
        };
        out.sends.push(Transmit { hop, bytes, leg, again });
    }
    news
}
