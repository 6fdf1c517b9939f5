//! `/control`: what the commands ask of a running server besides the API. Not for anybody else, and not described.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::api::{Body, Named};
use super::error::{ApiError, no_such_method, no_such_path};
use super::guard;
use super::shared::Shared;
use crate::base::{EmployeeId, Wall};
use crate::crm::desk::{self, Answer, DeskError, Request};
use crate::crm::embedded::{EditError, Embedded, Entry, ImportError, Progress};
use crate::crm::model::{CallState, Lookup, NoAnswer};
use crate::crm::{Crm, WhoCalls};
use crate::route::plan::Presence;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/desk", post(desk))
        .route("/lookup", post(lookup))
        .route("/live", get(live))
        .route("/import", post(begin_import))
        .route("/import/{import}", post(import_slice).get(import_progress).delete(drop_import))
        .route("/import/{import}/publish", post(publish_import))
        .layer(DefaultBodyLimit::max(guard::LARGEST_IMPORT))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
}

/// What is true at this moment besides the files: what `explain` needs of a running server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFacts {
    /// Whether each employee can be rung; who is absent is available.
    pub presence: BTreeMap<EmployeeId, Presence>,
    /// Who talks.
    pub busy: Vec<EmployeeId>,
    /// When each was last rung.
    pub last_rung: BTreeMap<EmployeeId, Wall>,
    /// Who has phones of her own that have registered.
    #[serde(default)]
    pub registered: Vec<EmployeeId>,
}

/// Puts a request to the CRM and its outbox.
async fn desk(State(shared): State<Arc<Shared>>, Body(request): Body<Request>) -> Result<Json<Answer>, ApiError> {
    let directory = shared.node.directory();
    let of_the_house = |number| directory.employee_with(number).is_some() || directory.line(number).is_some();
    Ok(Json(desk::answer(shared.node.outbox(), shared.reader(), request, &of_the_house).await?))
}

/// Asks the CRM as a call would, with its deadline.
async fn lookup(State(shared): State<Arc<Shared>>, Body(asked): Body<WhoCalls>) -> Json<Lookup> {
    let deadline = shared.node.directory().crm.deadline;
    Json(match tokio::time::timeout(deadline, shared.node.outbox().crm().who_calls(&asked)).await {
        Ok(Ok(lookup)) => lookup,
        Ok(Err(_)) => Lookup::Undetermined(NoAnswer::Unavailable),
        Err(_) => Lookup::Undetermined(NoAnswer::Deadline),
    })
}

async fn begin_import(State(shared): State<Arc<Shared>>) -> Result<Json<u64>, ApiError> {
    Ok(Json(embedded(&shared)?.begin_import().map_err(DeskError::from)?))
}

async fn import_slice(
    State(shared): State<Arc<Shared>>,
    Named(import): Named<u64>,
    Body(slice): Body<Vec<Entry>>,
) -> Result<Json<Progress>, ApiError> {
    Ok(Json(embedded(&shared)?.import_slice(import, slice).await.map_err(DeskError::from)?))
}

async fn publish_import(State(shared): State<Arc<Shared>>, Named(import): Named<u64>) -> Result<Json<()>, ApiError> {
    Ok(Json(embedded(&shared)?.publish_import(import).await.map_err(DeskError::from)?))
}

async fn import_progress(
    State(shared): State<Arc<Shared>>,
    Named(import): Named<u64>,
) -> Result<Json<Progress>, ApiError> {
    Ok(Json(embedded(&shared)?.import_progress(import).map_err(DeskError::from)?))
}

async fn drop_import(State(shared): State<Arc<Shared>>, Named(import): Named<u64>) -> Result<Json<()>, ApiError> {
    Ok(Json(embedded(&shared)?.drop_import(import).await.map_err(DeskError::from)?))
}

fn embedded(shared: &Shared) -> Result<&Embedded, DeskError> {
    shared.node.outbox().crm().embedded().ok_or(DeskError::Elsewhere)
}

async fn live(State(shared): State<Arc<Shared>>) -> Result<Json<LiveFacts>, ApiError> {
    let mut facts =
        LiveFacts { last_rung: shared.reader().last_rung().await?.into_iter().collect(), ..LiveFacts::default() };
    for employee in &shared.node.directory().employees {
        facts.presence.insert(employee.id.clone(), shared.node.presence(&employee.id));
        if shared.node.is_registered(&employee.id) {
            facts.registered.push(employee.id.clone());
        }
    }
    for call in shared.node.live_calls() {
        for leg in &call.legs {
            let latest = facts.last_rung.entry(leg.employee.clone()).or_default();
            *latest = call.started.max(*latest);
        }
        if let (CallState::Talking | CallState::Held, Some(employee)) = (call.state, call.employee) {
            facts.busy.push(employee);
        }
    }
    Ok(Json(facts))
}

impl From<DeskError> for ApiError {
    fn from(fault: DeskError) -> Self {
        match fault {
            DeskError::Store(cause) => cause.into(),
            DeskError::Edit(EditError::Store(cause)) => cause.into(),
            DeskError::Edit(EditError::Import(ImportError::UnderWay)) => {
                Self::new(StatusCode::CONFLICT, "import_under_way", fault.to_string())
            }
            DeskError::Elsewhere => Self::new(StatusCode::CONFLICT, "elsewhere", fault.to_string()),
            DeskError::Edit(_) => Self::unprocessable(fault.to_string()),
        }
    }
}
