//! Whose each INVITE is: of many copies on many threads one begins a call.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::live::SHARDS;
use crate::base::CallId;
use crate::sip::message::Request;
use crate::sip::transaction::ServerKey;

/// All INVITEs that calls have.
#[derive(Debug)]
pub(super) struct Claims {
    invites: DashMap<ServerKey, CallId>,
    /// The same INVITEs by what stays when one is forked on its way to us.
    requests: DashMap<RequestKey, CallId>,
}

/// By what an INVITE is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InviteKeys {
    pub(super) transaction: ServerKey,
    request: RequestKey,
}

/// Call-ID, From-tag and CSeq number: what RFC 3261 §8.2.2.2 compares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestKey {
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq: u32,
}

impl InviteKeys {
    /// Of this INVITE, as it came: before anything is written into its Via.
    pub(super) fn of(invite: &Request) -> Self {
        let headers = &invite.headers;
        let request = RequestKey {
            call_id: headers.call_id().map(AsRef::<str>::as_ref).unwrap_or_default().into(),
            from_tag: headers.from_tag().unwrap_or_default().into(),
            cseq: headers.cseq().map_or(0, |(number, _)| number),
        };
        Self { transaction: ServerKey::of(invite), request }
    }
}

/// Whose an INVITE is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// This call has it already.
    Known(CallId),
    /// This call has the same request, which came to us by another way: RFC 3261 §8.2.2.2, a merged request.
    Merged,
    /// Nobody had it; it is now the one's that claimed it.
    New,
}

impl Claims {
    pub(super) fn new() -> Self {
        Self { invites: DashMap::with_shard_amount(SHARDS), requests: DashMap::with_shard_amount(SHARDS) }
    }

    /// The call that has this INVITE.
    pub(super) fn owner(&self, key: &ServerKey) -> Option<CallId> {
        self.invites.get(key).map(|id| *id)
    }

    /// Claims an INVITE for a call: of many who claim it at once, one wins.
    pub(super) fn claim(&self, keys: &InviteKeys, id: CallId) -> Claim {
        match self.invites.entry(keys.transaction.clone()) {
            Entry::Occupied(taken) => return Claim::Known(*taken.get()),
            Entry::Vacant(free) => drop(free.insert(id)),
        }
        let owner = *self.requests.entry(keys.request.clone()).or_insert(id);
        if owner == id {
            return Claim::New;
        }
        self.invites.remove(&keys.transaction);
        Claim::Merged
    }

    /// Nobody has it any more.
    pub(super) fn forget(&self, keys: &InviteKeys) {
        self.invites.remove(&keys.transaction);
        self.requests.remove(&keys.request);
    }
}
