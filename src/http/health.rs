//! `/healthz`, `/readyz` and `/metrics`: for whoever watches the process; no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shared::Shared;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new calls are welcome.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "They are", body = String, content_type = "text/plain"),
    (status = 503, description = "Why they are not", body = String, content_type = "text/plain")))]
async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.node.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8"; // the text that every version of Prometheus takes
    ([(header::CONTENT_TYPE, kind)], shared.node.metrics_text()).into_response()
}
