//! What is known of one leg: its Call-ID, how it was set up, and how far its INVITE usage has come.

use bytes::Bytes;

use super::credentials::Wallet;
use super::{CancelReason, ForkId};
use crate::base::{Hop, Instant, LegId};
use crate::sip::dialog::Dialog;
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
    /// The dialog to be; its local tag is the one last used, empty while none was.
    pub(super) dialog: Dialog,
    /// Which fork's early dialog has which tag of ours.
    pub(super) shown: Vec<(ForkId, Box<str>)>,
    /// Whether the INVITE carries the offer.
    pub(super) offered: bool,
    /// CANCEL came.
    pub(super) canceled: bool,
    /// When the last provisional goes once more, so that no proxy takes the INVITE for forgotten; `None` before the
    /// first one but 100.
    pub(super) remind: Option<Instant>,
}

/// A leg that we call, before the final response.
#[derive(Debug)]
pub(super) struct Calling {
    /// The peers that answered provisionally, each with a tag of its own; the index is [`ForkId::n`].
    pub(super) forks: Vec<Dialog>,
    /// Whether it is to be cancelled.
    pub(super) cancel: Cancel,
    /// When the peer counts as dead, while nothing at all has come from it.
    pub(super) silence: Option<Instant>,
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
    /// The tag of ours for a response that speaks for this fork; `None`: a new one is needed.
    ///
    /// A tag that went out for no fork in particular becomes that of the first fork that is shown.
    pub(super) fn tag_for(&self, fork: Option<ForkId>) -> Option<Box<str>> {
        let current = Some(&self.dialog.local.tag).filter(|tag| !tag.is_empty());
        let Some(fork) = fork else { return current.cloned() };
        match self.shown.iter().find(|(shown, _)| *shown == fork) {
            Some((_, tag)) => Some(tag.clone()),
            None => current.filter(|tag| self.shown.iter().all(|(_, shown)| shown != *tag)).cloned(),
        }
    }

    /// Makes this the tag last used, and that of the fork.
    pub(super) fn show(&mut self, fork: Option<ForkId>, tag: Box<str>) {
        if let Some(fork) = fork.filter(|fork| self.shown.iter().all(|(shown, _)| shown != fork)) {
            self.shown.push((fork, tag.clone()));
        }
        self.dialog.local.tag = tag;
    }
}

impl Leg {
    /// The dialog in which a request of ours goes: the confirmed one, else the early one that spoke last.
    pub(super) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.usage {
            Usage::Ringing(ringing) => (!ringing.dialog.local.tag.is_empty()).then_some(&mut ringing.dialog),
            Usage::Calling(calling) => calling.forks.last_mut(),
            Usage::Up { dialog, .. } | Usage::ByeWaits(dialog) => Some(dialog),
            Usage::Ended { dialog, .. } => dialog.as_mut(),
        }
    }

    /// The dialog that a request with these tags belongs to.
    pub(super) fn dialog_of(&mut self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<&mut Dialog> {
        match &mut self.usage {
            Usage::Ringing(ringing) => {
                let dialog = &mut ringing.dialog;
                let is_ours =
                    *dialog.local.tag == *local_tag || ringing.shown.iter().any(|(_, tag)| **tag == *local_tag);
                // A tag is compared before it is sent for the first time only while it is empty, and a request that
                // has an empty one never gets here.
                (is_ours && *dialog.call_id == *call_id && *dialog.remote.tag == *remote_tag).then_some(dialog)
            }
            Usage::Calling(calling) => calling.forks.iter_mut().find(|d| d.is_of(call_id, local_tag, remote_tag)),
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
            Usage::Up { .. } | Usage::ByeWaits(_) | Usage::Ended { .. } => None,
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
        self.usage = Usage::Ended { dialog, bye };
    }
}
