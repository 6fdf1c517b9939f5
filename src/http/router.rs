//! Which path is served where: to the world behind a token, and to the commands over the control socket.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};

use super::caller::Caller;
use super::error::{no_such_method, no_such_path};
use super::shared::Shared;
use super::{api, auth, control, guard, health, openapi};

/// What `http.listen` serves.
pub fn public(shared: &Arc<Shared>) -> Router {
    // Who asks is looked at before anything else is said, also on paths and methods that there are not.
    let api = api().layer(from_fn_with_state(Arc::clone(shared), auth::known_only));
    let open = openapi::route().method_not_allowed_fallback(no_such_method);
    let health: Router<Arc<Shared>> = health::routes().into();
    guarded(health.nest("/api", api.merge(open)).fallback(nothing_here)).with_state(Arc::clone(shared))
}

/// What the control socket serves: the API with the admin's rights, and `/control`.
pub fn control(shared: &Arc<Shared>) -> Router {
    let health: Router<Arc<Shared>> = health::routes().into();
    // Its owner alone may open it.
    let api = api().layer(Extension(Caller::Program));
    let api = guarded(health.nest("/api", api).fallback(no_such_path));
    api.nest("/control", control::routes()).with_state(Arc::clone(shared))
}

fn api() -> Router<Arc<Shared>> {
    let routes: Router<Arc<Shared>> = api::routes().into();
    routes.fallback(no_such_path).method_not_allowed_fallback(no_such_method)
}

fn guarded(router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    router
        .layer(DefaultBodyLimit::max(guard::LARGEST_BODY))
        .layer(from_fn(guard::time_limit))
        .layer(from_fn(guard::security_headers))
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing here; the API is under /api\n")
}
