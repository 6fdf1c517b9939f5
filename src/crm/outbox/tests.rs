//! The outbox over the embedded CRM: order, cut-off and back, kill and restart, operators.

use super::*;
use crate::crm::embedded::Edit;
use crate::crm::model::{Lookup, Write};
use crate::crm::testing::*;
use crate::crm::{CrmError, WhoCalls};

fn after_lookup(mut write: OwedWrite, phone: &str) -> OwedWrite {
    write.after_lookup = Some(number(phone));
    write
}

/// Everything that an unanswered lookup leaves to be written at the end of a call.
fn all_owed(call: u64, phone: &str) -> (CallRecord, Vec<OwedWrite>) {
    let mut record = record(call, phone);
    record.lookup = Some(crate::crm::model::LookupKind::Undetermined);
    let writes = vec![
        after_lookup(create(call, phone, "bruno"), phone),
        after_lookup(reassign(call, 1, "ana"), phone),
        after_lookup(owed(call, 2, Write::ActivityCreate(Box::new(record.clone()))), phone),
    ];
    (record, writes)
}

#[tokio::test]
async fn while_the_crm_is_cut_off_writes_are_owed_and_follow_in_order_once_it_is_back() {
    let mut house = House::open().await;
    house.crm().cut_off(true);
    assert_eq!(house.crm().who_calls(&asked(PAULO)).await, Err(CrmError::Unavailable));
    let (record, writes) = all_owed(1, PAULO);
    house.outbox.save(record, writes).await.unwrap();
    for seq in 0..3 {
        let news = house.next_news().await;
        assert_eq!((news.seq, news.state), (seq, WriteState::Owed));
    }
    assert_eq!(house.outbox.counts().owed, 3);
    assert_eq!(house.outbox.list().await.unwrap().len(), 3);

    house.crm().cut_off(false);
    assert_eq!(house.next_effect().await, Effect::Created { record: lead(1), made: true });
    assert!(matches!(house.next_effect().await, Effect::Reassigned { .. }));
    assert_eq!(house.next_effect().await, Effect::Activity { id: 1, attached_to: Some(lead(1)) });
    assert_eq!(house.outbox.counts(), OutboxCounts::default());
    assert_eq!(house.outbox.list().await.unwrap(), []);
    let found = house.find(PAULO).await;
    assert_eq!(found.leads[0].responsible, Some("ana".into()));
    let call = house.store.reader().call(CallId::from_bits(1)).await.unwrap().unwrap();
    assert_eq!(call.created, [lead(1)], "the record learns what came of it");
}

#[tokio::test]
async fn a_write_waits_for_what_its_call_owes_already() {
    let mut house = House::open().await;
    house.crm().cut_off(true);
    house.outbox.tell(vec![create(1, PAULO, "bruno")]);
    assert_eq!(house.next_news().await.state, WriteState::Owed);
    house.outbox.tell(vec![reassign(1, 1, "ana")]);
    assert_eq!(house.next_news().await.state, WriteState::Owed);
    house.crm().cut_off(false);
    assert!(matches!(house.next_effect().await, Effect::Created { made: true, .. }));
    assert!(matches!(house.next_effect().await, Effect::Reassigned { .. }));
    let fresh = Lookup::Unknown { fresh: Some(lead(1)) };
    assert_eq!(house.looks_up(PAULO).await, fresh, "the call goes on");
}

#[tokio::test]
async fn a_late_lookup_that_finds_a_client_creates_nothing_and_gives_her_the_activity() {
    let mut house = House::open().await;
    let maria = house.add_contact("Maria", MARIA, "ana").await;
    let (record, writes) = all_owed(1, MARIA);
    house.outbox.save(record, writes).await.unwrap();
    assert!(matches!(house.next_effect().await, Effect::Void(_)));
    assert!(matches!(house.next_effect().await, Effect::Void(_)));
    assert_eq!(house.next_effect().await, Effect::Activity { id: 1, attached_to: Some(maria) });
    assert!(house.find(MARIA).await.leads.is_empty());
}

#[tokio::test]
async fn a_late_lookup_that_finds_an_exception_writes_nothing() {
    let mut house = House::open().await;
    house.edit(Edit::AddException { value: PAULO.to_owned(), comment: None }).await;
    let (record, writes) = all_owed(1, PAULO);
    house.outbox.save(record, writes).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(house.next_effect().await, Effect::Void(_)));
    }
    let found = house.find(PAULO).await;
    assert!(found.leads.is_empty() && found.activities.is_empty());
}

#[tokio::test]
async fn two_calls_of_a_cut_off_time_from_one_number_leave_one_lead() {
    let mut house = House::open().await;
    house.crm().cut_off(true);
    for call in 1..=2 {
        let (record, writes) = all_owed(call, PAULO);
        house.outbox.save(record, writes).await.unwrap();
    }
    house.crm().cut_off(false);
    let mut effects = Vec::new();
    for _ in 0..6 {
        effects.push(house.next_effect().await);
    }
    let found = house.find(PAULO).await;
    assert_eq!((found.leads.len(), found.activities.len()), (1, 2), "{effects:?}");
    assert!(found.activities.iter().all(|activity| activity.attached_to == Some(lead(1))));
}

#[tokio::test]
async fn what_is_owed_survives_a_kill_and_takes_effect_once() {
    let house = House::open().await;
    house.crm().cut_off(true);
    let (record, writes) = all_owed(1, PAULO);
    house.outbox.save(record, writes).await.unwrap();
    let mut house = house.killed_and_started_again().await;
    for _ in 0..3 {
        house.next_effect().await;
    }
    let house = house.killed_and_started_again().await;
    let found = house.find(PAULO).await;
    assert_eq!((found.leads.len(), found.activities.len()), (1, 1));
    assert_eq!(found.leads[0].responsible, Some("ana".into()));
    assert_eq!(house.outbox.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_reassignment_owed_over_a_restart_still_finds_what_its_call_made() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    house.crm().cut_off(true);
    let ended = record(1, PAULO);
    house.outbox.save(ended, vec![reassign(1, 1, "ana")]).await.unwrap();
    let mut house = house.killed_and_started_again().await;
    assert!(matches!(house.next_effect().await, Effect::Reassigned { .. }));
}

#[tokio::test]
async fn a_write_told_twice_while_owed_takes_effect_once() {
    let mut house = House::open().await;
    house.crm().cut_off(true);
    house.outbox.tell(vec![create(1, PAULO, "bruno")]);
    house.outbox.tell(vec![create(1, PAULO, "bruno")]);
    assert_eq!(house.outbox.counts().owed, 1);
    house.crm().cut_off(false);
    house.next_effect().await;
    assert_eq!(house.find(PAULO).await.leads.len(), 1);
}

#[tokio::test]
async fn an_operator_drops_what_is_owed() {
    let mut house = House::open().await;
    house.crm().cut_off(true);
    house.outbox.tell(vec![create(1, PAULO, "bruno"), reassign(1, 1, "ana")]);
    house.next_news().await;
    let one = Which { call: Some(CallId::from_bits(1)), seq: Some(1) };
    assert_eq!(house.outbox.drop_writes(one).await.unwrap(), 1);
    assert_eq!(house.outbox.counts().owed, 1);
    assert_eq!(house.outbox.drop_writes(Which::default()).await.unwrap(), 1);
    assert_eq!(house.outbox.list().await.unwrap(), []);
}

/// A CRM elsewhere that refuses until it is told otherwise.
struct Stubborn(std::sync::atomic::AtomicBool);

impl Crm for Arc<Stubborn> {
    async fn who_calls(&self, _: &WhoCalls) -> Result<Lookup, CrmError> {
        Err(CrmError::Unavailable)
    }

    async fn deliver(&self, _: &OwedWrite) -> Result<Effect, CrmError> {
        let refuses = self.0.load(std::sync::atomic::Ordering::Relaxed);
        if refuses {
            Err(CrmError::Refused("no such user".to_owned()))
        } else {
            Ok(Effect::Void("elsewhere".to_owned()))
        }
    }
}

#[tokio::test]
async fn what_a_crm_elsewhere_refuses_is_dead_until_an_operator_retries_it() {
    let house = House::open().await;
    let crm = Arc::new(Stubborn(true.into()));
    let (tell, mut news) = tokio::sync::mpsc::unbounded_channel();
    let on_news = Arc::new(move |news: WriteNews| drop(tell.send(news)));
    let outbox = Outbox::start(&house.store, Arc::clone(&crm), on_news).await.unwrap();
    outbox.tell(vec![create(1, PAULO, "bruno")]);
    assert_eq!(news.recv().await.unwrap().state, WriteState::Owed);
    let dead = news.recv().await.unwrap();
    assert_eq!((dead.state, dead.error.as_deref()), (WriteState::Dead, Some("the CRM refuses: no such user")));
    assert_eq!((outbox.counts().owed, outbox.counts().dead), (0, 1));

    crm.0.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(outbox.retry(Which::default()).await.unwrap(), 1);
    assert_eq!(news.recv().await.unwrap().state, WriteState::Written);
    assert_eq!(outbox.counts(), OutboxCounts::default());
}

#[tokio::test]
async fn a_call_that_ends_before_it_hears_of_its_lead_still_names_it_in_its_record() {
    let house = House::open().await;
    house.outbox.tell(vec![create(1, PAULO, "bruno")]);
    house.outbox.save(record(1, PAULO), Vec::new()).await.unwrap();
    let call = house.store.reader().call(CallId::from_bits(1)).await.unwrap().unwrap();
    assert_eq!(call.created, [lead(1)]);
}
