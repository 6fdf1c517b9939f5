//! `/api/events`: what happens, as it happens, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event as Sent, KeepAlive};
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::schema;
use crate::http::shared::{Shared, closed};
use crate::node::events::{Event, Subscription};

/// Follows what happens: each event with its `id`, resumed by `Last-Event-ID`.
#[utoipa::path(get, path = "/events", tag = "events", security(("token" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The last id that was received: go on behind it")),
    responses(
    (status = 200, description = "Events without end; each one's data is an `EventData`", body = schema::EventData,
        content_type = "text/event-stream"),
    (status = 400, description = "The id is none that was given out", body = schema::Error),
    (status = 401, description = "No token", body = schema::Error),
    (status = 503, description = "Too many listen already", body = schema::Error)))]
pub(super) async fn listen(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, ApiError> {
    let after = last_id(&headers)?;
    let permit = Arc::clone(&shared.listeners).try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::too_many("too many listen to events already; try again later"))?;
    let (out, events) = mpsc::channel(WAITING);
    // Ends by itself: when the listener goes, when the server closes, or when `out` is full for too long.
    tokio::spawn(forward(shared, caller, after, out, permit));
    Ok(Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| ApiError::bad_request("Last-Event-ID is no id that this server gave out"))
}

/// Sends one listener what she missed and what comes. One who falls too far behind is caught up from what is kept.
async fn forward(
    shared: Arc<Shared>,
    caller: Caller,
    mut after: Option<u64>,
    out: mpsc::Sender<Result<Sent, Infallible>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut closing = shared.closing.subscribe();
    loop {
        let Subscription { missed, mut live } = shared.node.events().subscribe(after);
        for event in missed {
            after = Some(event.id);
            if caller.hears(&event) && out.send(Ok(sent(&event))).await.is_err() {
                return;
            }
        }
        loop {
            if !goes_on(&shared, &caller) {
                return;
            }
            let event = tokio::select! {
                // A session that has ended hears nothing more, also where nothing happens.
                () = tokio::time::sleep(KEEP_ALIVE) => continue,
                event = live.recv() => event,
                () = out.closed() => return,
                () = closed(&mut closing) => return,
            };
            match event {
                Ok(event) => {
                    after = Some(event.id);
                    let is_hers = caller.hears(&event) && goes_on(&shared, &caller);
                    if is_hers && out.send(Ok(sent(&event))).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Whether whoever listens may go on: her session has not ended, and her role is what it was.
fn goes_on(shared: &Shared, caller: &Caller) -> bool {
    let Caller::Person(holder) = caller else { return true };
    let now = shared.node.clock().now().mono;
    shared.sessions.goes_on(now, &shared.node.directory(), &holder.session) == Some(holder.admin)
}

fn sent(event: &Event) -> Sent {
    Sent::default().id(event.id.to_string()).event(event.name()).data(event.json())
}

/// Events that wait for one listener's connection.
const WAITING: usize = 16;
/// A comment goes out after such a silence, so that nothing between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
