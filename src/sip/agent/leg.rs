//! What is known of one leg: its Call-ID, how it was set up, and how far its INVITE usage has come.

use bytes::Bytes;

use super::credentials::Wallet;
use super::session::Session;
use super::{CancelReason, ForkId, Reason};
use crate::base::{Hop, Instant, LegId};
use crate::sip::dialog::{Dialog, LastRSeq};
use crate::sip::message::Request;
use crate::sip::transaction::Backoff;

/// One leg of the call.
#[derive(Debug)]
pub(super) struct Leg {
    /// Which.
    pub(super) id: LegId,
    /// Its Call-ID: the peer's on the A leg, ours on the others.
    pub(super) call_id: Box<str>,
    /// How its INVITE came or went; and how requests go whose target names no address.
    pub(super) hop: Hop,
    /// How far it has come.
    pub(super) usage: Usage,
    /// The INVITE that we sent; `None` on the A leg.
    pub(super) sent: Option<Box<SentInvite>>,
    /// ACKs to 2xx of the peer's, for their repeats.
    pub(super) acks: Vec<SentAck>,
    /// REFERs that came in its dialog so far: from the second on, NOTIFYs say which one they mean.
    pub(super) refers: u16,
    /// What answers its peer's challenges.
    pub(super) wallet: Wallet,
    /// What the peer can, what was agreed about media, and its session timer.
    pub(super) session: Session,
    /// Why it ends, once somebody said so: the peer by its BYE or CANCEL, or we by ours.
    pub(super) reason: Option<Reason>,
}

/// How far a leg has come.
#[derive(Debug)]
pub(super) enum Usage {
    /// The peer's INVITE has no final response yet.
    Ringing(Ringing),
    /// Our INVITE has none.
    Calling(Calling),
    /// A 2xx went or came.
    Up {
        /// The dialog.
        dialog: Dialog,
        /// The ACK that we owe to an INVITE of ours with this CSeq: its 2xx carried the offer.
        ack: Ack,
    },
    /// BYE is to be sent once our 200 is acknowledged.
    ByeWaits(Dialog),
    /// It is over.
    Ended {
        /// What it was, where it had come to a 2xx; NOTIFYs of a REFER may still go in it (RFC 5057 §4.1).
        dialog: Option<Dialog>,
        /// Whose BYE ended it.
        bye: Bye,
    },
}

/// Whether an ACK of ours waits for the answer to the peer's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ack {
    /// No.
    Settled,
    /// Yes.
    Owed {
        /// The INVITE's CSeq.
        cseq: u32,
        /// The offer.
        offer: Bytes,
    },
}

/// Who sent BYE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bye {
    /// Nobody: it never came to a dialog.
    None,
    /// We.
    Ours,
    /// The peer.
    Theirs,
}

/// The A leg before its final response.
#[derive(Debug)]
pub(super) struct Ringing {
    /// What each of its early dialogs begins as: without a tag of ours.
    pub(super) blank: Dialog,
    /// Its early dialogs, in the order in which they were shown.
    pub(super) early: Vec<Early>,
    /// Which of them spoke last; means nothing while there is none.
    current: usize,
    /// Whether the INVITE carries the offer.
    pub(super) offered: bool,
    /// CANCEL came.
    pub(super) canceled: bool,
    /// The caller knows 199 (RFC 6228).
    pub(super) knows_199: bool,
    /// When the last provisional goes once more, so that no proxy takes the INVITE for forgotten; `None` before the
    /// first one but 100.
    pub(super) remind: Option<Instant>,
}

/// An early dialog of the A leg: one of our tags.
#[derive(Debug)]
pub(super) struct Early {
    /// It.
    pub(super) dialog: Dialog,
    /// For which fork it speaks; `None` until one is shown in it.
    pub(super) fork: Option<ForkId>,
    /// RSeq of the last reliable provisional in it.
    pub(super) rseq: Option<u32>,
    /// The offer of the INVITE has its answer in it: by a reliable provisional that was acknowledged.
    pub(super) answered: bool,
    /// A 199 has ended it.
    pub(super) over: bool,
}

/// A leg that we call, before the final response.
#[derive(Debug)]
pub(super) struct Calling {
    /// The peers that answered provisionally, each with a tag of its own; the index is [`ForkId::n`].
    pub(super) forks: Vec<Fork>,
    /// Whether it is to be cancelled.
    pub(super) cancel: Cancel,
    /// When the peer counts as dead, while nothing at all has come from it.
    pub(super) silence: Option<Instant>,
}

/// An early dialog of a leg that we call.
#[derive(Debug)]
pub(super) struct Fork {
    /// It.
    pub(super) dialog: Dialog,
    /// The last reliable provisional in it.
    pub(super) last: LastRSeq,
    /// A reliable provisional brought the answer to our offer.
    pub(super) answered: bool,
    /// It takes UPDATE.
    pub(super) updates: bool,
}

/// How far the cancelling of an INVITE of ours has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Nobody wants it.
    No,
    /// CANCEL goes with the first provisional.
    WithProvisional(CancelReason),
    /// CANCEL went; the INVITE is given up at this time.
    Sent(Instant),
}

/// What of an INVITE of ours its dialogs are made of.
#[derive(Debug)]
pub(super) struct SentInvite {
    /// The Request-URI.
    pub(super) uri: Box<str>,
    /// From without the tag.
    pub(super) from: Box<str>,
    /// Our tag.
    pub(super) tag: Box<str>,
    /// To.
    pub(super) to: Box<str>,
    /// Its number.
    pub(super) cseq: u32,
    /// Whether it carries the offer.
    pub(super) offered: bool,
    /// The INVITE itself, until it has a final response: it may have to go once more, changed.
    pub(super) request: Option<Request>,
}

/// The ACK to one 2xx, or that it is owed.
#[derive(Debug)]
pub(super) struct SentAck {
    /// The INVITE's number.
    pub(super) cseq: u32,
    /// The tag of who sent the 2xx.
    pub(super) tag: Box<str>,
    /// The message and its way; `None`: the call owes the answer, a repeat of the 2xx is met with silence.
    pub(super) sent: Option<(Hop, Bytes)>,
    /// When no repeat can come any more (timer M).
    pub(super) until: Instant,
}

/// A 2xx of ours to INVITE that has no ACK yet: RFC 3261 §13.3.1.4.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) leg: LegId,
    /// The INVITE's number, which the ACK repeats.
    pub(super) cseq: u32,
    pub(super) hop: Hop,
    pub(super) response: Bytes,
    /// "an interval that starts at T1 seconds and doubles for each retransmission until it reaches T2 seconds".
    /// "This is independent of whatever transport protocols are used to send the response."
    pub(super) resend: Backoff,
    /// "If the server retransmits the 2xx response for 64*T1 seconds without receiving an ACK, …".
    pub(super) give_up: Instant,
    /// It carries the offer, the ACK its answer.
    pub(super) offers: bool,
    /// It makes the dialog, which must not be ended before its ACK (RFC 3261 §15).
    pub(super) makes_dialog: bool,
}

impl Ringing {
    /// Of an INVITE that would make this dialog.
    pub(super) fn new(blank: Dialog, offered: bool, knows_199: bool) -> Self {
        Self { blank, early: Vec::new(), current: 0, offered, canceled: false, knows_199, remind: None }
    }

    /// The early dialog that spoke last.
    pub(super) fn current(&self) -> Option<&Early> {
        self.early.get(self.current)
    }

    /// The same, to be changed.
    pub(super) fn current_mut(&mut self) -> Option<&mut Early> {
        self.early.get_mut(self.current)
    }

    /// The dialog that spoke last; where none did, the one to be.
    pub(super) fn dialog(&self) -> &Dialog {
        self.current().map_or(&self.blank, |early| &early.dialog)
    }

    /// Makes the fork's early dialog the one that speaks, a new one by `tag` where it has none yet.
    ///
    /// A tag that went out for no fork in particular becomes that of the first fork that is shown; without a fork the
    /// last one stays.
    pub(super) fn show(&mut self, fork: Option<ForkId>, tag: Box<str>) {
        let last = self.current;
        let stays = |at: usize, early: &Early| at == last && !early.over && (fork.is_none() || early.fork.is_none());
        let known = fork.and_then(|fork| self.early.iter().position(|early| early.fork == Some(fork)));
        let at = known.or_else(|| self.early.iter().enumerate().position(|(at, early)| stays(at, early)));
        self.current = at.unwrap_or_else(|| {
            let mut dialog = self.blank.clone();
            dialog.local.tag = tag;
            self.early.push(Early { dialog, fork: None, rseq: None, answered: false, over: false });
            self.early.len() - 1
        });
        if let Some(early) = self.early.get_mut(self.current) {
            early.fork = early.fork.or(fork);
        }
    }
}

impl Leg {
    /// The dialog in which a request of ours goes: the confirmed one, else the early one that spoke last.
    pub(super) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.usage {
            Usage::Ringing(ringing) => ringing.current_mut().map(|early| &mut early.dialog),
            Usage::Calling(calling) => calling.forks.last_mut().map(|fork| &mut fork.dialog),
            Usage::Up { dialog, .. } | Usage::ByeWaits(dialog) => Some(dialog),
            Usage::Ended { dialog, .. } => dialog.as_mut(),
        }
    }

    /// The dialog that a request with these tags belongs to.
    pub(super) fn dialog_of(&mut self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<&mut Dialog> {
        match &mut self.usage {
            Usage::Ringing(ringing) => {
                let mut dialogs = ringing.early.iter_mut().map(|early| &mut early.dialog);
                dialogs.find(|dialog| dialog.is_of(call_id, local_tag, remote_tag))
            }
            Usage::Calling(calling) => {
                let mut dialogs = calling.forks.iter_mut().map(|fork| &mut fork.dialog);
                dialogs.find(|dialog| dialog.is_of(call_id, local_tag, remote_tag))
            }
            Usage::Up { dialog, .. } | Usage::ByeWaits(dialog) | Usage::Ended { dialog: Some(dialog), .. } => {
                dialog.is_of(call_id, local_tag, remote_tag).then_some(dialog)
            }
            Usage::Ended { dialog: None, .. } => None,
        }
    }

    /// When something of it is due that is no transaction's.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        match &self.usage {
            Usage::Calling(Calling { cancel: Cancel::Sent(give_up), .. }) => Some(*give_up),
            Usage::Calling(calling) => calling.silence,
            Usage::Ringing(ringing) => ringing.remind,
            Usage::Up { .. } => self.session.next_wakeup(),
            Usage::ByeWaits(_) | Usage::Ended { .. } => None,
        }
    }

    /// Whether nothing more will come of it.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.usage, Usage::Ended { .. })
    }

    /// Ends the usage, keeping its dialog.
    pub(super) fn end(&mut self, bye: Bye) {
        let usage = std::mem::replace(&mut self.usage, Usage::Ended { dialog: None, bye });
        let dialog = match usage {
            Usage::Up { dialog, .. } | Usage::ByeWaits(dialog) => Some(dialog),
            Usage::Ended { dialog, .. } => dialog,
            Usage::Ringing(_) | Usage::Calling(_) => None,
        };
        if let Some(sent) = &mut self.sent {
            sent.request = None;
        }
        self.usage = Usage::Ended { dialog, bye };
    }
}
