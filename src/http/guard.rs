//! What every request passes through: a time limit on the way in, security headers on the way out.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// Bytes that a request's body may have; the largest of the public API is a few dozen.
pub(super) const LARGEST_BODY: usize = 64 << 10;
/// Bytes that a slice of `ramal crm import` may have: 500 contacts with long names.
pub(super) const LARGEST_IMPORT: usize = 4 << 20;

/// Reading the request and deciding the answer may take this long; a stream that follows is not meant.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// Answers 408 for a request that takes too long, whether its sender or we are slow.
pub(super) async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took longer than 30 s").into_response()
        }
    }
}

/// Headers that keep a browser from making more of an answer than it is.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // No answer is a page yet, and one that a browser took for a page may load and run nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
