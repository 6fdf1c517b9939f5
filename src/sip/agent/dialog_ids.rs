//! By what each leg's dialog is known, for those who are to name it: a lamp shows it, a Replaces repeats it.

use super::UserAgent;
use super::leg::{Leg, Usage};
use crate::base::LegId;
use crate::sip::dialog::Dialog;

/// The identifiers of a leg's dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialogIds<'a> {
    /// Its Call-ID.
    pub call_id: &'a str,
    /// Our tag; `None`: none went out yet.
    pub ours: Option<&'a str>,
    /// The peer's; `None`: none came yet.
    pub theirs: Option<&'a str>,
    /// The peer's INVITE began it.
    pub is_theirs: bool,
}

impl UserAgent {
    /// The dialog of a leg: the confirmed one, else the early one that spoke last, else what its INVITE says of it.
    pub fn dialog_ids(&self, leg: LegId) -> Option<DialogIds<'_>> {
        let leg = self.leg(leg)?;
        let (call_id, is_theirs) = (&*leg.call_id, leg.sent.is_none());
        if let Some(Dialog { local, remote, .. }) = leg.dialog() {
            return Some(DialogIds { call_id, ours: known(&local.tag), theirs: known(&remote.tag), is_theirs });
        }
        let ours = leg.sent.as_ref().and_then(|sent| known(&sent.tag));
        Some(DialogIds { call_id, ours, theirs: None, is_theirs })
    }
}

impl Leg {
    fn dialog(&self) -> Option<&Dialog> {
        match &self.usage {
            Usage::Ringing(ringing) => Some(ringing.dialog()),
            Usage::Calling(calling) => calling.forks.last().map(|fork| &fork.dialog),
            Usage::Up { dialog, .. } | Usage::ByeWaits(dialog) => Some(dialog),
            Usage::Ended { dialog, .. } => dialog.as_ref(),
        }
    }
}

fn known(tag: &str) -> Option<&str> {
    Some(tag).filter(|tag| !tag.is_empty())
}
