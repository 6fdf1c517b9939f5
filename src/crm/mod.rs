//! The CRM in the call: its words ([`model`]), what it is asked and told, and the backends that answer.
//!
//! A backend is asked who calls ([`Crm::who_calls`]); everything that it is told goes through the [`outbox`], which
//! keeps it until it is in effect.

pub mod desk;
pub mod embedded;
pub mod model;
pub mod outbox;
pub mod policy;
#[cfg(test)]
pub(crate) mod testing;

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::embedded::Embedded;
use self::model::{Effect, EntityRef, Lookup, OwedWrite};
use crate::base::{CallId, PhoneNumber};
use crate::store::StoreError;
use crate::store::rows::Rows;

/// Whom a lookup is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WhoCalls {
    /// The caller's number; the callee's of an outgoing call.
    pub phone: PhoneNumber,
    /// Our line.
    pub line: PhoneNumber,
    /// The other end's SIP address `user@host`, for exceptions by address.
    pub address: String,
}

/// Why a CRM did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CrmError {
    /// It cannot be reached, or is not well.
    #[error("the CRM cannot be reached")]
    Unavailable,
    /// It is there, and wants to be asked again after this time at the earliest: a rate, a `Retry-After`.
    #[error("the CRM wants to be asked again in {after:?}")]
    Later {
        /// How long it wants to be left alone.
        after: Duration,
    },
    /// It understood, and will not.
    #[error("the CRM refuses: {0}")]
    Refused(String),
}

impl CrmError {
    /// Whether the same may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Later { .. })
    }
}

/// A CRM.
pub trait Crm: Send + Sync + 'static {
    /// Whose number this is.
    fn who_calls(&self, asked: &WhoCalls) -> impl Future<Output = Result<Lookup, CrmError>> + Send;

    /// Puts one write into effect; what is repeated with the same call and place has its first effect only.
    fn deliver(&self, owed: &OwedWrite) -> impl Future<Output = Result<Effect, CrmError>> + Send;

    /// A CRM that lives in the store decides here, and adds what changes to the transaction that the write is part
    /// of. `None`: it lives elsewhere, and the write is delivered after its commit.
    ///
    /// `up`: the call that owes it goes on.
    fn at_once(&self, _owed: &OwedWrite, _up: bool, _rows: &mut Rows) -> Option<Result<Effect, CrmError>> {
        None
    }

    /// What a call is known to have created so far, decided but perhaps not committed yet.
    fn created(&self, _call: CallId) -> Vec<EntityRef> {
        Vec::new()
    }

    /// The call is over: a lead that it made is an ordinary one now.
    fn call_ended(&self, _call: CallId) {}

    /// Nothing will come of this call any more.
    fn call_settled(&self, _call: CallId) {}

    /// Resolves when the CRM is known to be back, so that what is owed need not wait for its next try.
    fn back(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// Calls the same method of whichever CRM it is.
macro_rules! each {
    ($backend:ident, $crm:ident => $said:expr) => {
        match $backend {
            Backend::Embedded($crm) => $said,
        }
    };
}

/// The CRM that the operator's file names.
#[derive(Clone)]
pub enum Backend {
    /// Our own, in the store.
    Embedded(Embedded),
}

impl Crm for Backend {
    async fn who_calls(&self, asked: &WhoCalls) -> Result<Lookup, CrmError> {
        each!(self, crm => crm.who_calls(asked).await)
    }

    async fn deliver(&self, owed: &OwedWrite) -> Result<Effect, CrmError> {
        each!(self, crm => crm.deliver(owed).await)
    }

    fn at_once(&self, owed: &OwedWrite, up: bool, rows: &mut Rows) -> Option<Result<Effect, CrmError>> {
        each!(self, crm => crm.at_once(owed, up, rows))
    }

    fn created(&self, call: CallId) -> Vec<EntityRef> {
        each!(self, crm => crm.created(call))
    }

    fn call_ended(&self, call: CallId) {
        each!(self, crm => crm.call_ended(call));
    }

    fn call_settled(&self, call: CallId) {
        each!(self, crm => crm.call_settled(call));
    }

    async fn back(&self) {
        each!(self, crm => crm.back().await);
    }
}

impl From<StoreError> for CrmError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::Unavailable } else { Self::Refused(error.to_string()) }
    }
}
