//! The real server, killed (`kill -9`) at every step of a call: what it had promised is there after the restart, once.
//!
//! A seed gives the step and how many milliseconds later the kill comes. `RAMAL_KILL_RUNS` says how many seeds,
//! `RAMAL_KILL_SEED` plays one again.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::collections::BTreeSet;
use std::time::Duration;

use house::process::{LINE, Premises};
use house::{SDP, SOON, header, invite};
use serde_json::Value;

const CUSTOMER: &str = "+5521976543210";
/// Servers that run side by side.
const AT_ONCE: usize = 4;

/// The steps of a call after which the server is killed.
const STEPS: [&str; 8] = [
    "INVITE sent",
    "INVITE taken",
    "employee called",
    "180 sent",
    "employee answered",
    "answer passed on",
    "BYE sent",
    "BYE answered",
];

/// When the server is killed.
struct Kill {
    step: &'static str,
    after: Duration,
}

impl Kill {
    fn of(seed: usize) -> Self {
        // Most of what follows a step takes less than a commit's 20 ms.
        Self { step: STEPS[seed % STEPS.len()], after: Duration::from_millis((seed * 7 % 31) as u64) }
    }
}

/// The carrier and the PBX, who outlive the server, and its files.
struct World(Premises);

impl World {
    /// One call from end to end, or until the kill; true where its BYE was answered.
    async fn calls(&self, id: &str, kill: Option<&Kill>) -> bool {
        let (server, carrier, office) = (self.0.serve(), &self.0.carrier, &self.0.office);
        let at = server.udp;
        let invited = invite(carrier, LINE, CUSTOMER, id);
        let mut steps = STEPS.into_iter();
        // The wait is the fault itself: nobody waits for anything to be ready by then.
        let mut killed = async || match (kill, steps.next()) {
            (Some(kill), Some(step)) if kill.step == step => {
                tokio::time::sleep(kill.after).await;
                true
            }
            _ => false,
        };
        carrier.send(at, &invited).await;
        if killed().await {
            return false;
        }
        carrier.expect("SIP/2.0 100").await;
        if killed().await {
            return false;
        }
        let rung = office.expect("INVITE ").await;
        if killed().await {
            return false;
        }
        office.answer(at, &rung, 180, "").await;
        carrier.expect("SIP/2.0 180").await;
        if killed().await {
            return false;
        }
        office.answer(at, &rung, 200, SDP).await;
        if killed().await {
            return false;
        }
        let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        carrier.ack(at, &invited, &answered).await;
        if killed().await {
            return false;
        }
        carrier.bye(at, &invited, &answered).await;
        if killed().await {
            drop(server);
            let is_answer = |said: &String| said.starts_with("SIP/2.0 200") && header(said, "CSeq").ends_with("BYE");
            return carrier.came().iter().any(is_answer);
        }
        let bye = office.expect("BYE ").await;
        office.answer(at, &bye, 200, "").await;
        carrier.expect_answer("SIP/2.0 200", "BYE").await;
        killed().await;
        true
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.0.ramal(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A call that is killed, and the customer's next one after the restart.
async fn plays(seed: usize) {
    let kill = Kill::of(seed);
    let world = World(Premises::new("").await);
    let promised = world.calls("first", Some(&kill)).await;
    // What was on its way belongs to a server that is gone.
    drop((world.0.carrier.came(), world.0.office.came()));
    assert!(world.calls("second", None).await);

    let found = world.json(&["crm", "find", CUSTOMER]);
    let told = format!("seed {seed}: killed {:?} after {}\n{found:#}", kill.after, kill.step);
    let list = |key: &str| found[key].as_array().unwrap().clone();
    let leads = list("leads");
    assert_eq!(leads.len(), 1, "one lead, {told}");
    assert_eq!(leads[0]["responsible"], "bruno", "{told}");
    let activities = list("activities");
    let of_calls: BTreeSet<_> = activities.iter().map(|activity| activity["call_id"].to_string()).collect();
    assert_eq!(of_calls.len(), activities.len(), "one activity a call, {told}");
    let logged = world.json(&["calls"]);
    let logged: BTreeSet<_> = logged["calls"].as_array().unwrap().iter().map(|call| call["id"].to_string()).collect();
    assert_eq!(of_calls, logged, "what is in the call log is in the CRM, {told}");
    let least = 1 + usize::from(promised);
    assert!((least..=2).contains(&activities.len()), "at least {least} activities, {told}");
    for activity in &activities {
        assert_eq!(activity["attached_to"], format!("lead:{}", leads[0]["id"]), "{told}");
        assert_eq!((&activity["employee"], &activity["outcome"]), (&"bruno".into(), &"answered".into()), "{told}");
    }
    assert_eq!(world.json(&["outbox", "list"])["outbox"], Value::Array(Vec::new()), "{told}");
}

#[test]
fn killed_at_any_step_a_call_leaves_what_was_promised_once() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<usize>().unwrap());
    let seeds: Vec<usize> = match number("RAMAL_KILL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("RAMAL_KILL_RUNS").unwrap_or(40)).collect(),
    };
    let play = |seed: &usize| {
        let seed = *seed;
        let one = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::time::timeout(SOON * 4, plays(seed)).await.expect("it ends") });
        };
        // A panic names its thread.
        (seed, std::thread::Builder::new().name(format!("seed {seed}")).spawn(one).unwrap())
    };
    let mut failed = Vec::new();
    for side_by_side in seeds.chunks(AT_ONCE) {
        let runs: Vec<_> = side_by_side.iter().map(play).collect();
        failed.extend(runs.into_iter().filter_map(|(seed, run)| run.join().is_err().then_some(seed)));
    }
    assert!(failed.is_empty(), "failed: RAMAL_KILL_SEED={failed:?}");
}
