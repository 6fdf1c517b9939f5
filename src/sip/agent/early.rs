//! What may be said in early dialogs besides provisionals: offers by UPDATE (RFC 3311), and their end by 199 (RFC 6228).

use bytes::Bytes;
use rsip::Method;

use super::leg::{Fork, Leg, Usage};
use super::transactions::{Purpose, Wants};
use super::{AgentOut, ForkId, LegEvent, RequestId, UserAgent, compose, session};
use crate::base::{Hop, LegId, Now};
use crate::sip::dialog::{Dialog, OutOfTurn};
use crate::sip::message::{Headers, Name, Request};

/// Keeps the number that a request in an early dialog took.
pub(super) fn keep_cseq(leg: Option<&mut Leg>, n: u16, dialog: &Dialog) {
    if let Some(Leg { usage: Usage::Calling(calling), .. }) = leg
        && let Some(fork) = calling.forks.get_mut(usize::from(n))
    {
        fork.dialog.local_cseq = dialog.local_cseq;
    }
}

impl UserAgent {
    /// Whether an UPDATE with an offer may go in the early dialog of this fork now: on its own leg, or on the A leg in
    /// the one that speaks for it.
    ///
    /// RFC 3311 §5.1 wants the first offer answered, which before the 2xx a reliable provisional alone can do, and that
    /// the peer allows UPDATE.
    pub fn may_update(&self, leg: LegId, fork: ForkId) -> bool {
        let idle = !self.updates_under_way(leg).0 && !self.updates_under_way(leg).1;
        match self.leg(leg).map(|leg| (&leg.usage, &leg.session)) {
            Some((Usage::Ringing(ringing), session)) => {
                let early = ringing.early.iter().find(|early| early.fork == Some(fork) && !early.over);
                idle && session.updates && early.is_some_and(|early| early.answered)
            }
            Some((Usage::Calling(calling), _)) => {
                idle && calling.forks.get(usize::from(fork.n)).is_some_and(|fork| fork.answered && fork.updates)
            }
            Some((Usage::Up { .. } | Usage::ByeWaits(_) | Usage::Ended { .. }, _)) | None => false,
        }
    }

    /// An UPDATE with an offer in an early dialog; as [`may_update`](Self::may_update) names it.
    pub fn update_early(&mut self, now: Now, leg: LegId, fork: ForkId, offer: Bytes, out: &mut AgentOut) -> RequestId {
        let id = self.new_request(leg);
        let dialog = self.may_update(leg, fork).then(|| self.early_dialog(leg, fork)).flatten();
        let Some((mut dialog, hop)) = dialog else {
            out.events.push(LegEvent::Replied { request: id, status: 491, sdp: None });
            return id;
        };
        let add = |request, hop: &Hop| {
            compose::with_sdp(compose::with_abilities(compose::with_contact(request, hop)), Some(offer))
        };
        self.send_in(now, leg, (&mut dialog, hop), (Method::Update, Purpose::Update(id)), add, out);
        if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(leg)
            && let Some(early) = ringing.early.iter_mut().find(|early| early.fork == Some(fork))
        {
            early.dialog.local_cseq = dialog.local_cseq;
        }
        keep_cseq(self.leg_mut(leg), fork.n, &dialog);
        id
    }

    fn early_dialog(&self, leg: LegId, fork: ForkId) -> Option<(Dialog, Hop)> {
        let leg = self.leg(leg)?;
        let dialog = match &leg.usage {
            Usage::Ringing(ringing) => &ringing.early.iter().find(|early| early.fork == Some(fork))?.dialog,
            Usage::Calling(calling) => &calling.forks.get(usize::from(fork.n))?.dialog,
            Usage::Up { .. } | Usage::ByeWaits(_) | Usage::Ended { .. } => return None,
        };
        Some((dialog.clone(), leg.hop))
    }

    /// Whether an UPDATE with an offer of the peer's may be taken in its early dialog, and for which fork that speaks.
    ///
    /// # Errors
    /// RFC 3311 §5.2: "If an UPDATE is received that contains an offer, and the UAS has generated an offer … to which it
    /// has not yet received an answer, the UAS MUST reject the UPDATE with a 491 response"; where it "has not yet
    /// generated an answer" to one of the peer's, "the UAS MUST reject the UPDATE with a 500 response".
    pub(super) fn admit_early(&self, leg: LegId, request: &Request) -> Result<Option<ForkId>, OutOfTurn> {
        let (ours, theirs) = self.updates_under_way(leg);
        let to = request.headers.to_tag().unwrap_or_default();
        let from = request.headers.from_tag().unwrap_or_default();
        let (fork, answered, otherwise) = match self.leg(leg).map(|leg| &leg.usage) {
            Some(Usage::Ringing(ringing)) => {
                let early = ringing.early.iter().find(|early| *early.dialog.local.tag == *to);
                let fork = early.and_then(|early| early.fork);
                (fork, early.is_some_and(|early| early.answered), OutOfTurn::TooSoon)
            }
            Some(Usage::Calling(calling)) => {
                let is_it = |fork: &Fork| *fork.dialog.remote.tag == *from;
                let n = calling.forks.iter().position(is_it).unwrap_or_default();
                let fork = ForkId { leg, n: u16::try_from(n).unwrap_or(u16::MAX) };
                (Some(fork), calling.forks.get(n).is_some_and(|fork| fork.answered), OutOfTurn::Glare)
            }
            _ => return self.under_way(leg).admit().map(|()| None),
        };
        match (ours, theirs, answered) {
            (true, ..) => Err(OutOfTurn::Glare),
            (_, true, _) => Err(OutOfTurn::TooSoon),
            (.., false) => Err(otherwise),
            (false, false, true) => Ok(fork),
        }
    }

    /// Whether an UPDATE with an offer is under way: of ours, of the peer's.
    fn updates_under_way(&self, leg: LegId) -> (bool, bool) {
        let ours = |client: &super::Outgoing| matches!(client.purpose, Purpose::Update(_)) && client.is_open();
        let theirs = |server: &super::Incoming| matches!(server.wants, Wants::Update(_)) && server.is_open();
        (
            self.clients.iter().any(|client| client.leg == leg && ours(client)),
            self.servers.iter().any(|server| server.leg == leg && theirs(server)),
        )
    }

    /// Notes what the callee of a fork says that it can do.
    pub(super) fn hear_fork(&mut self, fork: ForkId, headers: &Headers) {
        if let Some(Leg { usage: Usage::Calling(calling), .. }) = self.leg_mut(fork.leg)
            && let Some(fork) = calling.forks.get_mut(usize::from(fork.n))
            && headers.has(&Name::Allow)
        {
            fork.updates = session::takes_update(headers);
        }
    }

    /// These early dialogs of a leg that we called (`n`: one of them) have come to nothing: the caller is told, where
    /// she knows 199 and was shown one.
    ///
    /// RFC 6228 §5: a UAS sends 199 only where the INVITE's Supported has it; it ends the early dialog whose To-tag it
    /// carries and nothing else.
    pub fn fork_is_over(&mut self, now: Now, leg: LegId, n: Option<u16>, out: &mut AgentOut) {
        let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg(LegId::A) else { return };
        let is_it = |fork: &ForkId| fork.leg == leg && n.is_none_or(|n| n == fork.n);
        let shown = ringing.early.iter().filter(|early| !early.over).filter_map(|early| early.fork);
        let over: Vec<ForkId> = shown.filter(is_it).filter(|_| ringing.knows_199).collect();
        for fork in over {
            self.progress(now, 199, Some(fork), None, out);
            if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(LegId::A)
                && let Some(early) = ringing.early.iter_mut().find(|early| early.fork == Some(fork))
            {
                early.over = true;
            }
        }
    }
}
