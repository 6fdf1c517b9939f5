//! Every kind of transfer, with every outcome, for every sort of caller: who owns the lead, what the record says, which
//! events went out, what the NOTIFY said, and that nothing is left.

use super::*;
use crate::base::EmployeeId;
use crate::crm::model::Direction;
use crate::route::Dialled;
use crate::route::plan::Destination;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blind,
    Attended,
    AttendedOnConsultation,
    /// The target still rings.
    SemiAttended,
    /// REFER with Replaces of a dialog that is none of ours.
    Unknown,
    Takeover,
    Redirect,
    Pbx,
    Console,
}

const KINDS: [Kind; 9] = [
    Kind::Blind,
    Kind::Attended,
    Kind::AttendedOnConsultation,
    Kind::SemiAttended,
    Kind::Unknown,
    Kind::Takeover,
    Kind::Redirect,
    Kind::Pbx,
    Kind::Console,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    /// 486; of a takeover: the one who stays refuses the media.
    Busy,
    /// Of a takeover: who came gives up.
    NoAnswer,
    /// And the target answers afterwards.
    TransferorLeaves,
    /// From the target on to another.
    Chain,
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Answered, Outcome::Busy, Outcome::NoAnswer, Outcome::TransferorLeaves, Outcome::Chain];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    NewLead,
    /// ana's.
    KnownClient,
    /// A new lead, handed on to a number outside; in a chain the second time.
    ToOutside,
}

const CALLERS: [Caller; 3] = [Caller::NewLead, Caller::KnownClient, Caller::ToOutside];

const OUTSIDE: &str = "+5531988887777";

/// A cell of the table.
#[derive(Debug, Clone, Copy)]
struct Cell {
    kind: Kind,
    outcome: Outcome,
    caller: Caller,
}

impl Cell {
    /// Only employees call in with Replaces, and a PBX names its own extensions.
    fn is_possible(self) -> bool {
        let inside_only = matches!(self.kind, Kind::Takeover | Kind::Pbx);
        !(inside_only && self.caller == Caller::ToOutside)
    }

    fn transferor(self) -> &'static str {
        if self.caller == Caller::KnownClient { "ana" } else { "bruno" }
    }

    /// The first target.
    fn target(self) -> &'static str {
        if self.caller == Caller::ToOutside && self.outcome != Outcome::Chain { OUTSIDE } else { "carla" }
    }

    fn second(self) -> &'static str {
        if self.caller == Caller::ToOutside { OUTSIDE } else { "dora" }
    }

    fn word(self) -> &'static str {
        match self.kind {
            Kind::Blind => "blind",
            Kind::Attended | Kind::AttendedOnConsultation | Kind::SemiAttended | Kind::Unknown => "attended",
            Kind::Takeover => "takeover",
            Kind::Redirect => "redirect",
            Kind::Pbx => "pbx",
            Kind::Console => "console",
        }
    }

    fn succeeds(self) -> bool {
        !matches!(self.outcome, Outcome::Busy | Outcome::NoAnswer)
    }

    /// Nothing of a transfer that fails inside the PBX is seen.
    fn is_seen(self) -> bool {
        self.kind != Kind::Pbx || self.succeeds()
    }

    /// The code of the last NOTIFY of the first REFER.
    fn notified(self) -> Option<&'static str> {
        Some(match (self.kind, self.outcome) {
            (Kind::Takeover | Kind::Redirect | Kind::Pbx | Kind::Console, _) | (_, Outcome::TransferorLeaves) => {
                return None;
            }
            (_, Outcome::Answered | Outcome::Chain) => "200",
            // the consultation had failed before, so that there is nobody to hand on to
            (Kind::Attended | Kind::AttendedOnConsultation, _) => "481",
            (_, Outcome::Busy) => "486",
            (_, Outcome::NoAnswer) => "480",
        })
    }
}

/// What a target's phone does.
fn script(cell: Cell) -> Vec<(u64, Act)> {
    let late = if cell.kind == Kind::SemiAttended { 4_000 } else { 900 };
    let then = match cell.outcome {
        Outcome::Busy => Some((late, Act::Reject(486))),
        Outcome::NoAnswer => None,
        Outcome::Answered | Outcome::TransferorLeaves | Outcome::Chain => Some((late, Act::Answer)),
    };
    [(20, Act::Ring)].into_iter().chain(then).collect()
}

fn prepared(cell: Cell) -> Sim {
    let house = house().with(|dir| {
        // nobody but the first is rung by the queue, so that a redirect that fails ends the call
        let queue = std::sync::Arc::make_mut(&mut dir.queues[0]);
        queue.members = vec!["bruno".into()];
        let line = std::sync::Arc::make_mut(&mut dir.lines[0]);
        line.unanswered = crate::route::directory::Fallback::Hangup;
    });
    let mut sim = sim(house);
    let first = match cell.kind {
        Kind::Redirect => vec![(20, Act::Redirect(vec![refer_to(cell.target())]))],
        _ => vec![(20, Act::Ring), (900, Act::Answer)],
    };
    sim = sim.phone_does(cell.transferor(), &first);
    let redirects_on = (cell.kind, cell.outcome) == (Kind::Redirect, Outcome::Chain);
    let second = if redirects_on { vec![(20, Act::Redirect(vec![refer_to(cell.second())]))] } else { script(cell) };
    sim = sim.phone_does(cell.target(), &second).phone_does(cell.second(), &script(cell));
    let from = if cell.caller == Caller::KnownClient { MARIA } else { STRANGER };
    sim.customer(Some(from), &[]);
    sim
}

fn number(who: &str) -> &str {
    match who {
        "carla" => "203",
        "dora" => "204",
        OUTSIDE => "31988887777",
        other => panic!("{other} is no target"),
    }
}

fn refer_to(who: &str) -> String {
    format!("sip:{}@10.0.0.5", number(who))
}

fn destination(who: &str) -> Dialled {
    Dialled::Destination(match who {
        OUTSIDE => Destination::Outside {
            dial: OUTSIDE.into(),
            number: Some(OUTSIDE.parse().unwrap()),
            gateway: crate::route::directory::Gateway::Trunk("carrier".into()),
            line: crate::route::testing::LINE.parse().unwrap(),
            employee: None,
        },
        who => Destination::Employee { id: who.into(), extension: number(who).into(), pbx: Some("office".into()) },
    })
}

/// `by` hands the call on to `to`.
fn hand_on(sim: &mut Sim, cell: Cell, by: &'static str, to: &'static str) {
    match cell.kind {
        Kind::Redirect => {} // her phone does
        Kind::Blind => drop(sim.act(by, Act::Refer(refer_to(to)))),
        Kind::Unknown => {
            let uri = format!("{}?Replaces=abc%40pbx%3Bto-tag%3Dx%3Bfrom-tag%3Dy", refer_to(to));
            sim.act(by, Act::Refer(uri));
        }
        Kind::Console => drop(sim.hand_on(destination(to))),
        Kind::Pbx if cell.succeeds() => drop(sim.act(cell.transferor(), Act::ReinviteIdentity(number(to).into()))),
        Kind::Pbx => {}
        Kind::Takeover => takes_over(sim, cell, by, to),
        Kind::Attended | Kind::AttendedOnConsultation | Kind::SemiAttended => consult(sim, cell, by, to),
    }
}

fn takes_over(sim: &mut Sim, cell: Cell, by: &str, to: &'static str) {
    let replaces = sim.party(by).replaced_by().unwrap();
    let referred_by = sim.house.directory.employee(&by.into()).unwrap().extension.clone();
    match cell.outcome {
        Outcome::Busy => sim.parties.iter_mut().for_each(|(_, party)| party.refuses_offers = party.name == "maria"),
        Outcome::NoAnswer | Outcome::TransferorLeaves => sim.lose("SIP/2.0 200", 2),
        Outcome::Answered | Outcome::Chain => {}
    }
    sim.replacing(to, replaces, referred_by.as_deref());
    if cell.outcome == Outcome::NoAnswer {
        sim.run_for(ms(200)).act(to, Act::Cancel);
    }
}

fn consult(sim: &mut Sim, cell: Cell, by: &'static str, to: &'static str) {
    let dialled = if to == OUTSIDE { format!("0{}", number(to)) } else { number(to).to_owned() };
    let named = sim.parties.iter().filter(|(_, p)| p.name == by).count();
    sim.act(by, Act::Consult(dialled));
    let rings = move |s: &Sim| s.has_rung(to) && s.party(to).state == State::Ringing;
    let answered = move |s: &Sim| s.has_rung(to) && s.party(to).state == State::Up && s.party(by).state == State::Up;
    if cell.kind == Kind::SemiAttended {
        sim.run_until(rings).run_for(ms(500));
    } else if cell.succeeds() {
        sim.run_until(answered).run_for(secs(1));
    } else {
        // named while it rings, and over when the REFER comes
        sim.run_until(rings).run_for(ms(500));
        let replaces = sim.party(by).replaced_by().unwrap();
        if cell.outcome == Outcome::NoAnswer {
            sim.act(by, Act::Cancel);
        }
        sim.run_for(secs(2));
        let escaped = replaces.to_string().replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
        sim.act_first(by, Act::Refer(format!("{}?Replaces={escaped}", refer_to(to))));
        return;
    }
    assert_eq!(sim.parties.iter().filter(|(_, p)| p.name == by).count(), named + 1);
    sim.act(by, Act::ReferToConsulted { on_second: cell.kind == Kind::AttendedOnConsultation });
}

/// All calls of this phone hang up.
fn hangs_up(sim: &mut Sim, who: &str) {
    let at: Vec<_> = sim.parties.iter().filter(|(_, p)| p.name == who).map(|(id, _)| *id).collect();
    at.into_iter().for_each(|id| sim.act_by(id, &Act::HangUp));
}

/// Plays a cell to its end.
fn played(cell: Cell) -> Sim {
    let mut sim = prepared(cell);
    let (by, to) = (cell.transferor(), cell.target());
    if cell.kind != Kind::Redirect {
        sim.run_until(up("maria")).run_for(secs(2));
    }
    hand_on(&mut sim, cell, by, to);
    if cell.outcome == Outcome::TransferorLeaves && !matches!(cell.kind, Kind::Redirect | Kind::Pbx) {
        sim.run_for(ms(6));
        hangs_up(&mut sim, by);
    }
    sim.run_for(secs(if cell.outcome == Outcome::NoAnswer { 40 } else { 8 }));
    if cell.outcome == Outcome::Chain {
        hand_on(&mut sim, cell, to, cell.second());
        sim.run_for(secs(8));
    }
    if sim.party("maria").state == State::Up {
        sim.act("maria", Act::HangUp);
    }
    sim.run_for(secs(1));
    for who in [by, "carla", "dora", OUTSIDE] {
        hangs_up(&mut sim, who);
    }
    sim.assert_idle();
    sim
}

#[track_caller]
fn check(cell: Cell, sim: &Sim) {
    let (by, outside) = (cell.transferor(), cell.caller == Caller::ToOutside);
    let chain = cell.outcome == Outcome::Chain;
    // who has it at last: a number outside is nobody's
    let last = match (cell.succeeds(), chain, outside) {
        (false, _, _) | (true, false, true) => by,
        // whose phone only redirects has never had it
        (true, true, true) if cell.kind == Kind::Redirect => by,
        (true, false, false) | (true, true, true) => "carla",
        (true, true, false) => "dora",
    };
    let mut owners = sim.crm.leads.iter().map(|lead| lead.owner.as_str());
    assert_eq!(owners.next(), (cell.caller != Caller::KnownClient).then_some(last), "the owner");
    assert_eq!(owners.next(), None, "one lead");
    let moves: Vec<_> = events(sim).into_iter().filter(|event| *event == "lead.reassigned").collect();
    let moved = match (cell.caller, last) {
        (Caller::KnownClient, _) | (_, "bruno") => 0,
        (_, "dora") if cell.kind != Kind::Redirect => 2,
        _ => 1,
    };
    assert_eq!(moves.len(), moved, "each move is told");

    let record = sim.crm.records.iter().min_by_key(|record| record.started).expect("a record");
    assert_eq!(record.direction, Direction::Incoming);
    let answered = cell.kind != Kind::Redirect || cell.succeeds();
    let nobody = !answered || (cell.kind == Kind::Redirect && last == by);
    assert_eq!(record.employee.as_ref().map(EmployeeId::as_str), (!nobody).then_some(last), "who talked last");
    let from = match (cell.succeeds(), chain) {
        (false, _) => None,
        (true, false) => Some(by),
        (true, true) => Some("carla"),
    };
    assert_eq!(record.transferred_from.as_ref().map(EmployeeId::as_str), from, "who handed it on");
    for record in &sim.crm.records {
        let activities = sim.crm.activities.iter().filter(|activity| activity.id == record.id).count();
        assert_eq!(activities, usize::from(record.direction != Direction::Internal), "one activity a call: {record:?}");
    }

    let times = match (cell.is_seen(), chain) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => {
            if cell.kind == Kind::Redirect {
                1
            } else {
                2
            }
        }
    };
    let result = if cell.succeeds() { "answered" } else { "failed" };
    assert_eq!(sim.transfers, vec![(cell.word(), result); times], "counted");
    let told: Vec<_> = sim.published.iter().filter(|p| p.event == "call.transferred").collect();
    assert_eq!(told.len(), if cell.succeeds() { times } else { 0 }, "told");
    assert!(told.iter().all(|p| p.kind == Some(cell.word()) && p.call.id == record.id));
    if let Some(told) = told.last() {
        let to = if outside { None } else { Some(last) };
        assert_eq!(told.to_employee.as_ref().map(EmployeeId::as_str), to, "to whom");
    }
    let notified = sim.parties.iter().filter(|(_, p)| p.name == by).find_map(|(_, p)| p.notified().last().copied());
    match cell.notified() {
        Some(code) => assert_eq!(notified, Some(code), "the last NOTIFY"),
        // who leaves may still hear it, or not
        None => assert!(matches!(notified, None | Some("100" | "200")), "the last NOTIFY: {notified:?}"),
    }
}

#[test]
fn every_kind_with_every_outcome_for_every_caller() {
    let mut played_cells = 0;
    let mut wrong = Vec::new();
    for kind in KINDS {
        for outcome in OUTCOMES {
            for caller in CALLERS {
                let cell = Cell { kind, outcome, caller };
                if !cell.is_possible() {
                    continue;
                }
                played_cells += 1;
                let cell_is_right = std::panic::catch_unwind(|| check(cell, &played(cell)));
                if cell_is_right.is_err() {
                    wrong.push(cell);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {played_cells} cells: {wrong:#?}", wrong.len());
    assert_eq!(played_cells, 9 * 5 * 3 - 2 * 5);
}
