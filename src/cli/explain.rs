//! `ramal explain`: where a call would go, rule by rule, and what the CRM would record. Places no call; the steps are
//! those of [`plan`], which decides live calls too.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::base::Wall;
use crate::base::phone::Reading;
use crate::crm::model::{Decision, Direction, Lookup, LookupKind};
use crate::crm::policy::{self, Becomes, Creation};
use crate::route::caller::reading;
use crate::route::directory::{Directory, Line};
use crate::route::plan::{Asked, Destination, Live, Plan, Ring, Step, plan};
use crate::route::{Caller, is_blacklisted, refuse_blacklisted};

/// A call that is not placed.
#[derive(Debug)]
pub struct Question<'a> {
    /// The line that it would call.
    pub line: &'a Line,
    /// `--from`, as typed.
    pub from: &'a str,
    /// When it would come.
    pub at: Wall,
}

/// Where a call would go, and why.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// How the caller's number is read.
    pub number: Reading,
    /// What the lookup comes to.
    pub lookup: LookupKind,
    /// What the call does, in order, if nobody answers.
    pub steps: Vec<Explained>,
    /// What the CRM makes of it while it rings: `lead`; in simple mode `contact`, `deal`.
    pub creates: Vec<&'static str>,
    /// Each choice, with what was passed over.
    pub decisions: Vec<Decision>,
}

/// One step, as JSON shows it.
#[derive(Debug)]
pub enum Explained {
    /// One of the plan.
    Step(Step),
    /// The blacklist's refusal.
    Refused(u16, String),
}

impl Question<'_> {
    /// The caller: where nothing excludes her, her number is to be looked up before [`explain`](Self::explain).
    pub fn caller(&self, dir: &Directory) -> Caller {
        Caller::from_text(dir, self.line, self.from)
    }

    /// What such a call would do. `lookup` is what the CRM said, or `Undetermined` for `--crm down`; it is not asked
    /// for where the files exclude the caller already.
    pub fn explain(&self, dir: &Directory, live: &dyn Live, lookup: Lookup) -> Explanation {
        let caller = self.caller(dir);
        let number = reading(dir, self.line, self.from);
        let lookup = caller.excluded.map_or(lookup, Lookup::Excluded);
        if caller.number.is_some_and(|number| is_blacklisted(dir, number)) {
            return refused(number, refuse_blacklisted(self.line));
        }
        let asked = Asked { line: self.line, lookup: &lookup, rung: &[], now: self.at };
        let Plan { steps, decisions } = plan(dir, &asked, live);
        let creation = policy::creation(&dir.crm.mode, self.line, Direction::Incoming, lookup.kind());
        let mut all = vec![lookup.decision(), self.recorded(dir, &lookup, creation)];
        all.extend(decisions);
        let kinds = if let Creation::AtOnce(becomes) = creation { becomes.kinds() } else { &[] };
        let creates = kinds.iter().map(|kind| kind.as_str()).collect();
        let steps = steps.into_iter().map(Explained::Step).collect();
        Explanation { number, lookup: lookup.kind(), steps, creates, decisions: all }
    }

    fn recorded(&self, dir: &Directory, lookup: &Lookup, creation: Creation<'_>) -> Decision {
        let owner = policy::owner_at_first(dir, self.line, Direction::Incoming, None);
        let owner = owner.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string());
        match (creation, lookup) {
            (Creation::AtOnce(_), Lookup::Unknown { fresh: Some(record) }) => {
                Decision::new(format!("share {record}"), "another call that is up has made it: one client a number")
            }
            (Creation::AtOnce(becomes), _) => Decision::new(
                format!("create {} for {owner}", words(becomes)),
                format!(
                    "unknown, and the line creates for incoming calls, missed ones included: while it still rings{}",
                    self.marks(becomes)
                ),
            ),
            (Creation::AfterLookup(becomes), _) => Decision::new(
                "create nothing yet",
                format!(
                    "undetermined: {} for {owner} once a later lookup has said unknown{}",
                    words(becomes),
                    self.marks(becomes)
                ),
            ),
            (Creation::Offered(becomes), _) => Decision::new(
                "create nothing",
                format!("the line leaves it to the call card, which offers {}{}", words(becomes), self.marks(becomes)),
            ),
            (Creation::Nothing, Lookup::Excluded(_)) => {
                Decision::new("record nothing in the CRM", "excluded: the call log only")
            }
            (Creation::Nothing, Lookup::Known(known)) => {
                Decision::new(format!("an activity at {}", known.entity), "known: nothing is created")
            }
            (Creation::Nothing, _) => Decision::new("create nothing", "the line does not create for incoming calls"),
        }
    }

    /// What stands on the records: the line's source, and the pipeline of a deal.
    fn marks(&self, becomes: Becomes<'_>) -> String {
        let source = self.line.source.as_ref().map(|source| format!("; source {source}"));
        let pipeline = match becomes {
            Becomes::Client { pipeline, .. } => Some(format!("; pipeline {pipeline}")),
            Becomes::Lead => None,
        };
        source.into_iter().chain(pipeline).collect()
    }
}

/// The records in words: `a contact and a deal`.
fn words(becomes: Becomes<'_>) -> String {
    let kinds: Vec<String> = becomes.kinds().iter().map(|kind| format!("a {}", kind.as_str())).collect();
    kinds.join(" and ")
}

fn refused(number: Reading, decision: Decision) -> Explanation {
    Explanation {
        number,
        lookup: LookupKind::Excluded,
        steps: vec![Explained::Refused(603, decision.why.clone())],
        creates: Vec::new(),
        decisions: vec![decision],
    }
}

impl Serialize for Explained {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let why = match self {
            Self::Step(Step::Ring(ring)) => {
                match forward(ring) {
                    Some(number) => map.serialize_entry("forward", &number)?,
                    None => {
                        let labels: Vec<&str> = ring.who.iter().map(Destination::label).collect();
                        map.serialize_entry("ring", &labels)?;
                    }
                }
                map.serialize_entry("seconds", &ring.ring.as_secs())?;
                if let Some(queue) = &ring.queue {
                    map.serialize_entry("in_queue", queue)?;
                }
                &ring.why
            }
            Self::Step(Step::Queue { name, why }) => {
                map.serialize_entry("queue", name)?;
                why
            }
            Self::Step(Step::Voicemail { why }) => {
                map.serialize_entry("voicemail", &true)?;
                why
            }
            Self::Step(Step::Hangup { why }) => {
                map.serialize_entry("hangup", &unanswered())?;
                why
            }
            Self::Refused(status, why) => {
                map.serialize_entry("hangup", status)?;
                why
            }
        };
        map.serialize_entry("why", why)?;
        map.end()
    }
}

/// The final answer at a plan's end: what a single party may say of her own is not known before she is rung.
fn unanswered() -> u16 {
    policy::final_status(Direction::Incoming, false, &[])
}

/// The number outside that a ring goes to, where it goes to one.
fn forward(ring: &Ring) -> Option<String> {
    match ring.who.as_slice() {
        [Destination::Outside { number: Some(number), .. }] => Some(number.to_string()),
        _ => None,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.e164.map_or_else(|| self.number.raw.clone(), |number| number.to_string());
        writeln!(f, "from     {number}   ({})", self.number.why)?;
        writeln!(f, "lookup   {}", self.lookup.as_str())?;
        let creates = if self.creates.is_empty() { "nothing".to_owned() } else { self.creates.join(", ") };
        writeln!(f, "creates  {creates}\n")?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", at + 1)?;
        }
        writeln!(f, "\ndecisions")?;
        for decision in &self.decisions {
            writeln!(f, "  {}: {}", decision.what, decision.why)?;
            for passed in &decision.passed_over {
                writeln!(f, "      passed over {}: {}", passed.what, passed.why)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(Step::Ring(ring)) => {
                let labels: Vec<&str> = ring.who.iter().map(Destination::label).collect();
                let verb = if forward(ring).is_some() { "forward to" } else { "ring" };
                write!(f, "{verb} {} for {} s: {}", labels.join(", "), ring.ring.as_secs(), ring.why)
            }
            Self::Step(Step::Queue { name, why }) => write!(f, "queue {name}: {why}"),
            Self::Step(Step::Voicemail { why }) => write!(f, "voicemail: {why}"),
            Self::Step(Step::Hangup { why }) => write!(f, "hang up with {}: {why}", unanswered()),
            Self::Refused(status, why) => write!(f, "hang up with {status}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crm::model::{EntityRef, Known, NoAnswer, PassedOver};
    use crate::route::directory::{Distribution, Fallback, UnknownClient};
    use crate::route::testing::{House, Office, house, phone};

    const UNKNOWN: Lookup = Lookup::Unknown { fresh: None };

    fn explained(house: House, from: &str, lookup: Lookup) -> Explanation {
        let dir = house.build();
        let at = Wall::from_unix_millis(1_795_528_800_000);
        Question { line: &dir.lines[0], from, at }.explain(&dir, &Office::new(), lookup)
    }

    fn printed(house: House, from: &str, lookup: Lookup) -> Value {
        serde_json::to_value(explained(house, from, lookup)).expect("plain data")
    }

    fn known() -> Lookup {
        Lookup::Known(Known {
            entity: "contact:7".parse::<EntityRef>().unwrap(),
            name: Some("Maria Souza".into()),
            responsible: Some("carla".into()),
            absent: None,
            why: "the latest activity".into(),
            passed_over: vec![PassedOver::new("contact:9", "older")],
        })
    }

    #[test]
    fn the_json_has_the_shape_that_the_contract_gives() {
        let all = printed(house(), "011 98765-4321", UNKNOWN);
        assert_eq!(all["number"]["e164"], "+5511987654321");
        assert_eq!(all["number"]["variants"][0], "+5511987654321");
        assert!(all["number"]["why"].is_string());
        assert_eq!((&all["lookup"], &all["creates"]), (&json!("unknown"), &json!(["lead"])));
        let why = "next in queue sales";
        assert_eq!(all["steps"][0]["queue"], "sales");
        assert_eq!(all["steps"][1], json!({"ring": ["bruno"], "seconds": 20, "in_queue": "sales", "why": why}));
        assert_eq!(all["steps"][4], json!({"hangup": 480, "why": "nobody in queue sales answered"}));
        assert_eq!(all["decisions"][0]["what"], "unknown");
        assert_eq!(all["decisions"][1]["what"], "create a lead for bruno");
    }

    #[test]
    fn a_known_caller_creates_nothing_and_the_choice_among_matches_is_shown() {
        let rule = Fallback::Forward(phone("+552133334444"));
        let all = printed(house().line(|line| line.unanswered = rule), "+5511987654321", known());
        assert_eq!(all["creates"], json!([]));
        assert_eq!(all["steps"][0]["ring"], json!(["carla"]));
        assert!(all["steps"][0].get("in_queue").is_none());
        assert_eq!(all["steps"][1]["forward"], "+552133334444");
        assert_eq!(all["steps"][1]["seconds"], 60);
        let passed_over = json!([{"what": "contact:9", "why": "older"}]);
        assert_eq!(all["decisions"][0]["passed_over"], passed_over);
        assert_eq!(all["decisions"][1]["what"], "an activity at contact:7");
    }

    #[test]
    fn everybody_is_one_step_with_all_names() {
        let all = printed(
            house().queue("sales", |queue| queue.distribution = Distribution::Everybody),
            "+5511987654321",
            UNKNOWN,
        );
        assert_eq!(all["steps"][1]["ring"], json!(["bruno", "carla", "ana"]));
    }

    #[test]
    fn with_the_crm_down_the_call_is_routed_like_an_unknown_one_and_creates_nothing_yet() {
        let down = printed(house(), "+5511987654321", Lookup::Undetermined(NoAnswer::Unavailable));
        assert_eq!((&down["lookup"], &down["creates"]), (&json!("undetermined"), &json!([])));
        assert_eq!(down["steps"][1]["ring"], json!(["bruno"]));
        assert_eq!(down["decisions"][1]["what"], "create nothing yet");
    }

    #[test]
    fn what_the_files_exclude_is_not_asked_of_the_crm() {
        for from in ["+5511912345678", "anonymous", "201", "+551140028922"] {
            let excluded = printed(house(), from, UNKNOWN);
            assert_eq!((&excluded["lookup"], &excluded["creates"]), (&json!("excluded"), &json!([])), "{from}");
            assert_eq!(excluded["steps"][0]["queue"], "sales", "{from}");
        }
    }

    #[test]
    fn a_blacklisted_caller_is_refused_with_603() {
        let listed = house().with(|dir| dir.blacklist = vec![phone("+5511987654321")]);
        let all = printed(listed, "11 98765-4321", UNKNOWN);
        assert_eq!(all["steps"][0]["hangup"], 603);
        assert_eq!(all["steps"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn whoever_is_passed_over_is_named_with_the_reason_before_the_step_that_follows() {
        let over = |house: House, lookup: Lookup, office: Office| {
            let dir = house.build();
            let at = Wall::from_unix_millis(1_795_528_800_000);
            let all = Question { line: &dir.lines[0], from: "+5511987654321", at }.explain(&dir, &office, lookup);
            let over = all.decisions.iter().skip(1).flat_map(|decision| &decision.passed_over);
            over.map(|passed| format!("{}: {}", passed.what, passed.why)).collect::<Vec<_>>()
        };
        let away = Office::new().presence("carla", crate::route::plan::Presence::Away);
        assert_eq!(over(house(), known(), away), ["carla: away", "carla: away"], "as a manager, and in the queue");
        let Lookup::Known(of_carla) = known() else { unreachable!() };
        let absent = Lookup::Known(Known { absent: Some("not at work".to_owned()), ..of_carla });
        assert_eq!(over(house(), absent, Office::new()), ["carla: not at work"]);
        let night = house().line(|line| {
            let timezone = jiff::tz::TimeZone::UTC;
            let (holidays_yearly, holidays_once) = (Vec::new(), Vec::new());
            let open = vec![(2, 0, 60)];
            line.hours = Some(crate::route::directory::Hours { open, timezone, holidays_yearly, holidays_once });
        });
        let closed = ["carla: the line is closed", "queue sales: the line is closed"];
        assert_eq!(over(night, known(), Office::new()), closed);
        let listed =
            explained(house().with(|dir| dir.blacklist = vec![phone("+5511987654321")]), "11987654321", known());
        let passed = &listed.decisions[0].passed_over[0];
        assert_eq!(
            (passed.what.as_str(), passed.why.as_str()),
            ("queue sales", "nobody is rung, and the CRM is not asked")
        );
    }

    #[test]
    fn where_the_line_offers_nothing_is_created_by_itself() {
        let offers = house().line(|line| line.unknown_client = UnknownClient::Offer);
        assert_eq!(printed(offers, "+5511987654321", UNKNOWN)["creates"], json!([]));
    }

    #[test]
    fn the_text_shows_steps_in_order_and_what_was_passed_over() {
        let text = explained(house(), "+5511987654321", known()).to_string();
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part:?} in:\n{text}"));
        assert!(at("1. ring carla for 20 s: known: carla is responsible for contact:7") < at("2. queue sales"));
        assert!(at("3. ring bruno") < at("5. hang up with 480"));
        assert!(at("decisions") < at("passed over contact:9: older"));
        assert!(text.contains("passed over carla: already rung in this call"));
    }
}
