//! The house: who can be rung, what the CRM is owed, and the files.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Body, Named};
use crate::base::EmployeeId;
use crate::http::caller::{Admin, Caller};
use crate::http::error::ApiError;
use crate::http::schema;
use crate::http::shared::Shared;
use crate::node::{PresenceError, ReloadError};
use crate::route::plan::Presence;
use crate::store::OutboxEntry;

/// Whether somebody can be rung, as JSON shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceBody {
    /// Whether she can.
    pub presence: Presence,
}

/// Whether an employee can be rung.
#[utoipa::path(get, path = "/employees/{id}/presence", tag = "house", security(("token" = [])),
    params(("id" = String, Path, description = "The employee's id in the file")), responses(
    (status = 200, description = "Her presence", body = schema::PresenceBody),
    (status = 403, description = "Another's", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 404, description = "No such employee", body = schema::Error)))]
pub(super) async fn presence(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<PresenceBody>, ApiError> {
    let id = EmployeeId::from(id);
    caller.may_manage(&id)?;
    if shared.node.directory().employee(&id).is_none() {
        return Err(PresenceError::NoSuchEmployee(id).into());
    }
    Ok(Json(PresenceBody { presence: shared.node.presence(&id) }))
}

/// Sets whether an employee can be rung, from the next INVITE on.
#[utoipa::path(put, path = "/employees/{id}/presence", tag = "house", security(("token" = [])),
    params(("id" = String, Path, description = "The employee's id in the file")),
    request_body = schema::PresenceBody, responses(
    (status = 200, description = "Her presence now", body = schema::PresenceBody),
    (status = 400, description = "No JSON", body = schema::Error),
    (status = 403, description = "Another's", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 404, description = "No such employee", body = schema::Error),
    (status = 413, description = "Longer than any presence", body = schema::Error),
    (status = 422, description = "No such presence", body = schema::Error),
    (status = 503, description = "The store did not take it", body = schema::Error)))]
pub(super) async fn set_presence(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<String>,
    Body(wanted): Body<PresenceBody>,
) -> Result<Json<PresenceBody>, ApiError> {
    let id = EmployeeId::from(id);
    caller.may_manage(&id)?;
    shared.node.set_presence(&id, wanted.presence).await?;
    Ok(Json(wanted))
}

/// The writes to the CRM that are not in effect, as JSON shows them.
#[derive(Serialize)]
pub(super) struct OutboxBody {
    outbox: Vec<OutboxEntry>,
}

/// Lists the writes to the CRM that are owed or given up.
#[utoipa::path(get, path = "/outbox", tag = "house", security(("token" = [])), responses(
    (status = 200, description = "All of them, by call and order", body = schema::Outbox),
    (status = 403, description = "No admin", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error)))]
pub(super) async fn outbox(State(shared): State<Arc<Shared>>, _: Admin) -> Result<Json<OutboxBody>, ApiError> {
    Ok(Json(OutboxBody { outbox: shared.node.outbox().list().await? }))
}

/// What came of a reload, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What an operator should know of the files.
    pub warnings: Vec<String>,
}

/// Reads the operator's files again; where they hold a fault the old ones stay in force.
#[utoipa::path(post, path = "/reload", tag = "house", security(("token" = [])), responses(
    (status = 200, description = "They are in force", body = schema::Reloaded),
    (status = 403, description = "No admin", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 422, description = "Every fault of the files; the old ones stay", body = schema::Error)))]
pub(super) async fn reload(State(shared): State<Arc<Shared>>, _: Admin) -> Result<Json<Reloaded>, ApiError> {
    Ok(Json(Reloaded { warnings: shared.node.reload().await? }))
}

impl From<PresenceError> for ApiError {
    fn from(fault: PresenceError) -> Self {
        match fault {
            PresenceError::NoSuchEmployee(_) => Self::not_found(fault.to_string()),
            PresenceError::Store(cause) => cause.into(),
        }
    }
}

impl From<ReloadError> for ApiError {
    fn from(fault: ReloadError) -> Self {
        match fault {
            ReloadError::Faults(faults) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "faults", faults),
            ReloadError::GoingDown => Self::too_many(fault.to_string()),
        }
    }
}
