//! The calls that somebody wants to see, live and ended, newest first, page by page: for `GET /api/calls` and
//! `ramal calls`, with a server or without.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::base::phone::{self, Context};
use crate::base::{EmployeeId, Wall};
use crate::call::ladder::Entry;
use crate::crm::model::{CallRecord, CallState};
use crate::store::{CallFilter, Cursor, Reader, StoreError};

/// Which calls, as the query and the flags write it; what is left out does not matter.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, clap::Args)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CallQuery {
    /// `live` or `ended`
    #[arg(long)]
    pub state: Option<String>,
    /// `incoming`, `outgoing` or `internal`
    #[arg(long)]
    pub direction: Option<String>,
    /// `answered`, `missed`, …
    #[arg(long)]
    pub outcome: Option<String>,
    /// The employee's id: who talked last, dialled, or was rung
    #[arg(long)]
    pub employee: Option<String>,
    /// By this line of ours
    #[arg(long)]
    pub line: Option<String>,
    /// From this number
    #[arg(long)]
    pub from: Option<String>,
    /// To this number
    #[arg(long)]
    pub to: Option<String>,
    /// From or to this number
    #[arg(long)]
    pub number: Option<String>,
    /// Begun at or after, as in 2026-11-24T14:00:00Z
    #[arg(long)]
    pub since: Option<String>,
    /// Begun before
    #[arg(long)]
    pub until: Option<String>,
    /// How many on a page: 1 to 500, else 50
    #[arg(long)]
    pub limit: Option<u16>,
    /// Where the page before ended: its `next`
    #[arg(long)]
    pub cursor: Option<String>,
}

/// One page, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The calls, newest first.
    pub calls: Vec<CallRecord>,
    /// The cursor of the next page; `null` where this is the last.
    pub next: Option<String>,
}

/// One call with its ladder, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The call.
    #[serde(flatten)]
    pub call: CallRecord,
    /// Its ladder; `null` where it has rolled away.
    pub ladder: Option<Vec<Entry>>,
}

/// A query that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} `{value}` cannot be read; {mend}")]
pub struct BadQuery {
    key: &'static str,
    value: String,
    mend: &'static str,
}

/// A query that was read.
#[derive(Debug, Clone)]
pub struct Wanted {
    state: Option<Life>,
    filter: CallFilter,
    after: Option<Cursor>,
    limit: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Life {
    Live,
    Ended,
}

impl CallQuery {
    /// Reads the texts; `country` is that of numbers written the national way.
    pub fn read(&self, country: &str) -> Result<Wanted, BadQuery> {
        let number = |text: &Option<String>| text.as_ref().map(|text| number(text, country));
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(BadQuery { key: "limit", value: limit.to_string(), mend: "write 1 to 500" });
        }
        let filter = CallFilter {
            direction: word("direction", &self.direction, "write incoming, outgoing or internal")?,
            outcome: word("outcome", &self.outcome, "write one of a call's outcomes, as answered or missed")?,
            line: number(&self.line),
            employee: self.employee.as_deref().map(EmployeeId::from),
            number: number(&self.number),
            from: number(&self.from),
            to: number(&self.to),
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
        };
        let cursor = |text: &String| {
            let mend = "give the `next` of the page before";
            text.parse().map_err(|_| BadQuery { key: "cursor", value: text.clone(), mend })
        };
        Ok(Wanted {
            state: word("state", &self.state, "write live or ended")?,
            filter,
            after: self.cursor.as_ref().map(cursor).transpose()?,
            limit,
        })
    }
}

/// The page that is wanted, of the calls that are up and those in the log.
pub async fn page(live: Vec<CallRecord>, reader: &Reader, wanted: &Wanted) -> Result<Page, StoreError> {
    let mut calls = if wanted.state == Some(Life::Ended) { Vec::new() } else { live };
    calls.retain(|call| wanted.means(call));
    if wanted.state != Some(Life::Live) {
        // A call may end between the two looks, and then be in both: the log is right.
        let (ended, _) = reader.calls(&wanted.filter, wanted.after, wanted.limit).await?;
        calls.retain(|call| ended.iter().all(|other| other.id != call.id));
        calls.extend(ended);
    }
    calls.sort_by_key(|call| std::cmp::Reverse((call.started, call.id)));
    let limit = usize::from(wanted.limit);
    let last = if calls.len() >= limit { calls.get(limit - 1) } else { None };
    let next = last.map(|call| Cursor { started: call.started, id: call.id }.to_string());
    calls.truncate(limit);
    Ok(Page { calls, next })
}

impl Wanted {
    /// Whether a call that is up is on the page or one behind it: for the log the store asks the same.
    fn means(&self, call: &CallRecord) -> bool {
        let CallFilter { direction, outcome, line, employee, number, from, to, since, until } = &self.filter;
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        let has_her = |her: &EmployeeId| call.concerns(her);
        let place = Some(Cursor { started: call.started, id: call.id });
        call.state != CallState::Ended
            && direction.is_none_or(|wanted| wanted == call.direction)
            && outcome.is_none_or(|wanted| Some(wanted) == call.outcome)
            && line.as_ref().is_none_or(|wanted| call.line.is_some_and(|line| line.to_string() == *wanted))
            && employee.as_ref().is_none_or(has_her)
            && (is(number, &call.from) || is(number, &call.to))
            && is(from, &call.from)
            && is(to, &call.to)
            && since.is_none_or(|since| call.started >= since)
            && until.is_none_or(|until| call.started < until)
            && self.after.is_none_or(|after| place.is_some_and(|at| (at.started, at.id) < (after.started, after.id)))
    }
}

/// A number as records have it. A `+` that came as a blank, because the query did not escape it, is one again.
fn number(text: &str, country: &str) -> String {
    let text = match text.strip_prefix(' ') {
        Some(digits) => format!("+{digits}"),
        None => text.to_owned(),
    };
    phone::read(&text, &Context::plain(country)).e164.map_or(text, |number| number.to_string())
}

fn word<T: DeserializeOwned>(
    key: &'static str,
    text: &Option<String>,
    mend: &'static str,
) -> Result<Option<T>, BadQuery> {
    let read = |text: &String| {
        serde_json::from_value(serde_json::Value::from(text.as_str())).map_err(|_| BadQuery {
            key,
            value: text.clone(),
            mend,
        })
    };
    text.as_ref().map(read).transpose()
}

fn time(key: &'static str, text: &Option<String>) -> Result<Option<Wall>, BadQuery> {
    word(key, text, "write it as in 2026-11-24T14:00:00Z")
}

const DEFAULT_LIMIT: u16 = 50;
const LARGEST_LIMIT: u16 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CallId;
    use crate::crm::model::{Direction, Outcome};
    use crate::crm::testing::{House, LINE, MARIA, PAULO, START, record};

    /// The call with this number begins that many seconds after the start.
    fn ended(call: u64, phone: &str) -> CallRecord {
        let started = Wall::from_unix_millis(START + i64::try_from(call).unwrap() * 1_000);
        CallRecord { started, ..record(call, phone) }
    }

    fn live(call: u64, phone: &str) -> CallRecord {
        CallRecord { state: CallState::Talking, outcome: None, ended: None, ..ended(call, phone) }
    }

    fn ids(page: &Page) -> Vec<u64> {
        page.calls.iter().map(|call| call.id.bits()).collect()
    }

    async fn asked(house: &House, live: &[CallRecord], query: CallQuery) -> Page {
        page(live.to_vec(), house.store.reader(), &query.read("BR").unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn pages_hold_every_call_once_newest_first_live_and_ended_alike() {
        let house = House::open().await;
        for call in [1, 2, 4, 5, 7] {
            house.outbox.save(ended(call, MARIA), Vec::new()).await.unwrap();
        }
        // Call 5 is up and in the log at once: it ends between the two looks.
        let up = [live(3, MARIA), live(5, MARIA), live(6, PAULO)];
        let mut query = CallQuery { limit: Some(3), ..CallQuery::default() };
        let mut all = Vec::new();
        loop {
            let page = asked(&house, &up, query.clone()).await;
            all.push(ids(&page));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(all, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
    }

    #[tokio::test]
    async fn filters_mean_the_same_of_calls_that_are_up_and_of_those_in_the_log() {
        let house = House::open().await;
        house.outbox.save(ended(1, MARIA), Vec::new()).await.unwrap();
        let outgoing = CallRecord {
            direction: Direction::Outgoing,
            outcome: Some(Outcome::Busy),
            from: "201".to_owned(),
            to: PAULO.to_owned(),
            employee: Some("ana".into()),
            legs: Vec::new(),
            ..ended(2, PAULO)
        };
        house.outbox.save(outgoing, Vec::new()).await.unwrap();
        let up = [live(11, MARIA), CallRecord { line: None, employee: None, ..live(12, PAULO) }];
        let some = |text: &str| Some(text.to_owned());
        let all = CallQuery::default();
        for (query, found) in [
            (all.clone(), vec![12, 11, 2, 1]),
            (CallQuery { state: some("live"), ..all.clone() }, vec![12, 11]),
            (CallQuery { state: some("ended"), ..all.clone() }, vec![2, 1]),
            (CallQuery { direction: some("outgoing"), ..all.clone() }, vec![2]),
            (CallQuery { outcome: some("answered"), ..all.clone() }, vec![1]),
            (CallQuery { employee: some("bruno"), ..all.clone() }, vec![12, 11, 1]),
            (CallQuery { employee: some("ana"), ..all.clone() }, vec![2]),
            (CallQuery { line: some(LINE), ..all.clone() }, vec![11, 2, 1]),
            (CallQuery { from: some("11 98765-4321"), ..all.clone() }, vec![11, 1]),
            (CallQuery { from: some(" 5511987654321"), ..all.clone() }, vec![11, 1]),
            (CallQuery { to: some(PAULO), ..all.clone() }, vec![2]),
            (CallQuery { number: some(PAULO), ..all.clone() }, vec![12, 2]),
            (CallQuery { from: some("201"), ..all.clone() }, vec![2]),
            (CallQuery { since: some("2026-11-24T14:00:02Z"), ..all.clone() }, vec![12, 11, 2]),
            (CallQuery { until: some("2026-11-24T14:00:11Z"), ..all.clone() }, vec![2, 1]),
        ] {
            assert_eq!(ids(&asked(&house, &up, query.clone()).await), found, "{query:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_a_mend() {
        let none = CallQuery::default();
        let fault = |query: CallQuery| query.read("BR").unwrap_err().to_string();
        let limit = fault(CallQuery { limit: Some(501), ..none.clone() });
        assert_eq!(limit, "limit `501` cannot be read; write 1 to 500");
        let cursor = CallQuery { cursor: Some("7".to_owned()), ..none.clone() };
        assert_eq!(fault(cursor), "cursor `7` cannot be read; give the `next` of the page before");
        let at = Cursor { started: Wall::from_unix_millis(START), id: CallId::from_bits(1) };
        assert!(CallQuery { cursor: Some(at.to_string()), ..none }.read("BR").is_ok());
    }
}
