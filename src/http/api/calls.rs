//! `/api/calls`: the calls that are up and those of the log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{Asked, Body, Named};
use crate::base::CallId;
use crate::crm::model::{CallRecord, CallState};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::page::{self, CallQuery, Page, Whole};
use crate::http::schema;
use crate::http::shared::Shared;
use crate::node::HandOnError;

/// Lists calls, newest first, live and ended.
#[utoipa::path(get, path = "/calls", tag = "calls", params(CallQuery), security(("token" = [])), responses(
    (status = 200, description = "A page", body = schema::Calls),
    (status = 400, description = "The query cannot be read", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 403, description = "An employee asks for another's", body = schema::Error)))]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Asked(mut query): Asked<CallQuery>,
) -> Result<Json<Page>, ApiError> {
    if let Some(only) = caller.only() {
        if query.employee.as_deref().is_some_and(|other| other != only.as_str()) {
            return Err(ApiError::forbidden("you see your own calls; an admin sees everybody's"));
        }
        query.employee = Some(only.to_string());
    }
    let directory = shared.node.directory();
    let wanted = query.read(&directory.crm.country).map_err(|fault| ApiError::bad_request(fault.to_string()))?;
    Ok(Json(page::page(shared.node.live_calls(), shared.reader(), &wanted).await?))
}

/// One call with its ladder: its messages, and the decisions and CRM writes between them.
#[utoipa::path(get, path = "/calls/{id}", tag = "calls", security(("token" = [])),
    params(("id" = String, Path, description = "The call's id: 16 hex digits")), responses(
    (status = 200, description = "The call", body = schema::CallWithLadder),
    (status = 403, description = "The call concerns others", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 404, description = "No such call", body = schema::Error)))]
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<CallId>,
) -> Result<Json<Whole>, ApiError> {
    if let Some((call, ladder)) = shared.node.live_call(id) {
        caller.may_see(&call)?;
        return Ok(Json(Whole { call, ladder: Some(ladder) }));
    }
    let call = shared.reader().call(id).await?.ok_or_else(|| unknown(id))?;
    caller.may_see(&call)?;
    Ok(Json(Whole { call, ladder: shared.node.ended_ladder(id).await }))
}

/// Ends a call: both sides get BYE, or the caller a final answer.
#[utoipa::path(post, path = "/calls/{id}/hangup", tag = "calls", security(("token" = [])),
    params(("id" = String, Path, description = "The call's id: 16 hex digits")), responses(
    (status = 202, description = "It is being ended: the call as it was", body = schema::Call),
    (status = 403, description = "The call concerns others", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 404, description = "No such call", body = schema::Error),
    (status = 409, description = "It has ended already", body = schema::Error)))]
pub(super) async fn hang_up(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<CallId>,
) -> Result<(StatusCode, Json<CallRecord>), ApiError> {
    if let Some(only) = caller.only()
        && shared.node.live_call(id).is_some()
        && !shared.node.is_in(id, only)
    {
        return Err(ApiError::forbidden("you are not in this call: an admin may end it"));
    }
    if let Some((call, _)) = shared.node.live_call(id)
        && call.state != CallState::Ended
        && shared.node.hang_up(id)
    {
        return Ok((StatusCode::ACCEPTED, Json(call)));
    }
    Err(over(&shared, &caller, id).await?)
}

/// Whom a call is handed on to.
#[derive(serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct TransferBody {
    /// An extension, a queue's extension, or a number, as the employee would dial it.
    to: String,
}

/// Hands a call on: `to` is rung while the two talk on, and takes the employee's place when she answers.
#[utoipa::path(post, path = "/calls/{id}/transfer", tag = "calls", security(("token" = [])),
    params(("id" = String, Path, description = "The call's id: 16 hex digits")), request_body = TransferBody, responses(
    (status = 202, description = "It is being handed on: the call as it is", body = schema::Call),
    (status = 403, description = "The call concerns others", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 404, description = "No such call", body = schema::Error),
    (status = 409, description = "Nobody talks, or it is being handed on already", body = schema::Error),
    (status = 422, description = "`to` cannot be dialled by its employee", body = schema::Error)))]
pub(super) async fn transfer(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<CallId>,
    Body(body): Body<TransferBody>,
) -> Result<(StatusCode, Json<CallRecord>), ApiError> {
    if shared.node.live_call(id).is_none() {
        return Err(over(&shared, &caller, id).await?);
    }
    if let Some(only) = caller.only()
        && shared.node.holder(id).as_ref() != Some(only)
    {
        return Err(ApiError::forbidden("whoever talks hands a call on; an admin may do it for her"));
    }
    match shared.node.hand_on(id, body.to.trim()) {
        Ok(()) => {
            let (call, _) = shared.node.live_call(id).ok_or_else(|| unknown(id))?;
            Ok((StatusCode::ACCEPTED, Json(call)))
        }
        Err(why @ HandOnError::NobodyTalks) => {
            Err(ApiError::new(StatusCode::CONFLICT, "not_talking", format!("call {id} cannot be handed on: {why}")))
        }
        Err(why @ HandOnError::NotDialled(_)) => Err(ApiError::unprocessable(why.to_string())),
    }
}

/// Why nothing can be done with a call that is not up.
async fn over(shared: &Shared, caller: &Caller, id: CallId) -> Result<ApiError, ApiError> {
    let call = shared.reader().call(id).await?.ok_or_else(|| unknown(id))?;
    caller.may_see(&call)?;
    Ok(ApiError::conflict("ended", format!("call {id} has ended already")))
}

pub(super) fn unknown(id: CallId) -> ApiError {
    ApiError::not_found(format!("there is no call {id}"))
}
