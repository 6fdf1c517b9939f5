//! Who may use `/api`: whoever holds `http.api_token`, which gives the admin's rights.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::shared::Shared;
use crate::config::Secret;

/// Lets those pass who hold the token.
pub(super) async fn admins_only(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match judge(shared.api_token.as_ref(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn judge(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), ApiError> {
    // An empty one is none: it would let in whoever says `Bearer` alone.
    let Some(token) = token.filter(|token| !token.expose().is_empty()) else {
        return Err(ApiError::unauthorized("no token is configured: set http.api_token in the file, and restart"));
    };
    let Some(given) = bearer(headers) else {
        return Err(ApiError::unauthorized("say `Authorization: Bearer TOKEN`, with the token of http.api_token"));
    };
    // In constant time, so that how long a refusal takes tells nobody how much of the token was right.
    match bool::from(token.expose().as_bytes().ct_eq(given.as_bytes())) {
        true => Ok(()),
        false => Err(ApiError::unauthorized("this is not the token of http.api_token")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // RFC 9110 §11.1: "a case-insensitive token to identify the authentication scheme"
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
