//! `/api/calls/{id}/card`: who calls, what the CRM knows of her, and what can be made of the call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{Body, Named, calls};
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::call::card::{NoOffer, Offer, Press, Wish};
use crate::crm::embedded::find;
use crate::crm::model::{CallRecord, CardAction, CardDecision, Direction, EntityRef, Lookup, Outcome};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::schema;
use crate::http::shared::Shared;
use crate::node::cards::{CardError, Seen};
use crate::store::CallFilter;

/// Calls of the same number that a card shows.
const HISTORY: u16 = 10;
/// Characters of a name that somebody writes on a card.
const LONGEST_NAME: usize = 100;

/// A call's card, as JSON shows it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct CardBody {
    call: CallRecord,
    client: Option<ClientBody>,
    history: Vec<PastCall>,
    open: Vec<EntityRef>,
    offered: Vec<CardAction>,
    why: String,
    decided: Option<CardDecision>,
}

/// Whose number it is.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ClientBody {
    record: EntityRef,
    name: Option<String>,
    responsible: Option<EmployeeId>,
}

/// An earlier call of the same number.
#[derive(Debug, Serialize)]
pub(in crate::http) struct PastCall {
    id: CallId,
    direction: Direction,
    outcome: Option<Outcome>,
    started: Wall,
    employee: Option<EmployeeId>,
    talk_seconds: u32,
    line: Option<PhoneNumber>,
}

/// What somebody decides.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PressBody {
    /// Which of the actions that the card offers.
    #[schema(value_type = schema::CardAction)]
    action: CardAction,
    /// The name of a new lead or contact.
    name: Option<String>,
    /// Whose number it is, for `attach`: `contact:7`.
    to: Option<String>,
}

/// A call's card: to the employee whom the call concerns, and to admins.
#[utoipa::path(get, path = "/calls/{id}/card", tag = "calls", security(("session" = []), ("token" = [])),
    params(("id" = String, Path, description = "The call's id: 16 hex digits")), responses(
    (status = 200, description = "The card", body = schema::Card),
    (status = 401, description = "No token", body = schema::Error),
    (status = 403, description = "The call concerns others", body = schema::Error),
    (status = 404, description = "No such call", body = schema::Error)))]
pub(super) async fn card(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<CallId>,
) -> Result<Json<CardBody>, ApiError> {
    let seen = shared.node.card(id).await?.ok_or_else(|| calls::unknown(id))?;
    caller.may_see(&seen.call)?;
    Ok(Json(filled(&shared, seen).await?))
}

/// Decides what is made of the call: once for each call.
#[utoipa::path(post, path = "/calls/{id}/card", tag = "calls", security(("session" = []), ("token" = [])),
    params(("id" = String, Path, description = "The call's id: 16 hex digits")), request_body = PressBody, responses(
    (status = 200, description = "It is taken: the card as it is now", body = schema::Card),
    (status = 401, description = "No token", body = schema::Error),
    (status = 403, description = "The call concerns others", body = schema::Error),
    (status = 404, description = "No such call", body = schema::Error),
    (status = 409, description = "The card does not offer it, or no more", body = schema::Error),
    (status = 422, description = "A name or a record that is none", body = schema::Error)))]
pub(super) async fn press(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(id): Named<CallId>,
    Body(body): Body<PressBody>,
) -> Result<Json<CardBody>, ApiError> {
    let wish = wish(&shared, body)?;
    let press = Press { by: caller.employee().cloned(), wish };
    shared.node.press(id, press, caller.only().is_some()).await?;
    let seen = shared.node.card(id).await?.ok_or_else(|| calls::unknown(id))?;
    Ok(Json(filled(&shared, seen).await?))
}

fn wish(shared: &Shared, PressBody { action, name, to }: PressBody) -> Result<Wish, ApiError> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    if let Some(name) = &name
        && (name.chars().count() > LONGEST_NAME || name.chars().any(crate::base::is_harmful))
    {
        return Err(ApiError::unprocessable("a name has at most 100 characters, and none that only steers a screen"));
    }
    Ok(match action {
        CardAction::Lead => Wish::Lead(name),
        CardAction::Contact => Wish::Contact(name),
        CardAction::Ignore => Wish::Ignore,
        CardAction::Attach => {
            let to = to.ok_or_else(|| ApiError::unprocessable("`attach` says to whom: {\"to\": \"contact:7\"}"))?;
            let to: EntityRef = to.parse().map_err(|fault| ApiError::unprocessable(format!("`to`: {fault}")))?;
            let crm = shared.node.outbox().crm().embedded();
            if crm.is_some_and(|crm| crm.may_have_number(to).is_none()) {
                return Err(ApiError::unprocessable(format!("there is no {to} that a number can be written on")));
            }
            Wish::Attach(to)
        }
    })
}

async fn filled(shared: &Shared, Seen { call, lookup, offer }: Seen) -> Result<CardBody, ApiError> {
    let customer = call.customer();
    let (client, open) = known(shared, &call, lookup, customer).await;
    let offered = match offer {
        Offer::No(_) => Vec::new(),
        Offer::Now | Offer::AfterLookup => CardAction::ALL.to_vec(),
    };
    let why = match offer {
        Offer::No(why) => why.to_string(),
        Offer::Now => "the CRM has nothing of this number".to_owned(),
        Offer::AfterLookup => "the CRM has not said who calls: what is made waits for its answer".to_owned(),
    };
    Ok(CardBody {
        history: history(shared, &call, customer).await?,
        decided: call.card.clone(),
        call,
        client,
        open,
        offered,
        why,
    })
}

/// Whose number it is, and which leads and deals of hers are open: by the lookup of the call, and by the CRM where it is ours.
async fn known(
    shared: &Shared,
    call: &CallRecord,
    lookup: Option<Lookup>,
    customer: Option<PhoneNumber>,
) -> (Option<ClientBody>, Vec<EntityRef>) {
    let at_first = match lookup {
        Some(Lookup::Known(known)) => {
            Some(ClientBody { record: known.entity, name: known.name, responsible: known.responsible })
        }
        _ => call.client.map(|record| ClientBody { record, name: call.client_name.clone(), responsible: None }),
    };
    let Some(phone) = customer else { return (at_first, Vec::new()) };
    // Of a CRM elsewhere, what its lookup said is all there is.
    let Some(crm) = shared.node.outbox().crm().embedded() else { return (at_first, Vec::new()) };
    match find(crm, &phone.to_string(), &|_| false).await {
        Ok(found) => {
            let responsible = |record| found.responsible(record);
            let client = at_first.map(|client| ClientBody {
                responsible: responsible(client.record).or_else(|| client.responsible.clone()),
                ..client
            });
            (client, found.open())
        }
        Err(error) => {
            tracing::warn!(%error, "a call card lacks what the CRM has of its number");
            (at_first, Vec::new())
        }
    }
}

async fn history(shared: &Shared, call: &CallRecord, customer: Option<PhoneNumber>) -> Result<Vec<PastCall>, ApiError> {
    let Some(number) = customer else { return Ok(Vec::new()) };
    let filter = CallFilter { number: Some(number.to_string()), ..CallFilter::default() };
    let (calls, _) = shared.reader().calls(&filter, None, HISTORY + 1).await?;
    let others = calls.into_iter().filter(|other| other.id != call.id).take(usize::from(HISTORY));
    Ok(others
        .map(|call| PastCall {
            id: call.id,
            direction: call.direction,
            outcome: call.outcome,
            started: call.started,
            employee: call.employee,
            talk_seconds: call.talk_seconds,
            line: call.line,
        })
        .collect())
}

impl From<CardError> for ApiError {
    fn from(fault: CardError) -> Self {
        match fault {
            CardError::NoSuchCall(id) => calls::unknown(id),
            CardError::NotHers => Self::forbidden("the call concerns other employees: an admin sees it"),
            CardError::NotOffered(NoOffer::Decided(_)) => Self::conflict("decided", fault.to_string()),
            CardError::NotOffered(_) => Self::conflict("not_offered", fault.to_string()),
            CardError::Store(cause) => cause.into(),
        }
    }
}
