//! The machine on a clock of its own: order, what goes side by side, what is given up, and how much.

use std::time::Duration;

use super::*;
use crate::crm::model::Write;
use crate::crm::testing::{MARIA, PAULO, START, create, number, owed, reassign, record};

struct House {
    owed: Owed,
    now: Now,
}

impl House {
    fn new() -> Self {
        let now = Now { mono: Instant::from_millis(1), wall: Wall::from_unix_millis(START) };
        let mut house = Self { owed: Owed::new(Ids::seeded(7)), now };
        // As wide open as the gate goes.
        for seq in 0..8 {
            house.owes(about(PAULO, reassign(0, seq, "ana")));
            let key = house.goes().unwrap();
            house.owed.took(key);
        }
        house
    }

    fn later(&mut self, millis: u64) {
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self.now.wall = Wall::from_unix_millis(self.now.wall.unix_millis() + i64::try_from(millis).unwrap());
    }

    fn owes(&mut self, mut write: OwedWrite) -> Key {
        write.since = self.now.wall;
        let key = self.owed.push(Waiting::new(write, self.now));
        self.owed.committed(key);
        key
    }

    fn goes(&mut self) -> Option<Key> {
        self.owed.take(self.now).map(|taken| taken.key)
    }

    fn all_that_go(&mut self) -> Vec<Key> {
        std::iter::from_fn(|| self.goes()).collect()
    }

    fn fails(&mut self, write: &OwedWrite) {
        self.owed.put_off(write, &CrmError::Unavailable, self.now).unwrap();
    }

    fn rest(&mut self) {
        let at = self.owed.next_wakeup().unwrap();
        self.now.mono = self.now.mono.max(at);
    }
}

fn about(phone: &str, write: OwedWrite) -> OwedWrite {
    OwedWrite { client: Some(number(phone)), ..write }
}

fn key(call: u64, seq: u16) -> Key {
    (CallId::from_bits(call), seq)
}

fn activity(call: u64, seq: u16, phone: &str) -> OwedWrite {
    about(phone, owed(call, seq, Write::ActivityCreate(Box::new(record(call, phone)))))
}

#[test]
fn a_later_calls_write_waits_for_what_an_earlier_one_owes_the_same_client_and_nobody_elses() {
    let mut house = House::new();
    house.owes(about(PAULO, create(2, PAULO, "bruno")));
    house.owes(activity(2, 1, PAULO));
    house.owes(about(PAULO, create(1, PAULO, "bruno")));
    house.later(1);
    house.owes(about(MARIA, create(3, MARIA, "bruno")));
    assert_eq!(house.all_that_go(), [key(2, 0), key(3, 0)]);
    house.owed.took(key(2, 0));
    assert_eq!(house.all_that_go(), [key(2, 1)]);
    house.owed.took(key(2, 1));
    assert_eq!(house.all_that_go(), [key(1, 0)]);
}

#[test]
fn a_write_is_not_sent_before_it_is_committed() {
    let mut house = House::new();
    let key = house.owed.push(Waiting::new(create(1, PAULO, "bruno"), house.now));
    assert_eq!(house.goes(), None);
    house.owed.committed(key);
    assert_eq!(house.goes(), Some(key));
}

#[test]
fn what_fails_stays_before_what_follows_it() {
    let mut house = House::new();
    let first = create(1, PAULO, "bruno");
    house.owes(first.clone());
    house.owes(reassign(1, 1, "ana"));
    assert_eq!(house.goes(), Some(key(1, 0)));
    house.fails(&first);
    assert_eq!(house.goes(), None, "not at once");
    house.rest();
    assert_eq!(house.goes(), Some(key(1, 0)));
    assert_eq!(house.owed.took(key(1, 0)), Some(2));
    assert_eq!(house.goes(), Some(key(1, 1)));
}

#[test]
fn what_is_given_up_blocks_nobody_and_takes_with_it_what_is_about_it() {
    let mut house = House::new();
    house.owes(about(PAULO, create(1, PAULO, "bruno")));
    let (moves, activity) = (about(PAULO, reassign(1, 1, "ana")), activity(1, 2, PAULO));
    assert_eq!(house.owed.lost_before(&moves), None);
    house.goes();
    let gone = house.owed.gave_up(key(1, 0), &CrmError::Refused("no".to_owned())).unwrap();
    assert_eq!((gone.attempts, gone.error.as_deref()), (1, Some("the CRM refuses: no")));
    assert_eq!(house.owed.counts().dead, 1);
    assert_eq!(house.owed.lost_before(&moves), Some(WriteKind::LeadCreate));
    assert_eq!(house.owed.lost_before(&activity), None, "a call's activity is of use without");
    house.owes(activity);
    assert_eq!(house.goes(), Some(key(1, 2)));
}

#[test]
fn what_is_given_up_unasked_is_no_sign_that_a_crm_which_was_away_is_back() {
    let mut house = House::new();
    let first = about(PAULO, create(1, PAULO, "bruno"));
    house.owes(first.clone());
    house.goes();
    for _ in 0..4 {
        house.fails(&first);
        house.rest();
        assert_eq!(house.goes(), Some(key(1, 0)));
    }
    house.owed.went_with(key(1, 0), &CrmError::Refused("what it is about was given up".to_owned()));
    let next = about(MARIA, create(2, MARIA, "ana"));
    house.owes(next.clone());
    assert_eq!(house.goes(), Some(key(2, 0)), "it finds out in the other's place");
    house.fails(&next);
    let rests = house.owed.next_wakeup().unwrap().as_micros() - house.now.mono.as_micros();
    assert!(rests > 1_000_000, "a fifth failure, not a first: {rests} µs");
}

#[test]
fn what_an_operator_brings_back_goes_before_what_its_call_owes_after_it() {
    let mut house = House::new();
    let first = about(PAULO, create(1, PAULO, "bruno"));
    house.owes(first.clone());
    house.goes();
    let back = house.owed.gave_up(key(1, 0), &CrmError::Refused("no".to_owned())).unwrap();
    house.later(5_000);
    house.owes(activity(1, 1, PAULO));
    house.owed.revive(key(1, 0), Waiting { next_at: house.now.mono, ..back });
    assert_eq!((house.owed.counts().owed, house.owed.counts().dead), (2, 0));
    assert_eq!(house.all_that_go(), [key(1, 0)]);
    house.owed.took(key(1, 0));
    assert_eq!(house.all_that_go(), [key(1, 1)]);
}

#[test]
fn what_an_operator_drops_while_it_is_under_way_holds_nobody_up() {
    let mut house = House::new();
    house.owes(about(PAULO, create(1, PAULO, "bruno")));
    house.owes(activity(2, 0, PAULO));
    assert_eq!(house.all_that_go(), [key(1, 0)]);
    house.owed.forget(key(1, 0));
    assert_eq!(house.all_that_go(), [], "its answer is not in");
    assert_eq!(house.owed.took(key(1, 0)), None);
    assert_eq!(house.all_that_go(), [key(2, 0)]);
}

#[test]
fn a_date_set_back_by_an_hour_changes_no_order_and_puts_nothing_off() {
    let mut house = House::new();
    house.owes(about(PAULO, create(1, PAULO, "bruno")));
    house.now.wall = Wall::from_unix_millis(START - 3_600_000);
    house.owes(activity(2, 0, PAULO));
    for wanted in [key(1, 0), key(2, 0)] {
        assert_eq!(house.all_that_go(), [wanted]);
        house.owed.took(wanted);
    }
}

#[test]
fn a_call_is_forgotten_once_it_is_over_and_owes_nothing() {
    let mut house = House::new();
    let call = CallId::from_bits(1);
    house.owes(create(1, PAULO, "bruno"));
    house.goes();
    house.owed.took(key(1, 0));
    assert!(!house.owed.settles(call), "it is up");
    house.owes(reassign(1, 1, "ana"));
    house.owed.end(call);
    house.goes();
    house.owed.gave_up(key(1, 1), &CrmError::Refused("no".to_owned()));
    assert!(!house.owed.settles(call), "an operator may bring that back");
    house.owed.forget(key(1, 1));
    assert!(house.owed.settles(call));
}

#[test]
fn while_the_crm_is_away_one_of_many_clients_asks_and_each_in_its_turn() {
    let mut house = House::new();
    let writes: Vec<_> = (1..=50).map(|n| about(&format!("+55119{n:08}"), create(n, PAULO, "bruno"))).collect();
    writes.iter().for_each(|write| _ = house.owes(write.clone()));
    let mut first = house.all_that_go();
    assert_eq!(first.len(), super::super::gate::AT_ONCE);
    let write = |key: Key| writes.iter().find(|write| (write.call, write.seq) == key).unwrap();
    first.drain(..).for_each(|key| house.fails(write(key)));
    let began = house.now.mono;
    let mut asked = Vec::new();
    while house.now.mono.since(began) < Duration::from_secs(600) {
        house.rest();
        let went = house.all_that_go();
        assert_eq!(went.len(), 1);
        house.fails(write(went[0]));
        asked.push(went[0]);
    }
    assert!(asked.len() < 60, "{} tries in ten minutes", asked.len());
    let fresh: BTreeSet<_> = asked.iter().collect();
    assert!(fresh.len() > 20, "one that cannot be taken does not speak for all");
}

/// Many clients, calls, failures, refusals and drops by a seed: everything goes once, in each client's order.
#[test]
fn whatever_fails_every_write_goes_through_once_and_each_clients_in_order() {
    for seed in 0..200 {
        let mut chance = Ids::seeded(seed);
        let mut house = House { owed: Owed::new(chance.fork()), ..House::new() };
        let mut told: HashMap<PhoneNumber, Vec<Key>> = HashMap::new();
        let mut went: HashMap<PhoneNumber, Vec<Key>> = HashMap::new();
        let mut under_way: Vec<OwedWrite> = Vec::new();
        let mut writes: HashMap<Key, OwedWrite> = HashMap::new();
        let mut seqs = [0; 40];
        while writes.len() < 300 || house.owed.counts().owed > 0 {
            if writes.len() < 300 && chance.below(3) > 0 {
                let call = chance.below(40);
                let phone = format!("+55119{:08}", call % 12);
                let at = usize::try_from(call).unwrap();
                let seq = seqs[at];
                seqs[at] += 1;
                let key = house.owes(activity(call, seq, &phone));
                writes.insert(key, activity(call, seq, &phone));
                told.entry(number(&phone)).or_default().push(key);
            }
            house.later(chance.below(50));
            while let Some(taken) = house.owed.take(house.now) {
                under_way.push(taken.write.unwrap());
            }
            if under_way.is_empty() {
                if house.owed.next_wakeup().is_some() {
                    house.rest();
                }
                continue;
            }
            let at = usize::try_from(chance.below(under_way.len() as u64)).unwrap();
            let write = under_way.swap_remove(at);
            let key = (write.call, write.seq);
            match chance.below(10) {
                0..4 => house.fails(&write),
                4 => {
                    let error = CrmError::Refused("no".to_owned());
                    assert!(house.owed.gave_up(key, &error).is_some());
                    went.entry(write.client.unwrap()).or_default().push(key);
                }
                _ => {
                    assert!(house.owed.took(key).is_some());
                    went.entry(write.client.unwrap()).or_default().push(key);
                }
            }
            assert!(under_way.len() <= super::super::gate::AT_ONCE);
            let clients: BTreeSet<_> = under_way.iter().map(|write| write.client).collect();
            assert_eq!(clients.len(), under_way.len(), "seed {seed}: one at a time for each client");
        }
        assert_eq!(told, went, "seed {seed}");
        assert_eq!(house.owed.counts().oldest, None);
        assert!(house.owed.lanes.is_empty() && house.owed.due.is_empty() && house.owed.under_way.is_empty());
    }
}

#[test]
fn of_a_hundred_thousand_writes_few_are_kept_and_each_next_one_is_found_at_once() {
    let mut house = House::new();
    for n in 0..100_000_u64 {
        let phone = format!("+55119{:08}", n % 40_000);
        house.owes(activity(n + 1, 0, &phone));
        house.later(u64::from(n % 10 == 0));
    }
    assert_eq!(house.owed.counts().owed, 100_000);
    assert!(house.owed.kept <= KEPT + 1, "{} are kept in memory", house.owed.kept);
    let mut last = CallId::from_bits(0);
    for _ in 0..20_000 {
        let key = house.goes().unwrap();
        assert!(key.0 > last, "the one that has waited longest goes first");
        last = key.0;
        house.owed.took(key);
    }
    assert_eq!(house.owed.counts().owed, 80_000);
}
