//! `/api/session`: signing in and out with `employee.login`, and who one is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::Body;
use crate::base::EmployeeId;
use crate::config::Secret;
use crate::http::auth::{self, COOKIE, Peer};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::schema;
use crate::http::sessions::LONGEST;
use crate::http::shared::Shared;

/// Who signs in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The employee's id in the file.
    employee: String,
    /// Her `login`.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String)]
    password: Secret,
}

/// Who one is, as JSON shows it.
#[derive(Debug, Serialize)]
pub(super) struct SessionBody {
    /// The employee; `null` for a program with the token.
    employee: Option<EmployeeId>,
    /// Her name.
    name: Option<String>,
    /// `employee`, or `admin`.
    role: &'static str,
    /// For `X-CSRF-Token`; `null` without a cookie.
    csrf: Option<String>,
}

/// Signs in: sets the cookie, and gives what changes under it have to carry.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignIn, responses(
    (status = 200, description = "She is signed in", body = schema::SessionBody),
    (status = 400, description = "No JSON", body = schema::Error),
    (status = 401, description = "Not her password, or nobody of that id", body = schema::Error),
    (status = 422, description = "Not the keys that it wants", body = schema::Error),
    (status = 429, description = "Too many wrong ones: `Retry-After` says when", body = schema::Error)))]
pub(super) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Body(SignIn { employee, password }): Body<SignIn>,
) -> Result<Response, ApiError> {
    let from = auth::address(peer.map(|Extension(peer)| peer), &headers);
    let (now, directory) = (shared.node.clock().now().mono, shared.node.directory());
    // Nobody's id is as long; what is counted is not to be longer either.
    let name: String = employee.chars().take(LONGEST_NAME).collect();
    let id = EmployeeId::from(employee);
    let trusted = shared.sessions.is_in_from(now, &id, from);
    shared.attempts.take(now, &name, from, trusted).map_err(slow_down)?;
    if !shared.sessions.knows(&directory, &id, password.expose()) {
        tracing::debug!(%from, "a wrong password at the API");
        return Err(ApiError::unauthorized("there is no employee with this id and this login"));
    }
    shared.attempts.give_back(&name, from);
    // The session of the same browser ends: it has only one cookie.
    for before in auth::cookies(&headers).filter_map(|token| shared.sessions.holder(now, &directory, token)) {
        shared.sessions.end(&before.session);
    }
    let begun = shared.sessions.begin(now, &directory, &id, from);
    tracing::info!(employee = %id, "signed in");
    let hers = directory.employee(&id);
    let body = SessionBody {
        name: hers.map(|hers| hers.name.clone()),
        role: role(hers.is_some_and(|hers| hers.admin)),
        employee: Some(id),
        csrf: Some(begun.csrf),
    };
    let cookie = cookie(&begun.token, LONGEST, auth::is_https(&headers));
    Ok(([(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session", security(("session" = []), ("token" = [])), responses(
    (status = 204, description = "The session has ended"),
    (status = 401, description = "Nobody is signed in", body = schema::Error),
    (status = 403, description = "No X-CSRF-Token", body = schema::Error)))]
pub(super) async fn sign_out(State(shared): State<Arc<Shared>>, caller: Caller, headers: HeaderMap) -> Response {
    if let Caller::Person(holder) = caller {
        shared.sessions.end(&holder.session);
        tracing::info!(employee = %holder.employee, "signed out");
    }
    let cookie = cookie("", Duration::ZERO, auth::is_https(&headers));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Who one is.
#[utoipa::path(get, path = "/session", tag = "session", security(("session" = []), ("token" = [])), responses(
    (status = 200, description = "That", body = schema::SessionBody),
    (status = 401, description = "Nobody is signed in", body = schema::Error)))]
pub(super) async fn who(State(shared): State<Arc<Shared>>, caller: Caller) -> Json<SessionBody> {
    let role = role(caller.is_admin());
    Json(match caller {
        Caller::Program => SessionBody { employee: None, name: None, role, csrf: None },
        Caller::Person(holder) => SessionBody {
            name: shared.node.directory().employee(&holder.employee).map(|hers| hers.name.clone()),
            employee: Some(holder.employee),
            role,
            csrf: Some(holder.csrf),
        },
    })
}

const fn role(admin: bool) -> &'static str {
    if admin { "admin" } else { "employee" }
}

/// For this host alone, for no script, and never sent along by another site's page.
fn cookie(token: &str, lives: Duration, https: bool) -> HeaderValue {
    let secure = if https { "; Secure" } else { "" };
    let seconds = lives.as_secs();
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).expect("hex digits and these words stand in a header")
}

fn slow_down(wait: Duration) -> ApiError {
    ApiError::slow_down(wait, "too many wrong passwords: wait, and try again")
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

/// Characters of an id that are counted.
const LONGEST_NAME: usize = 64;
