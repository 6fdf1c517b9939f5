//! `/api/openapi.json`: every path that there is, by the same routers that serve them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::COOKIE;
use super::shared::Shared;
use super::{api, health};

/// The whole description.
pub(super) fn description() -> OpenApi {
    let info = InfoBuilder::new()
        .title("ramal")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("A SIP B2BUA that asks the CRM while the call is still an INVITE."))
        .build();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        COOKIE,
        "Set by POST /api/session; every change carries X-CSRF-Token besides.",
    )));
    let components =
        ComponentsBuilder::new().security_scheme("token", token).security_scheme("session", session).build();
    let base = OpenApiBuilder::new().info(info).components(Some(components)).build();
    OpenApiRouter::<Arc<Shared>>::with_openapi(base)
        .merge(health::routes())
        .nest("/api", api::routes())
        .nest("/api", OpenApiRouter::new().routes(routes!(openapi)).with_state(Bytes::new()))
        .into_openapi()
}

/// The path that serves it: no token.
pub(super) fn route() -> axum::Router<Arc<Shared>> {
    let text = description().to_json().expect("a description has a JSON form");
    let router: axum::Router<Bytes> = OpenApiRouter::new().routes(routes!(openapi)).into();
    router.with_state(Bytes::from(text))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn openapi(State(text): State<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
