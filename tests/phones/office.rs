//! What every phone has to go through: three calls, one known and two new customers.

use std::path::Path;

use serde_json::{Value, json};

use crate::certificate::certify;
use crate::phone::{Kind, Over, Phone};
use crate::support::house::House;
use crate::support::matching::matches;
use crate::support::{Server, eventually};

/// Maria is Bruno's client; the others are new.
const MARIA: &str = "+5521976543210";
const JOAO: &str = "+5511987654321";
const RITA: &str = "+5531987651234";
const LINE: &str = "+551140028922";

/// The server, and everybody who takes part.
struct Office {
    server: Server,
    house: House,
    over: Over,
    /// A customer behind the carrier.
    customer: Phone,
    /// The phone under test.
    bruno: Phone,
    carla: Phone,
}

/// Plays all calls with one kind of phone at Bruno's desk, over one transport.
pub(crate) fn play(name: &str, kind: Kind, over: Over) -> Result<(), String> {
    let mut office = Office::open(name, kind, over)?;
    let played = office.known_customer().and_then(|()| office.new_customer_handed_on_blindly());
    let played = played.and_then(|()| match kind {
        // It has no attended transfer.
        Kind::Baresip => Ok(()),
        Kind::Pjsip | Kind::Linphone => office.new_customer_handed_on_after_a_talk(),
    });
    let played = played.and_then(|()| office.server.stops_on_term());
    played.map_err(|fault| format!("{fault}\n{}", office.account()))
}

impl Office {
    fn open(name: &str, kind: Kind, over: Over) -> Result<Self, String> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones").join(name);
        let house = House::new(&place, &changes(over))?;
        certify(&house)?;
        let server = Server::start(&house)?;
        server.run(&["crm", "add-contact", "--name", "Maria Souza", "--phone", MARIA, "--responsible", "bruno"])?;
        // baresip takes the port after its own too, for TLS: that is Carla's.
        let hers = if kind == Kind::Baresip { Over::Udp } else { over };
        let told = |fault: String| format!("{fault}\n{}", server.account_of_itself());
        let customer = Phone::start(&house, Kind::Pjsip, "carrier", MARIA, Over::Udp, None).map_err(told)?;
        let bruno = Phone::start(&house, kind, "bruno", "202", over, Some("secret-of-202")).map_err(told)?;
        let carla = Phone::start(&house, Kind::Pjsip, "carla", "203", hers, Some("a secret of 203")).map_err(told)?;
        Ok(Self { server, house, over, customer, bruno, carla })
    }

    /// Maria's manager is rung, holds her, takes her back, and hands her on: she stays his client.
    fn known_customer(&mut self) -> Result<(), String> {
        let (hers, his) = self.rings_and_is_answered(MARIA)?;
        self.bruno.does(&json!({ "do": "hold", "call": his }))?;
        self.bruno.sees("held")?;
        self.customer.sees("parked")?;
        self.bruno.does(&json!({ "do": "resume", "call": his }))?;
        self.bruno.sees("resumed")?;
        self.customer.sees("unparked")?;
        self.hands_on_blindly(MARIA, &his)?;
        self.customer_hangs_up(&hers)?;
        let call = self.ended_call(&json!({
            "lookup": "known", "outcome": "answered", "employee": "carla",
            "legs": [{ "employee": "bruno", "outcome": "answered" }, { "employee": "carla", "outcome": "answered" }],
        }))?;
        self.has_ladder(&call, &["INVITE of bruno", "REFER of bruno", "NOTIFY to bruno"])?;
        self.crm_holds(
            MARIA,
            &json!({
                "contacts": [{ "responsible": "bruno" }], "leads": [],
                "activities": [{ "employee": "carla", "transferred_from": "bruno", "attached_to": "contact:1" }],
            }),
        )
    }

    /// A new customer's lead follows the blind transfer.
    fn new_customer_handed_on_blindly(&mut self) -> Result<(), String> {
        let (hers, his) = self.rings_and_is_answered(JOAO)?;
        self.hands_on_blindly(JOAO, &his)?;
        self.customer_hangs_up(&hers)?;
        self.became_carlas(JOAO)
    }

    /// A new customer's lead follows the attended one.
    fn new_customer_handed_on_after_a_talk(&mut self) -> Result<(), String> {
        let (hers, his) = self.rings_and_is_answered(RITA)?;
        self.bruno.does(&json!({ "do": "hold", "call": his }))?;
        self.bruno.sees("held")?;
        self.customer.sees("parked")?;
        self.bruno.does(&json!({ "do": "call", "to": self.extension("203") }))?;
        let asks = self.bruno.sees("calling")?["call"].clone();
        let rung = self.carla.sees("incoming")?["call"].clone();
        self.carla.does(&json!({ "do": "answer", "call": rung }))?;
        self.carla.sees("talking")?;
        self.bruno.sees_that("talking", |seen| seen["call"] == asks)?;
        self.bruno.does(&json!({ "do": "attend", "call": his, "with": asks }))?;
        self.customer.sees("unparked")?;
        self.bruno.sees_that("ended", |seen| seen["call"] == his)?;
        self.customer_hangs_up(&hers)?;
        self.became_carlas(RITA)
    }

    /// A customer calls the line; Bruno is rung, sees who it is, and answers. Her call and his.
    fn rings_and_is_answered(&mut self, number: &str) -> Result<(Value, Value), String> {
        let to = format!("sip:{LINE}@{}", self.house.sip());
        self.customer.does(&json!({ "do": "call", "to": to, "from": number }))?;
        let hers = self.customer.sees("calling")?["call"].clone();
        let rung = self.bruno.sees("incoming")?;
        shows(&rung, number)?;
        self.customer.sees("ringing")?;
        self.bruno.does(&json!({ "do": "answer", "call": rung["call"] }))?;
        self.bruno.sees("talking")?;
        self.customer.sees("talking")?;
        Ok((hers, rung["call"].clone()))
    }

    /// Bruno hands on; Carla sees the customer, answers, and Bruno is told and sent away.
    fn hands_on_blindly(&mut self, number: &str, his: &Value) -> Result<(), String> {
        self.bruno.does(&json!({ "do": "refer", "call": his, "to": self.extension("203") }))?;
        let rung = self.carla.sees("incoming")?;
        shows(&rung, number)?;
        self.carla.does(&json!({ "do": "answer", "call": rung["call"] }))?;
        self.carla.sees("talking")?;
        self.bruno.sees("ended").map(|_| ())
    }

    fn customer_hangs_up(&mut self, hers: &Value) -> Result<(), String> {
        if self.customer.has_seen("ended") {
            return Err("the customer was hung up on".to_owned());
        }
        self.customer.does(&json!({ "do": "hangup", "call": hers }))?;
        self.customer.sees("ended")?;
        self.carla.sees("ended").map(|_| ())
    }

    fn became_carlas(&self, number: &str) -> Result<(), String> {
        self.crm_holds(
            number,
            &json!({
                "contacts": [], "leads": [{ "responsible": "carla" }],
                "activities": [{ "outcome": "answered", "employee": "carla", "transferred_from": "bruno" }],
            }),
        )
    }

    fn extension(&self, number: &str) -> String {
        format!("sip:{number}@{}{}", self.over.server(&self.house), self.over.parameter())
    }

    /// The newest ended call, once no call is live.
    fn ended_call(&self, expected: &Value) -> Result<Value, String> {
        eventually("the call as promised", || {
            let calls = self.server.ended_calls()?;
            let newest = calls.get(0).cloned().unwrap_or_default();
            let mut mismatches = Vec::new();
            matches("call", expected, &newest, &mut mismatches);
            match mismatches.is_empty() {
                true => Ok(newest),
                false => Err(mismatches.iter().map(|m| format!("  {m}\n")).collect()),
            }
        })
    }

    fn crm_holds(&self, number: &str, rows: &Value) -> Result<(), String> {
        eventually("rows as promised", || {
            let mut mismatches = Vec::new();
            matches(number, rows, &self.server.json(&["crm", "find", number, "--json"])?, &mut mismatches);
            match mismatches.is_empty() {
                true => Ok(()),
                false => Err(mismatches.iter().map(|m| format!("  {m}\n")).collect()),
            }
        })
    }

    /// The messages of a call: `METHOD of PARTY` came from there, `METHOD to PARTY` went there.
    fn has_ladder(&self, call: &Value, asked: &[&str]) -> Result<(), String> {
        let id = call["id"].as_str().unwrap_or_default();
        let ladder = self.server.json(&["call", id, "--json"])?;
        let entries = ladder["ladder"].as_array().map(Vec::as_slice).unwrap_or_default();
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let seen: Vec<_> = entries
            .iter()
            .filter(|entry| entry["kind"] == "sip")
            .flat_map(|entry| {
                let line = word(entry, "start_line");
                let method = line.split(' ').next().unwrap_or_default().to_owned();
                [format!("{method} of {}", word(entry, "from")), format!("{method} to {}", word(entry, "to"))]
            })
            .collect();
        match asked.iter().find(|one| !seen.iter().any(|message| message == *one)) {
            Some(missing) => Err(format!("no {missing} in the ladder, but {seen:?}")),
            None => Ok(()),
        }
    }

    fn account(&mut self) -> String {
        let phones = [&mut self.customer, &mut self.bruno, &mut self.carla].map(Phone::said).join("\n");
        format!("{phones}\n{}", self.server.account_of_itself())
    }
}

/// The phone that rings shows the customer, by From and P-Asserted-Identity.
fn shows(rung: &Value, number: &str) -> Result<(), String> {
    let message = rung["message"].as_str().unwrap_or(number);
    let remote = rung["remote"].as_str().unwrap_or_default();
    match remote.contains(number) && message.contains(number) {
        true => Ok(()),
        false => Err(format!("the phone should show {number}: {rung}")),
    }
}

/// What a test needs beside the house.
fn changes(over: Over) -> toml::Table {
    let secure = match over {
        Over::Udp | Over::Tcp => "",
        Over::Tls => {
            r#"
[sip]
listen = ["udp:@ADDRESS@:5060", "tcp:@ADDRESS@:5060", "tls:@ADDRESS@:5061"]
[sip.tls]
certificate = "@FOLDER@/certificate.pem"
key = "@FOLDER@/key.pem"
"#
        }
    };
    toml::from_str(secure).expect("it is TOML")
}
