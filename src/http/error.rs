//! Errors under `/api`: `{"error": {"code", "message"}}`, with the cause of our own faults in the log alone.

use std::time::Duration;

use axum::Json;
use axum::extract::OriginalUri;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::store::StoreError;

/// An answer that is no.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// `code` is for programs, `message` for people.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    /// Nobody and nothing has this name.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The request is understood, and what it asks for cannot be.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message)
    }

    /// Who asks has not said who she is.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        // RFC 9110 §15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header field"
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ramal\""))
    }

    /// Her role does not reach so far.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A change that another site's page may have made her browser send.
    pub(super) fn csrf(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "csrf", message)
    }

    /// Not so often.
    pub(super) fn slow_down(wait: Duration, message: impl Into<String>) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message)
            .with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// It is as it is: `code` says why.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// Not now.
    pub(super) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
            .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(cause: StoreError) -> Self {
        tracing::error!(%cause, "the store failed a request of the API");
        let (status, code) = match cause.is_transient() {
            true => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            false => (StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
        };
        let message = match cause {
            StoreError::NotYet { .. } => cause.to_string(),
            _ => "the store did not answer; the server's log says why".to_owned(),
        };
        Self::new(status, code, message)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(fault: JsonRejection) -> Self {
        let code = match fault.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::UNPROCESSABLE_ENTITY => "unprocessable",
            _ => "bad_request",
        };
        Self::new(fault.status(), code, fault.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(fault: QueryRejection) -> Self {
        Self::bad_request(fault.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(fault: PathRejection) -> Self {
        Self::not_found(fault.body_text())
    }
}

/// For paths that are none.
pub(super) async fn no_such_path(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found(format!("there is no {}; /api/openapi.json names every path", uri.path()))
}

/// For methods that a path does not have.
pub(super) async fn no_such_method(method: Method) -> ApiError {
    let message = format!("this path has no {method}; /api/openapi.json names what it has");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
