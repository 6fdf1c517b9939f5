//! The shapes of `/api` as `/api/openapi.json` describes them. The values themselves are those of the core, which knows
//! no OpenAPI; a test holds the two together.

#![allow(dead_code, reason = "these types describe, they are never made")]

use serde::Serialize;
use utoipa::ToSchema;

/// A CALL.
#[derive(Serialize, ToSchema)]
pub(super) struct Call {
    /// 16 hex digits.
    id: String,
    state: CallState,
    direction: Direction,
    /// E.164, else as received; `anonymous` without an identity.
    from: String,
    /// The number or extension called.
    to: String,
    /// Our line, in E.164.
    #[schema(required)]
    line: Option<String>,
    #[schema(required)]
    lookup: Option<Lookup>,
    /// The client or open lead known when the call began: `contact:7`.
    #[schema(required)]
    client: Option<String>,
    /// Her name.
    #[schema(required)]
    client_name: Option<String>,
    /// The employee who dialled, of a call from inside.
    #[schema(required)]
    dialler: Option<String>,
    /// Who talked last, or rings alone now.
    #[schema(required)]
    employee: Option<String>,
    #[schema(format = DateTime)]
    started: String,
    #[schema(required, format = DateTime)]
    answered: Option<String>,
    #[schema(required, format = DateTime)]
    ended: Option<String>,
    #[schema(required)]
    outcome: Option<Outcome>,
    ring_seconds: u32,
    talk_seconds: u32,
    /// Who handed it on last.
    #[schema(required)]
    transferred_from: Option<String>,
    /// What this call created or shares: `lead:3`.
    created: Vec<String>,
    /// What was decided on its card.
    #[schema(required)]
    card: Option<CardDecision>,
    /// One for each employee who was rung.
    legs: Vec<Leg>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CallState {
    Routing,
    Ringing,
    Talking,
    Held,
    Ended,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Incoming,
    Outgoing,
    Internal,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Lookup {
    Known,
    Unknown,
    Excluded,
    Undetermined,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Answered,
    Voicemail,
    Blocked,
    Missed,
    Canceled,
    Busy,
    Declined,
    Failed,
}

/// What was decided on a call's card.
#[derive(Serialize, ToSchema)]
pub(super) struct CardDecision {
    action: CardAction,
    /// The employee; `null`: a program with the token.
    #[schema(required)]
    by: Option<String>,
    #[schema(format = DateTime)]
    at: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CardAction {
    Lead,
    Contact,
    Attach,
    Ignore,
}

/// What one employee had of a call.
#[derive(Serialize, ToSchema)]
pub(super) struct Leg {
    employee: String,
    outcome: Outcome,
    ring_seconds: u32,
    talk_seconds: u32,
}

/// A page of calls.
#[derive(Serialize, ToSchema)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// The `cursor` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// A CALL with its ladder.
#[derive(Serialize, ToSchema)]
pub(super) struct CallWithLadder {
    #[serde(flatten)]
    call: Call,
    /// In order; `null` where it has rolled away.
    #[schema(required)]
    ladder: Option<Vec<LadderEntry>>,
}

/// A line of a ladder.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum LadderEntry {
    /// A message.
    Sip {
        #[schema(format = DateTime)]
        at: String,
        from: String,
        to: String,
        start_line: String,
        call_id: String,
        /// A retransmission; absent where it is none.
        #[schema(required = false)]
        again: bool,
    },
    /// A decision.
    Decision {
        #[schema(format = DateTime)]
        at: String,
        what: String,
        why: String,
        passed_over: Vec<PassedOver>,
    },
    /// A write to the CRM.
    Crm {
        #[schema(format = DateTime)]
        at: String,
        write: WriteKind,
        state: WriteState,
        /// What it came to, or why it is still owed.
        detail: String,
    },
    /// Something about media.
    Media {
        #[schema(format = DateTime)]
        at: String,
        what: String,
    },
}

/// A choice that was not taken.
#[derive(Serialize, ToSchema)]
pub(super) struct PassedOver {
    what: String,
    why: String,
}

#[derive(Serialize, ToSchema)]
pub(super) enum WriteKind {
    #[serde(rename = "lead.create")]
    LeadCreate,
    #[serde(rename = "contact.create")]
    ContactCreate,
    #[serde(rename = "company.create")]
    CompanyCreate,
    #[serde(rename = "deal.create")]
    DealCreate,
    #[serde(rename = "lead.reassign")]
    LeadReassign,
    #[serde(rename = "client.attach")]
    ClientAttach,
    #[serde(rename = "activity.create")]
    ActivityCreate,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WriteState {
    Owed,
    Written,
    Dead,
}

/// The data of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventData {
    call: Call,
    /// The record that it is about: `lead:3`.
    #[schema(required)]
    record: Option<String>,
    #[schema(required)]
    from_employee: Option<String>,
    #[schema(required)]
    to_employee: Option<String>,
    /// The kind of a transfer.
    #[schema(required)]
    kind: Option<String>,
}

/// A call's card.
#[derive(Serialize, ToSchema)]
pub(super) struct Card {
    call: Call,
    /// Whose number it is; `null`: nobody's.
    #[schema(required)]
    client: Option<CardClient>,
    /// The last calls of the same number, newest first.
    history: Vec<PastCall>,
    /// Leads and deals of the number that are open: `lead:3`.
    open: Vec<String>,
    /// What may be decided; nothing where it is none.
    offered: Vec<CardAction>,
    /// Why that is offered, or nothing is.
    why: String,
    /// What was decided.
    #[schema(required)]
    decided: Option<CardDecision>,
}

/// Whose number it is.
#[derive(Serialize, ToSchema)]
pub(super) struct CardClient {
    /// `contact:7`.
    record: String,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    responsible: Option<String>,
}

/// An earlier call of the same number.
#[derive(Serialize, ToSchema)]
pub(super) struct PastCall {
    id: String,
    direction: Direction,
    #[schema(required)]
    outcome: Option<Outcome>,
    #[schema(format = DateTime)]
    started: String,
    #[schema(required)]
    employee: Option<String>,
    talk_seconds: u32,
    #[schema(required)]
    line: Option<String>,
}

/// Who one is.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionBody {
    /// The employee's id; `null` for a program with the token.
    #[schema(required)]
    employee: Option<String>,
    #[schema(required)]
    name: Option<String>,
    role: Role,
    /// For `X-CSRF-Token`; `null` without a cookie.
    #[schema(required)]
    csrf: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Employee,
    Admin,
}

/// Whether an employee can be rung.
#[derive(Serialize, ToSchema)]
pub(super) struct PresenceBody {
    presence: Presence,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Presence {
    Available,
    Away,
    Off,
}

/// The writes to the CRM that are not in effect.
#[derive(Serialize, ToSchema)]
pub(super) struct Outbox {
    outbox: Vec<OwedWrite>,
}

/// A write to the CRM that is not in effect.
#[derive(Serialize, ToSchema)]
pub(super) struct OwedWrite {
    /// The call that owes it.
    call: String,
    /// Its place among the call's writes.
    seq: u16,
    write: WriteKind,
    state: WriteState,
    attempts: u32,
    #[schema(format = DateTime)]
    next_at: String,
    /// What the CRM said last.
    #[schema(required)]
    error: Option<String>,
    #[schema(format = DateTime)]
    since: String,
    /// The customer's number.
    #[schema(required)]
    client: Option<String>,
}

/// What came of a reload.
#[derive(Serialize, ToSchema)]
pub(super) struct Reloaded {
    /// What an operator should know of the files.
    warnings: Vec<String>,
}

/// An answer that is no.
#[derive(Serialize, ToSchema)]
pub(super) struct Error {
    error: ErrorBody,
}

/// Why it is no.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// For programs.
    code: String,
    /// For people.
    message: String,
}
