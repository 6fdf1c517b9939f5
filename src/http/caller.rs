//! Who asks, and what she may see: an admin's program, or an employee with her role.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;
use super::sessions::Holder;
use crate::base::EmployeeId;
use crate::crm::model::CallRecord;
use crate::node::events::Event;

/// Whoever made a request that was let in. A handler that takes neither this nor [`Admin`] asks for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// With `http.api_token`, or over the control socket: all rights.
    Program,
    /// Signed in.
    Person(Holder),
}

impl Caller {
    /// Whether she may do everything.
    pub(super) const fn is_admin(&self) -> bool {
        match self {
            Self::Program => true,
            Self::Person(holder) => holder.admin,
        }
    }

    /// Which employee; `None`: a program.
    pub(super) const fn employee(&self) -> Option<&EmployeeId> {
        match self {
            Self::Program => None,
            Self::Person(holder) => Some(&holder.employee),
        }
    }

    /// The employee to whose own things she is held; `None`: an admin.
    pub(super) fn only(&self) -> Option<&EmployeeId> {
        self.employee().filter(|_| !self.is_admin())
    }

    /// Passes where the call is hers, or she an admin.
    pub(super) fn may_see(&self, call: &CallRecord) -> Result<(), ApiError> {
        match self.only() {
            Some(employee) if !call.concerns(employee) => {
                Err(ApiError::forbidden("the call concerns other employees: an admin sees it"))
            }
            _ => Ok(()),
        }
    }

    /// Passes where she is this employee, or an admin.
    pub(super) fn may_manage(&self, employee: &EmployeeId) -> Result<(), ApiError> {
        match self.only() {
            Some(herself) if herself != employee => {
                Err(ApiError::forbidden("you may manage your own presence; an admin may manage everybody's"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an event is for her.
    pub(super) fn hears(&self, event: &Event) -> bool {
        let Some(employee) = self.only() else { return true };
        let Some(said) = event.publication() else { return false };
        let is_her = |one: &Option<EmployeeId>| one.as_ref() == Some(employee);
        match said.event {
            // To each who is concerned there is one of her own.
            "card.offered" => is_her(&said.to_employee),
            _ => is_her(&said.to_employee) || is_her(&said.from_employee) || said.call.concerns(employee),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::unauthorized("say who you are"))
    }
}

/// Whoever has all rights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admin;

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            caller if caller.is_admin() => Ok(Self),
            _ => Err(ApiError::forbidden("admins alone may do this")),
        }
    }
}
