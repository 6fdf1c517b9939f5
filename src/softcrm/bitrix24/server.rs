//! The portal's HTTP: `/rest/`, `/oauth/`, the page at `/`, and `/_fault`, `/_clock` for those who set what goes wrong.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::any;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::clock::{Clock, iso};
use super::faults::{Fault, Faults, Ill};
use super::limits::Use;
use super::methods::{Answer, Asker, Refusal};
use super::params::Params;
use super::portal::Portal;
use super::tokens::{self, Grants, Tokens, Worth};
use super::{Asked, Options, batch, methods, page, seed, telephony};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) state: Mutex<Whole>,
    options: Options,
    url: String,
}

/// All that changes.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) portal: Portal,
    pub(super) faults: Faults,
    pub(super) asked: VecDeque<Asked>,
    grants: Grants,
    used: Use,
}

impl Shared {
    pub(super) fn new(options: &Options, url: String) -> Self {
        let clock = Clock::start(options.start);
        let mut portal = seed::portal(clock.now());
        portal.mode = options.mode;
        Self { clock, state: Mutex::new(Whole { portal, ..Whole::default() }), options: options.clone(), url }
    }

    pub(super) fn grant(&self) -> Tokens {
        self.state.lock().grants.grant(seed::ADMIN, self.clock.now())
    }
}

/// Serves connections until its task ends, and all of them with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/", any(front))
        .route("/rest/{*path}", any(rest))
        .route("/oauth/authorize/", any(authorize))
        .route("/oauth/token/", any(token))
        .route("/_fault", any(fault))
        .route("/_clock", any(clock))
        .route("/_upload", any(upload))
        .with_state(shared);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(TokioIo::new(stream), router.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(io: TokioIo<tokio::net::TcpStream>, router: Router) {
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answered = inner.call(request);
        async move {
            match answered.await {
                Ok(response) if response.extensions().get::<Cut>().is_some() => Err(Lost),
                Ok(response) => Ok::<_, Lost>(response),
                Err(never) => match never {},
            }
        }
    });
    if let Err(fault) = http1::Builder::new().serve_connection(io, service).await {
        tracing::debug!(%fault, "a connection to the portal ended");
    }
}

/// Marks an answer in whose place the connection is closed.
#[derive(Debug, Clone, Copy)]
struct Cut;

#[derive(Debug, thiserror::Error)]
#[error("the portal hangs up")]
struct Lost;

fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

/// A request's parameters: of its query, and of its body.
async fn read(request: Request) -> Option<(Params, Option<String>)> {
    let mut params = Params::default();
    let (head, body) = request.into_parts();
    params.add_form(head.uri.query().unwrap_or_default().as_bytes());
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let is_json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let body = to_bytes(body, LARGEST).await.ok()?;
    if is_json && !body.is_empty() {
        params.add_json(&body).then_some(())?;
    } else if !body.is_empty() {
        params.add_form(&body);
    }
    Some((params, bearer))
}

async fn rest(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/rest/").trim_end_matches('/').to_owned();
    let Some((params, bearer)) = read(request).await else {
        return refused(&Refusal::new(400, "ERROR_BAD_REQUEST", "The body cannot be read"));
    };
    let (webhook, method) = match path.rsplit_once('/') {
        Some((before, method)) => (Some(before), method),
        None => (None, path.as_str()),
    };
    let method = method.trim_end_matches(".json").to_ascii_lowercase();
    let (response, wait) = shared.answer(&method, webhook, bearer, &params);
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    response
}

impl Shared {
    /// The answer to one request, and how much later it comes.
    fn answer(
        &self,
        method: &str,
        webhook: Option<&str>,
        bearer: Option<String>,
        params: &Params,
    ) -> (Response, Option<Duration>) {
        let mut whole = self.state.lock();
        let now = self.clock.now();
        let ill = whole.faults.meets(method);
        let response = match &ill {
            Some(Ill::Slow { .. } | Ill::AnswerLost) | None => {
                let done = self.work(&mut whole, method, webhook, bearer, params);
                if ill == Some(Ill::AnswerLost) { cut() } else { done }
            }
            Some(ill) => instead(ill),
        };
        let status = if response.extensions().get::<Cut>().is_some() { 0 } else { response.status().as_u16() };
        if whole.asked.len() == MOST_KEPT {
            whole.asked.pop_front();
        }
        whole.asked.push_back(Asked { method: method.to_owned(), status, at: now });
        let wait = match ill {
            Some(Ill::Slow { ms }) => Some(Duration::from_millis(ms)),
            _ => None,
        };
        (response, wait)
    }

    fn work(
        &self,
        whole: &mut Whole,
        method: &str,
        webhook: Option<&str>,
        bearer: Option<String>,
        params: &Params,
    ) -> Response {
        let now = self.clock.now();
        if self.options.bucket.is_some_and(|bucket| !whole.used.admits(bucket, now)) {
            return refused(&Refusal::new(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"));
        }
        let (user, application) = match who(whole, webhook, bearer, params, now) {
            Ok(who) => who,
            Err(refusal) => return refused(&refusal),
        };
        if let Some(reset) = self.options.budget.and_then(|budget| whole.used.spent(method, budget, now)) {
            let mut body = error("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.");
            body["time"] = json!({"operating_reset_at": reset.unix_millis() / 1000});
            return (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
        }
        let connector = params.text("auth_connector");
        let by = Asker { user, application, connector: connector.as_deref(), now };
        let Whole { portal, used, .. } = whole;
        let said = if method == "batch" {
            batch::run(portal, params, by, |one| {
                used.operates(one, now);
            })
        } else {
            methods::call(portal, method, params, by)
        };
        let (operating, reset) = used.operates(method, now);
        match said {
            Err(refusal) => refused(&refusal),
            Ok(Answer { result, next, total }) => {
                let mut body = json!({"result": result, "time": {
                    "start": unix(now), "finish": unix(now), "duration": 0.01, "processing": 0.01,
                    "date_start": iso(now), "date_finish": iso(now),
                    "operating_reset_at": reset.unix_millis() / 1000, "operating": operating,
                }});
                if let Some(next) = next {
                    body["next"] = next.into();
                }
                if let Some(total) = total {
                    body["total"] = total.into();
                }
                Json(body).into_response()
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a date in this century")]
fn unix(at: crate::base::Wall) -> f64 {
    at.unix_millis() as f64 / 1000.0
}

/// Whose request it is, and whether an application's.
fn who(
    whole: &Whole,
    webhook: Option<&str>,
    bearer: Option<String>,
    params: &Params,
    now: crate::base::Wall,
) -> Result<(i64, bool), Refusal> {
    let wrong = || Refusal::new(401, "NO_AUTH_FOUND", "Wrong authorization data");
    if let Some(webhook) = webhook {
        let right = format!("{}/{WEBHOOK_SECRET}", seed::ADMIN);
        return if webhook == right { Ok((seed::ADMIN, false)) } else { Err(wrong()) };
    }
    let token = bearer.or_else(|| params.text("auth")).or_else(|| params.text("access_token")).ok_or_else(wrong)?;
    match whole.grants.worth(&token, now) {
        Worth::Good(user) => Ok((user, true)),
        Worth::Expired => Err(Refusal::new(401, "expired_token", "The access token provided has expired.")),
        Worth::Unknown => Err(Refusal::new(401, "invalid_token", "Unable to get application by token")),
    }
}

/// What a fault answers where nothing is done.
fn instead(ill: &Ill) -> Response {
    let say = |status, code: &'static str, text: &str| refused(&Refusal::new(status, code, text));
    match ill {
        Ill::Down | Ill::AnswerLost | Ill::Slow { .. } => cut(),
        Ill::BadGateway => (StatusCode::BAD_GATEWAY, Html("<html>502 Bad Gateway</html>")).into_response(),
        Ill::QueryLimit => say(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
        Ill::OperationLimit => say(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."),
        Ill::ExpiredToken => say(401, "expired_token", "The access token provided has expired."),
        Ill::Error { status, code, description } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(error(code, description))).into_response()
        }
        Ill::Garbage => "<html>maintenance</html>".into_response(),
        Ill::Says { result } => Json(json!({"result": result, "time": {"operating": 0}})).into_response(),
    }
}

fn error(code: &str, description: &str) -> Value {
    json!({"error": code, "error_description": description})
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(error(refusal.code, &refusal.description))).into_response()
}

/// Grants at once: by a redirect where one is wanted, else the code is shown, to be copied.
async fn authorize(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some((params, _)) = read(request).await else { return StatusCode::BAD_REQUEST.into_response() };
    if params.text("client_id").as_deref() != Some(CLIENT_ID) {
        return (StatusCode::BAD_REQUEST, Json(error("invalid_client", "Application not found"))).into_response();
    }
    let code = shared.state.lock().grants.code(seed::ADMIN, shared.clock.now());
    match params.text("redirect_uri").filter(|to| to.starts_with("http://") || to.starts_with("https://")) {
        Some(to) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("code", &code)
                .append_pair("state", &params.text("state").unwrap_or_default())
                .append_pair("domain", shared.url.trim_start_matches("http://"))
                .append_pair("member_id", "fake")
                .append_pair("scope", "crm,telephony,user")
                .finish();
            let join = if to.contains('?') { '&' } else { '?' };
            Redirect::to(&format!("{to}{join}{query}")).into_response()
        }
        None => format!("code: {code}\n").into_response(),
    }
}

async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some((params, _)) = read(request).await else { return StatusCode::BAD_REQUEST.into_response() };
    let (response, wait) = shared.tokens(&params);
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    response
}

impl Shared {
    fn tokens(&self, params: &Params) -> (Response, Option<Duration>) {
        let mut whole = self.state.lock();
        let now = self.clock.now();
        let ill = whole.faults.meets("oauth.token");
        let response = match &ill {
            Some(Ill::Slow { .. } | Ill::AnswerLost) | None => {
                let done = granted(&mut whole.grants, params, &self.url, now);
                if ill == Some(Ill::AnswerLost) { cut() } else { done }
            }
            Some(ill) => instead(ill),
        };
        let status = if response.extensions().get::<Cut>().is_some() { 0 } else { response.status().as_u16() };
        whole.asked.push_back(Asked { method: "oauth.token".to_owned(), status, at: now });
        let wait = match ill {
            Some(Ill::Slow { ms }) => Some(Duration::from_millis(ms)),
            _ => None,
        };
        (response, wait)
    }
}

fn granted(grants: &mut Grants, params: &Params, url: &str, now: crate::base::Wall) -> Response {
    let word = |name| params.text(name).unwrap_or_default();
    let no = |code, text| (StatusCode::BAD_REQUEST, Json(error(code, text))).into_response();
    if word("client_id") != CLIENT_ID || word("client_secret") != CLIENT_SECRET {
        return no("invalid_client", "The client credentials are invalid");
    }
    let pair = match word("grant_type").as_str() {
        "authorization_code" => grants.by_code(&word("code"), now),
        "refresh_token" => grants.by_refresh(&word("refresh_token"), now),
        _ => return no("invalid_request", "grant_type is not supported"),
    };
    match pair {
        Some((user, pair)) => Json(tokens::answer(user, &pair, url)).into_response(),
        None => no("invalid_grant", "The code or token is used up, expired or unknown"),
    }
}

/// `GET` lists the faults, `POST` sets one, `DELETE` mends all.
async fn fault(State(shared): State<Arc<Shared>>, method: Method, body: Bytes) -> Response {
    let mut whole = shared.state.lock();
    if method == Method::DELETE {
        whole.faults.mend("*");
    } else if method == Method::POST {
        match serde_json::from_slice::<Fault>(&body) {
            Ok(fault) => whole.faults.set(fault),
            Err(fault) => return (StatusCode::BAD_REQUEST, format!("{fault}\n")).into_response(),
        }
    }
    Json(whole.faults.all().to_vec()).into_response()
}

/// `POST {"seconds": 1800}` moves the clock forward.
async fn clock(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some((params, _)) = read(request).await else { return StatusCode::BAD_REQUEST.into_response() };
    if let Some(seconds) = params.number("seconds").and_then(|seconds| u64::try_from(seconds).ok()) {
        shared.clock.advance(Duration::from_secs(seconds));
    }
    format!("{}\n", shared.clock.now()).into_response()
}

async fn upload(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let mut query = Params::default();
    query.add_form(request.uri().query().unwrap_or_default().as_bytes());
    let Ok(body) = to_bytes(request.into_body(), LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = query.text("call").unwrap_or_default();
    telephony::uploaded(&mut shared.state.lock().portal, &call, body.len());
    Json(json!({"result": {"FILE_ID": 1}})).into_response()
}

async fn front(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::show(&shared.state.lock().portal))
}

pub(super) const WEBHOOK_SECRET: &str = "fakesecret";
pub(super) const CLIENT_ID: &str = "local.fake";
pub(super) const CLIENT_SECRET: &str = "fake-client-secret";
/// Bytes of a body: a recording goes into one.
const LARGEST: usize = 64 << 20;
/// Requests that are remembered.
const MOST_KEPT: usize = 10_000;
