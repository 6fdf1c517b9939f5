//! Each rule of a call's route and of queues.

use super::super::directory::{Hours, NumbersOut};
use super::super::testing::{LINE, Office, employee, house, phone, queue};
use super::*;
use crate::crm::model::{EntityKind, EntityRef, Exclusion, NoAnswer};

const UNKNOWN: Lookup = Lookup::Unknown { fresh: None };

fn known(responsible: &str) -> Lookup {
    let responsible = (!responsible.is_empty()).then(|| responsible.into());
    let entity = EntityRef { kind: EntityKind::Contact, id: 7 };
    Lookup::Known(Known {
        entity,
        name: None,
        responsible,
        absent: None,
        why: "the only match".into(),
        passed_over: vec![],
    })
}

/// 2026-11-24, a Tuesday, at this time in São Paulo (UTC-3).
fn tuesday(hour: i64, minute: i64) -> Wall {
    day(24, hour, minute)
}

/// A day of November 2026 at this time in São Paulo.
fn day(day: i64, hour: i64, minute: i64) -> Wall {
    // 1793491200: 2026-11-01T00:00:00Z
    Wall::from_unix_millis((1_793_491_200 + ((day - 1) * 24 + hour + 3) * 3600 + minute * 60) * 1000)
}

fn office_hours(open: Vec<(u8, u16, u16)>) -> Hours {
    let timezone = jiff::tz::TimeZone::get("America/Sao_Paulo").expect("a zone of the database");
    Hours { open, timezone, holidays_yearly: vec![(12, 25)], holidays_once: vec![jiff::civil::date(2026, 11, 20)] }
}

fn steps_of(plan: &Plan) -> Vec<String> {
    let seconds = |ring: &Ring| ring.ring.as_secs();
    let steps = plan.steps.iter().map(|step| match step {
        Step::Ring(ring) => {
            let who: Vec<&str> = ring.who.iter().map(Destination::label).collect();
            let queue = ring.queue.as_ref().map(|queue| format!(" in {queue}")).unwrap_or_default();
            format!("{} {}s{queue}", who.join("+"), seconds(ring))
        }
        Step::Queue { name, .. } => format!("queue {name}"),
        Step::Voicemail { .. } => "voicemail".to_owned(),
        Step::Hangup { .. } => "hangup".to_owned(),
    });
    steps.collect()
}

fn passed_over(plan: &Plan) -> Vec<String> {
    let all = plan.decisions.iter().flat_map(|decision| &decision.passed_over);
    all.map(|passed| format!("{}: {}", passed.what, passed.why)).collect()
}

#[track_caller]
fn planned(dir: &Directory, lookup: &Lookup, office: &Office) -> Plan {
    planned_at(dir, lookup, office, tuesday(10, 0))
}

#[track_caller]
fn planned_at(dir: &Directory, lookup: &Lookup, office: &Office, now: Wall) -> Plan {
    let line = dir.line(phone(LINE)).expect("the house's line");
    let plan = plan(dir, &Asked { line, lookup, rung: &[], now }, office);
    assert_eq!(plan.steps.len(), plan.decisions.len(), "one decision for each step");
    assert!(matches!(plan.steps.last(), Some(Step::Hangup { .. } | Step::Voicemail { .. })), "{:?}", plan.steps);
    plan
}

#[track_caller]
fn steps(dir: &Directory, lookup: &Lookup, office: &Office) -> Vec<String> {
    steps_of(&planned(dir, lookup, office))
}

/// What a live call does that asks again after each step: the labels that it rang, in order.
fn walked(dir: &Directory, lookup: &Lookup, office: &Office) -> Vec<String> {
    let line = dir.line(phone(LINE)).expect("the house's line");
    let (mut rung, mut log) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let plan = next(dir, &Asked { line, lookup, rung: &rung, now: tuesday(10, 0) }, office);
        match plan.first().expect("a plan has an end").0 {
            Step::Ring(ring) => {
                log.push(ring.who.iter().map(Destination::label).collect::<Vec<_>>().join("+"));
                rung.extend(ring.who.iter().cloned());
            }
            _ => return log,
        }
    }
    panic!("the walk has no end: {log:?}");
}

#[test]
fn an_unknown_caller_goes_to_the_lines_queue_in_file_order() {
    let expected = ["queue sales", "bruno 20s in sales", "carla 20s in sales", "ana 20s in sales", "hangup"];
    assert_eq!(steps(&house().build(), &UNKNOWN, &Office::new()), expected);
}

#[test]
fn excluded_and_undetermined_callers_are_routed_like_unknown_ones() {
    let dir = house().build();
    let routed = steps(&dir, &UNKNOWN, &Office::new());
    for lookup in [
        Lookup::Excluded(Exclusion::Anonymous),
        Lookup::Excluded(Exclusion::Exception("+5511987654321".into())),
        Lookup::Undetermined(NoAnswer::Deadline),
        Lookup::Undetermined(NoAnswer::Unavailable),
    ] {
        let plan = planned(&dir, &lookup, &Office::new());
        assert_eq!(steps_of(&plan), routed);
        let word = lookup.kind().as_str();
        assert!(plan.decisions[0].why.starts_with(word), "names the lookup: {}", plan.decisions[0].why);
    }
}

#[test]
fn a_known_callers_responsible_rings_alone_before_the_queue_and_is_not_rung_twice() {
    let dir = house().line(|line| line.responsible_ring = Duration::from_secs(12)).build();
    let plan = planned(&dir, &known("ana"), &Office::new());
    assert_eq!(steps_of(&plan), ["ana 12s", "queue sales", "bruno 20s in sales", "carla 20s in sales", "hangup"]);
    assert_eq!(passed_over(&plan), ["ana: already rung in this call"]);
    assert!(plan.decisions[0].why.contains("known") && plan.decisions[0].why.contains("contact:7"));
}

#[test]
fn a_responsible_who_is_not_rung_leaves_the_call_to_the_queue_at_once_with_the_reason() {
    let off = |presence| Office::new().presence("ana", presence);
    for (responsible, office, reason) in [
        ("zoe", Office::new(), Some("zoe: unknown to the files")),
        ("ana", off(Presence::Away), Some("ana: away")),
        ("ana", off(Presence::Off), Some("ana: off")),
        ("", Office::new(), None),
    ] {
        // `unanswered` is not asked: she never was to be rung.
        let dir = house().line(|line| line.unanswered = Fallback::Hangup).build();
        let plan = planned(&dir, &known(responsible), &office);
        assert_eq!(steps_of(&plan)[0], "queue sales", "{responsible}");
        assert_eq!(passed_over(&plan).first().map(String::as_str), reason);
    }
}

#[test]
fn a_line_may_leave_known_callers_to_its_queue() {
    let dir = house().line(|line| line.route_to_responsible = false).build();
    let plan = planned(&dir, &known("ana"), &Office::new());
    assert_eq!(steps_of(&plan)[..2], ["queue sales", "bruno 20s in sales"]);
    assert_eq!(passed_over(&plan), ["ana: the line does not route to the responsible"]);
}

#[test]
fn a_responsible_who_talks_is_rung_all_the_same() {
    assert_eq!(steps(&house().build(), &known("ana"), &Office::new().busy("ana"))[0], "ana 20s");
}

#[test]
fn a_responsible_who_can_be_reached_nowhere_counts_as_one_who_did_not_answer() {
    let unreachable = house().employee("ana", |ana| ana.extension = Some("999".into()));
    let dir = unreachable.line(|line| line.unanswered = Fallback::Hangup).build();
    let plan = planned(&dir, &known("ana"), &Office::new());
    assert_eq!(steps_of(&plan), ["hangup"]);
    assert_eq!(passed_over(&plan), ["ana: unreachable: no PBX serves extension 999"]);
    let dir = house().employee("ana", |ana| ana.extension = None).build();
    assert_eq!(steps(&dir, &known("ana"), &Office::new())[0], "queue sales");
}

#[test]
fn the_lines_unanswered_says_what_follows_the_responsible() {
    let after = |rule: Fallback| {
        let dir = house().line(|line| line.unanswered = rule).build();
        steps(&dir, &known("carla"), &Office::new())[1..].to_vec()
    };
    assert_eq!(after(Fallback::LineQueue), ["queue sales", "bruno 20s in sales", "ana 20s in sales", "hangup"]);
    assert_eq!(after(Fallback::Hangup), ["hangup"]);
    assert_eq!(after(Fallback::Voicemail), ["hangup"]);
    assert_eq!(after(Fallback::Mobile), ["+5511912345678 20s", "hangup"]);
    assert_eq!(after(Fallback::Employee("dora".into())), ["dora 20s", "hangup"]);
    assert_eq!(after(Fallback::Forward(phone("+552133334444"))), ["+552133334444 60s", "hangup"]);
    assert_eq!(after(Fallback::Queue("support".into())), ["queue support", "dora 20s in support", "hangup"]);
}

#[test]
fn voicemail_hangs_up_in_this_release_and_says_why() {
    let dir = house().line(|line| line.unanswered = Fallback::Voicemail).build();
    let plan = planned(&dir, &known("ana"), &Office::new());
    assert_eq!(passed_over(&plan), ["voicemail: voicemail comes with the media"]);
    assert!(plan.steps[1].why().contains("voicemail comes with the media"));
}

#[test]
fn a_mobile_rings_as_hers_by_the_lines_trunk_in_the_trunks_way_of_writing() {
    let house = house().line(|line| line.unanswered = Fallback::Mobile);
    let dir = house.trunk(|trunk| trunk.numbers_out = NumbersOut::National).build();
    let plan = planned(&dir, &known("carla"), &Office::new());
    let Step::Ring(ring) = &plan.steps[1] else { panic!("{:?}", plan.steps) };
    assert_eq!(ring.who[0].employee(), Some(&"carla".into()));
    assert_eq!(ring.who[0].label(), "11912345678");
    assert!(matches!(&ring.who[0], Destination::Outside { line, .. } if *line == phone(LINE)));
}

#[test]
fn without_a_mobile_in_the_files_the_queue_takes_the_call() {
    let dir = house().line(|line| line.unanswered = Fallback::Mobile).build();
    let plan = planned(&dir, &known("ana"), &Office::new());
    assert_eq!(steps_of(&plan)[..3], ["ana 20s", "queue sales", "bruno 20s in sales"]);
    assert!(passed_over(&plan).contains(&"mobile of ana: the files name none".to_owned()));
}

#[test]
fn evenly_rings_the_longest_idle_first_and_those_never_rung_before_all() {
    let dir = house().queue("sales", |queue| queue.distribution = Distribution::Evenly).build();
    let order = |office: Office| {
        let steps = steps(&dir, &UNKNOWN, &office);
        steps[1..4].iter().map(|step| step.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(Office::new()), ["bruno", "carla", "ana"], "ties in file order");
    assert_eq!(order(Office::new().rung_at("bruno", 5)), ["carla", "ana", "bruno"], "never rung first");
    let all = Office::new().rung_at("bruno", 9).rung_at("carla", 7).rung_at("ana", 8);
    assert_eq!(order(all), ["carla", "ana", "bruno"]);
    let tie = Office::new().rung_at("bruno", 7).rung_at("carla", 7).rung_at("ana", 3);
    assert_eq!(order(tie), ["ana", "bruno", "carla"]);
}

#[test]
fn as_enqueued_does_not_look_at_who_was_rung_last() {
    let steps = steps(&house().build(), &UNKNOWN, &Office::new().rung_at("bruno", 9));
    assert_eq!(steps[1], "bruno 20s in sales");
}

#[test]
fn everybody_rings_at_once_but_for_those_passed_over() {
    let dir = house().queue("sales", |queue| queue.distribution = Distribution::Everybody).build();
    let plan = planned(&dir, &UNKNOWN, &Office::new().presence("carla", Presence::Away));
    assert_eq!(steps_of(&plan), ["queue sales", "bruno+ana 20s in sales", "hangup"]);
    assert_eq!(passed_over(&plan), ["carla: away"]);
    assert_eq!(walked(&dir, &known("ana"), &Office::new()), ["ana", "bruno+carla"]);
}

#[test]
fn members_are_passed_over_each_with_its_reason() {
    let house = house().employee("carla", |carla| carla.extension = None);
    let house = house.queue("sales", |queue| queue.members.push("zoe".into()));
    let office = Office::new().presence("bruno", Presence::Off).presence("ana", Presence::Away);
    let plan = planned(&house.build(), &UNKNOWN, &office);
    assert_eq!(steps_of(&plan), ["queue sales", "hangup"]);
    let all = ["bruno: off", "carla: unreachable: she has no extension", "ana: away", "zoe: unknown to the files"];
    assert_eq!(passed_over(&plan), all);
    assert_eq!(plan.steps[1].why(), "nobody in queue sales can be rung");
}

#[test]
fn a_member_who_talks_is_rung_unless_the_queue_skips_busy_ones() {
    let office = Office::new().busy("bruno");
    assert_eq!(steps(&house().build(), &UNKNOWN, &office)[1], "bruno 20s in sales");
    let plan = planned(&house().queue("sales", |queue| queue.skip_busy = true).build(), &UNKNOWN, &office);
    assert_eq!(steps_of(&plan)[1], "carla 20s in sales");
    assert_eq!(passed_over(&plan), ["bruno: in a call"]);
}

#[test]
fn the_queues_unanswered_says_what_follows_its_members() {
    let after = |rule: Fallback| {
        let dir = house().queue("sales", |queue| queue.unanswered = rule).build();
        steps(&dir, &UNKNOWN, &Office::new())[4..].to_vec()
    };
    assert_eq!(after(Fallback::Hangup), ["hangup"]);
    assert_eq!(after(Fallback::Voicemail), ["hangup"]);
    assert_eq!(after(Fallback::Wait), ["hangup"]);
    assert_eq!(after(Fallback::Forward(phone("+552133334444"))), ["+552133334444 60s", "hangup"]);
    assert_eq!(after(Fallback::Employee("dora".into())), ["dora 20s", "hangup"]);
    assert_eq!(after(Fallback::Queue("support".into())), ["queue support", "dora 20s in support", "hangup"]);
    // A member of the queue has been rung by then.
    assert_eq!(after(Fallback::Employee("ana".into())), ["hangup"]);
}

#[test]
fn queues_that_lead_back_to_each_other_end() {
    let house = house().queue("sales", |queue| queue.unanswered = Fallback::Queue("support".into()));
    let dir = house.queue("support", |queue| queue.unanswered = Fallback::Queue("sales".into())).build();
    let plan = planned(&dir, &UNKNOWN, &Office::new());
    assert_eq!(steps_of(&plan)[4..], ["queue support", "dora 20s in support", "hangup"]);
    assert_eq!(passed_over(&plan), ["queue sales: the call went through it already"]);
    assert_eq!(walked(&dir, &UNKNOWN, &Office::new()), ["bruno", "carla", "ana", "dora"]);
}

#[test]
fn asking_again_after_each_step_walks_the_same_way_as_one_plan() {
    let house = house().queue("sales", |queue| queue.unanswered = Fallback::Queue("support".into()));
    let forward = Fallback::Forward(phone("+552133334444"));
    let dir = house.queue("support", |queue| queue.unanswered = forward).build();
    let walk = walked(&dir, &known("carla"), &Office::new());
    assert_eq!(walk, ["carla", "bruno", "ana", "dora", "+552133334444"]);
    let planned = planned(&dir, &known("carla"), &Office::new());
    let rings = planned.steps.iter().filter_map(|step| match step {
        Step::Ring(ring) => Some(ring.who[0].label().to_owned()),
        _ => None,
    });
    assert_eq!(walk, rings.collect::<Vec<_>>());
}

#[test]
fn a_responsible_who_was_rung_and_then_went_away_still_leads_to_unanswered() {
    let dir = house().line(|line| line.unanswered = Fallback::Mobile).build();
    let line = dir.line(phone(LINE)).unwrap();
    let rung = [reach::employee(&dir, dir.employee(&"carla".into()).unwrap()).unwrap()];
    let office = Office::new().presence("carla", Presence::Away);
    let plan = plan(&dir, &Asked { line, lookup: &known("carla"), rung: &rung, now: tuesday(10, 0) }, &office);
    assert_eq!(steps_of(&plan), ["+5511912345678 20s", "hangup"]);
}

#[test]
fn a_mobile_that_was_rung_is_not_rung_again() {
    let dir = house().line(|line| line.unanswered = Fallback::Mobile).build();
    assert_eq!(walked(&dir, &known("carla"), &Office::new()), ["carla", "+5511912345678"]);
}

#[test]
fn a_forward_to_a_mobile_that_was_rung_is_not_rung_again() {
    let house = house().line(|line| line.unanswered = Fallback::Mobile);
    let dir = house.employee("carla", |carla| carla.extension = None).build();
    let line = dir.line(phone(LINE)).unwrap();
    let mobile = phone("+5511912345678");
    let rung = [reach::outside(&dir, line, mobile, None)];
    let plan = plan(&dir, &Asked { line, lookup: &known("carla"), rung: &rung, now: tuesday(10, 0) }, &Office::new());
    assert_eq!(steps_of(&plan), ["hangup"]);
}

#[test]
fn a_queue_that_was_dialled_is_planned_without_a_line() {
    let forward = Fallback::Forward(phone("+552133334444"));
    let dir = house().queue("support", |queue| queue.unanswered = forward).build();
    let plan = next_in_queue(&dir, &"support".into(), None, &[], &Office::new());
    assert_eq!(steps_of(&plan), ["queue support", "dora 20s in support"]);
    let dora = reach::employee(&dir, dir.employee(&"dora".into()).unwrap()).unwrap();
    let plan = next_in_queue(&dir, &"support".into(), None, std::slice::from_ref(&dora), &Office::new());
    assert_eq!(steps_of(&plan), ["queue support", "hangup"]);
    assert_eq!(passed_over(&plan), ["dora: already rung in this call", "+552133334444: no line to forward by"]);
    let line = dir.lines.first().map(|line| &**line);
    let plan = next_in_queue(&dir, &"support".into(), line, &[dora], &Office::new());
    assert_eq!(steps_of(&plan)[1], "+552133334444 60s");
}

#[test]
fn out_of_hours_the_off_hours_rule_takes_every_call() {
    let closed = |rule: Fallback, lookup: Lookup| {
        let dir = house()
            .line(|line| {
                line.hours = Some(office_hours((1..=5).map(|day| (day, 480, 1080)).collect()));
                line.off_hours = rule;
            })
            .build();
        steps_of(&planned_at(&dir, &lookup, &Office::new(), tuesday(18, 0)))
    };
    assert_eq!(closed(Fallback::Hangup, known("ana")), ["hangup"]);
    assert_eq!(closed(Fallback::Voicemail, UNKNOWN), ["hangup"]);
    assert_eq!(closed(Fallback::Forward(phone("+552133334444")), UNKNOWN), ["+552133334444 60s", "hangup"]);
    assert_eq!(closed(Fallback::Queue("support".into()), UNKNOWN)[0], "queue support");
}

#[test]
fn hours_are_the_lines_own_and_holidays_close_it() {
    let at = |open: Vec<(u8, u16, u16)>, now: Wall| {
        let dir = house().line(|line| line.hours = Some(office_hours(open))).build();
        hours::closed(&dir.lines[0], now)
    };
    let weekdays = || (1..=5).map(|day| (day, 480, 1080)).collect::<Vec<_>>();
    assert_eq!(at(weekdays(), tuesday(8, 0)), None, "the first minute counts");
    assert_eq!(at(weekdays(), tuesday(17, 59)), None);
    assert!(at(weekdays(), tuesday(18, 0)).is_some_and(|why| why.contains("Tue 18:00 in America/Sao_Paulo")));
    assert!(at(weekdays(), tuesday(7, 59)).is_some());
    assert!(at(weekdays(), day(28, 10, 0)).is_some(), "a Saturday");
    assert!(at(weekdays(), day(20, 10, 0)).is_some_and(|why| why.contains("holiday")), "a Friday, closed once");
    assert!(at(weekdays(), day(25 + 30, 10, 0)).is_some_and(|why| why.contains("2026-12-25")), "closed each year");
    let night = || vec![(2, 1320, 1440), (3, 0, 360)];
    assert_eq!(at(night(), tuesday(22, 0)), None);
    assert_eq!(at(night(), day(25, 5, 59)), None, "past midnight");
    assert!(at(night(), day(25, 6, 0)).is_some());
    assert!(at(night(), tuesday(5, 0)).is_some(), "Monday had none");
    let whole_day = || (1..=7).map(|day| (day, 0, 1440)).collect::<Vec<_>>();
    assert_eq!(at(whole_day(), tuesday(23, 59)), None);
    assert_eq!(hours::closed(&house().build().lines[0], day(20, 3, 0)), None, "no hours: always open");
}

/// Why a line with these hours is closed at a moment of this zone.
fn closed_in(zone: &str, hours: Hours, at: &str) -> Option<String> {
    let timezone = jiff::tz::TimeZone::get(zone).expect("a zone of the database");
    let at = at.parse::<jiff::Timestamp>().expect("a moment");
    let dir = house().line(|line| line.hours = Some(Hours { timezone, ..hours })).build();
    hours::closed(&dir.lines[0], Wall::from_unix_millis(at.as_millisecond()))
}

#[test]
fn hours_follow_the_clock_on_the_wall_when_summer_time_begins_and_ends() {
    let nine_to_five = || office_hours((1..=7).map(|day| (day, 540, 1020)).collect());
    // New York: UTC-4 until 2026-11-01T06:00Z, UTC-5 from then on; UTC-4 again from 2027-03-14T07:00Z.
    for (at, open) in [
        ("2026-10-31T13:00:00Z", true),
        ("2026-10-31T12:59:59Z", false),
        ("2026-11-01T13:30:00Z", false),
        ("2026-11-01T14:00:00Z", true),
        ("2027-03-13T13:30:00Z", false),
        ("2027-03-14T13:00:00Z", true),
    ] {
        assert_eq!(closed_in("America/New_York", nine_to_five(), at).is_none(), open, "{at}");
    }
    // The hour from one to two comes twice in autumn; the one from two to three is left out in spring.
    let at_night = || office_hours(vec![(7, 60, 120)]);
    for at in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
        assert_eq!(closed_in("America/New_York", at_night(), at), None, "{at}");
    }
    let left_out = || office_hours(vec![(7, 120, 180)]);
    for at in ["2027-03-14T06:59:59Z", "2027-03-14T07:00:00Z", "2027-03-14T07:59:59Z"] {
        assert!(closed_in("America/New_York", left_out(), at).is_some(), "{at}");
    }
    // São Paulo has had no summer time since 2019.
    assert_eq!(closed_in("America/Sao_Paulo", nine_to_five(), "2026-11-01T12:00:00Z"), None);
    assert_eq!(closed_in("America/Sao_Paulo", nine_to_five(), "2027-01-15T12:00:00Z"), None);
    assert!(closed_in("America/Sao_Paulo", nine_to_five(), "2018-12-01T11:00:00Z").is_none(), "it had then");
}

#[test]
fn a_year_ends_at_midnight_of_the_lines_own_zone() {
    let all_week = |holidays_yearly| Hours { holidays_yearly, ..office_hours((1..=7).map(|d| (d, 0, 1440)).collect()) };
    let new_year = || all_week(vec![(1, 1)]);
    for (at, open) in [
        ("2027-01-01T02:59:59Z", true),
        ("2027-01-01T03:00:00Z", false),
        ("2027-01-02T02:59:59Z", false),
        ("2027-01-02T03:00:00Z", true),
    ] {
        assert_eq!(closed_in("America/Sao_Paulo", new_year(), at).is_none(), open, "{at}");
    }
    assert_eq!(closed_in("Pacific/Auckland", new_year(), "2026-12-31T10:59:59Z"), None);
    assert!(
        closed_in("Pacific/Auckland", new_year(), "2026-12-31T11:00:00Z").is_some_and(|why| why.contains("2027-01-01"))
    );
    let leap_day = || all_week(vec![(2, 29)]);
    assert!(closed_in("America/Sao_Paulo", leap_day(), "2028-02-29T12:00:00Z").is_some());
    assert_eq!(closed_in("America/Sao_Paulo", leap_day(), "2027-03-01T12:00:00Z"), None, "a year without one");
    // A night before a holiday ends with its day: a holiday closes from midnight to midnight.
    let nights = || Hours { holidays_yearly: vec![(12, 25)], ..office_hours(vec![(4, 1320, 1440), (5, 0, 360)]) };
    assert_eq!(closed_in("America/Sao_Paulo", nights(), "2026-12-25T02:30:00Z"), None, "the 24th, half past eleven");
    assert!(closed_in("America/Sao_Paulo", nights(), "2026-12-25T03:30:00Z").is_some());
}

#[test]
fn off_hours_name_whom_they_pass_over() {
    let night = |off_hours| {
        house().line(|line| {
            line.hours = Some(office_hours(vec![(2, 480, 1080)]));
            line.off_hours = off_hours;
        })
    };
    let over =
        |rule, lookup: Lookup| passed_over(&planned_at(&night(rule).build(), &lookup, &Office::new(), tuesday(20, 0)));
    let closed = |what: &str| format!("{what}: the line is closed");
    assert_eq!(over(Fallback::Hangup, known("ana")), [closed("ana"), closed("queue sales")]);
    assert_eq!(over(Fallback::Hangup, UNKNOWN), [closed("queue sales")]);
    assert!(over(Fallback::Queue("sales".into()), UNKNOWN).is_empty());
}

#[test]
fn a_responsible_whom_the_crm_says_to_be_absent_is_passed_over_with_its_word() {
    let Lookup::Known(known) = known("ana") else { unreachable!() };
    let absent = Lookup::Known(Known { absent: Some("on holiday until 2026-12-01".to_owned()), ..known });
    let dir = house().build();
    let plan = planned(&dir, &absent, &Office::new());
    // As a member of the queue she is rung all the same: the CRM's word is on her clients.
    assert_eq!(
        steps_of(&plan),
        ["queue sales", "bruno 20s in sales", "carla 20s in sales", "ana 20s in sales", "hangup"]
    );
    assert_eq!(passed_over(&plan), ["ana: on holiday until 2026-12-01"]);
    assert_eq!(plan.decisions[0].why, "known, but ana, responsible for contact:7, is on holiday until 2026-12-01");
    assert_eq!(walked(&dir, &absent, &Office::new()), ["bruno", "carla", "ana"]);
    // What the files say of her counts first.
    let plan = planned(&dir, &absent, &Office::new().presence("ana", Presence::Off));
    assert!(passed_over(&plan).iter().all(|passed| passed == "ana: off"), "{:?}", passed_over(&plan));
}

#[test]
fn a_fallback_to_an_employee_who_is_away_hangs_up_with_the_reason() {
    let dir = house().queue("sales", |queue| queue.unanswered = Fallback::Employee("dora".into())).build();
    let plan = planned(&dir, &UNKNOWN, &Office::new().presence("dora", Presence::Away));
    assert!(plan.steps.last().is_some_and(|step| step.why().contains("dora is passed over: away")));
}

#[test]
fn every_step_has_a_reason_and_says_so_in_its_decision() {
    let dir = house().with(|dir| dir.employees.push(std::sync::Arc::new(employee("eva", "205"))));
    let dir = dir.with(|dir| dir.queues.push(std::sync::Arc::new(queue("night", &["eva"])))).build();
    for lookup in [UNKNOWN, known("ana"), known(""), known("zoe")] {
        let plan = planned(&dir, &lookup, &Office::new());
        for (step, decision) in plan.steps.iter().zip(&plan.decisions) {
            assert!(!step.why().is_empty());
            assert_eq!(step.why(), decision.why);
        }
    }
}

mod whatever_the_house {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> impl Strategy<Value = Fallback> {
        prop_oneof![
            Just(Fallback::Hangup),
            Just(Fallback::Voicemail),
            Just(Fallback::LineQueue),
            Just(Fallback::Mobile),
            Just(Fallback::Wait),
            Just(Fallback::Forward(phone("+552133334444"))),
            prop::sample::select(vec!["ana", "carla", "dora", "zoe"]).prop_map(|id| Fallback::Employee(id.into())),
            prop::sample::select(vec!["sales", "support", "nowhere"]).prop_map(|name| Fallback::Queue(name.into())),
        ]
    }

    fn distribution() -> impl Strategy<Value = Distribution> {
        prop::sample::select(vec![Distribution::AsEnqueued, Distribution::Evenly, Distribution::Everybody])
    }

    fn office() -> impl Strategy<Value = Office> {
        let state = prop::sample::select(vec![Presence::Available, Presence::Available, Presence::Away, Presence::Off]);
        let each = (state, any::<bool>(), prop::option::of(0..3_i64));
        prop::collection::vec(each, 4).prop_map(|states| {
            let people = ["ana", "bruno", "carla", "dora"].into_iter().zip(states);
            people.fold(Office::new(), |office, (id, (presence, busy, rung))| {
                let office = office.presence(id, presence);
                let office = if busy { office.busy(id) } else { office };
                rung.map_or(office.clone(), |minute| office.rung_at(id, minute))
            })
        })
    }

    fn lookups() -> impl Strategy<Value = Lookup> {
        let ids = vec!["ana", "bruno", "carla", "dora", "zoe", ""];
        prop_oneof![Just(UNKNOWN), prop::sample::select(ids).prop_map(known)]
    }

    proptest! {
        #[test]
        fn a_plan_ends_rings_nobody_twice_and_is_the_walk_of_its_steps(
            (line_rule, sales_rule, support_rule) in (rule(), rule(), rule()),
            (sales, support) in (distribution(), distribution()),
            skip_busy in any::<bool>(),
            office in office(),
            lookup in lookups(),
        ) {
            let house = house().line(|line| line.unanswered = line_rule);
            let house = house.queue("sales", |queue| {
                (queue.unanswered, queue.distribution, queue.skip_busy) = (sales_rule, sales, skip_busy);
            });
            let dir = house.queue("support", |queue| (queue.unanswered, queue.distribution) = (support_rule, support));
            let dir = dir.build();
            let plan = planned(&dir, &lookup, &office);
            let rings = plan.steps.iter().filter_map(|step| match step {
                Step::Ring(ring) => Some(ring.who.iter().map(Destination::label).collect::<Vec<_>>().join("+")),
                _ => None,
            });
            let rings: Vec<String> = rings.collect();
            prop_assert_eq!(&walked(&dir, &lookup, &office), &rings);
            let mut each: Vec<&str> = rings.iter().flat_map(|ring| ring.split('+').filter(|who| !who.is_empty())).collect();
            let all = each.len();
            each.sort_unstable();
            each.dedup();
            prop_assert_eq!(each.len(), all);
            let ends = plan.steps.iter().filter(|step| matches!(step, Step::Hangup { .. } | Step::Voicemail { .. }));
            prop_assert_eq!(ends.count(), 1);
        }
    }
}

#[test]
fn who_has_a_password_and_no_pbx_is_rung_once_a_phone_of_hers_has_registered() {
    let dir = house()
        .employee("bruno", |bruno| {
            bruno.extension = Some("301".into());
            bruno.password = Some(crate::base::Secret::new("x".into()));
        })
        .build();
    let line = dir.lines[0].clone();
    let asked = Asked { line: &line, lookup: &Lookup::Unknown { fresh: None }, rung: &[], now: Wall::default() };
    let first = |office: &Office| match next(&dir, &asked, office).first() {
        Some((Step::Ring(ring), _)) => ring.who[0].label().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(first(&Office::new()), "carla");
    assert_eq!(first(&Office::new().registered("bruno")), "bruno");
}
