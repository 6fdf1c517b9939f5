//! A house for tests: a store in a folder of its own, its CRM, its outbox, and the news that come out.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::embedded::{Done, Edit, Embedded, Found, Rules, find};
use super::model::{
    CallRecord, CallState, Direction, Effect, EntityKind, EntityRef, LegRecord, Lookup, LookupKind, NewRecord, Outcome,
    OwedWrite, Write, WriteNews, WriteState,
};
use super::outbox::Outbox;
use super::{Crm, WhoCalls};
use crate::base::{CallId, PhoneNumber, Wall};
use crate::store::Store;

pub(crate) const LINE: &str = "+551140028922";
pub(crate) const MARIA: &str = "+5511987654321";
pub(crate) const PAULO: &str = "+5521976543210";
/// 2026-11-24T14:00:00Z
pub(crate) const START: i64 = 1_795_528_800_000;

/// See the module.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) store: Store,
    pub(crate) outbox: Outbox<Embedded>,
    pub(crate) news: mpsc::UnboundedReceiver<WriteNews>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(START))).await
    }

    async fn open_in(folder: TempDir, clock: Arc<AtomicI64>) -> Self {
        let url = format!("sqlite:{}", folder.path().join("data/ramal.db").display());
        let ticks = Arc::clone(&clock);
        let now = Arc::new(move || Wall::from_unix_millis(ticks.load(Ordering::Relaxed)));
        let store = Store::open(&url, 100, now).await.unwrap();
        let crm = Embedded::open(&store, rules(&[])).await.unwrap();
        let (tell, news) = mpsc::unbounded_channel();
        // The test may have stopped listening.
        let outbox = Outbox::start(&store, crm, Arc::new(move |news| drop(tell.send(news)))).await.unwrap();
        Self { folder, clock, store, outbox, news }
    }

    /// Ends as a kill would, and starts again on the same folder.
    pub(crate) async fn killed_and_started_again(self) -> Self {
        drop(self.outbox);
        self.store.kill().await;
        drop(self.store);
        Self::open_in(self.folder, self.clock).await
    }

    /// Seconds go by on the clock of records.
    pub(crate) fn later(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn crm(&self) -> &Embedded {
        self.outbox.crm()
    }

    #[track_caller]
    pub(crate) fn next_news(&mut self) -> impl Future<Output = WriteNews> {
        let news = tokio::time::timeout(Duration::from_secs(10), self.news.recv());
        async { news.await.expect("news within ten seconds").expect("the outbox lives") }
    }

    /// The effect of the next write that is reported written; what is reported owed before is passed over.
    pub(crate) async fn next_effect(&mut self) -> Effect {
        loop {
            let news = self.next_news().await;
            if news.state == WriteState::Written {
                return news.effect.unwrap();
            }
        }
    }

    pub(crate) async fn looks_up(&self, phone: &str) -> Lookup {
        self.crm().who_calls(&asked(phone)).await.unwrap()
    }

    pub(crate) async fn edit(&self, edit: Edit) -> Done {
        self.crm().edit(edit).await.unwrap()
    }

    pub(crate) async fn add_contact(&self, name: &str, phone: &str, responsible: &str) -> EntityRef {
        match self.edit(contact(name, phone, responsible)).await {
            Done::Added { record } => record,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn find(&self, phone: &str) -> Found {
        find(self.crm(), phone, &|_| false).await.unwrap()
    }

    /// A call from `phone` whose lead has just been made.
    pub(crate) async fn makes_lead(&mut self, call: u64, phone: &str, owner: &str) -> Effect {
        self.outbox.tell(vec![create(call, phone, owner)]);
        self.next_effect().await
    }

    /// The call ends, with its activity.
    pub(crate) async fn ends(&mut self, call: u64, phone: &str) -> Effect {
        let record = record(call, phone);
        let activity = owed(call, 9, Write::ActivityCreate(Box::new(record.clone())));
        self.outbox.save(record, vec![activity]).await.unwrap();
        self.next_effect().await
    }
}

pub(crate) fn rules(exceptions: &[&str]) -> Rules {
    let exceptions: Vec<_> = exceptions.iter().map(|value| ((*value).to_owned(), None)).collect();
    Rules::new(&[EntityKind::Contact, EntityKind::Company, EntityKind::Lead], &exceptions, "BR")
}

pub(crate) fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

pub(crate) fn asked(phone: &str) -> WhoCalls {
    WhoCalls { phone: number(phone), line: number(LINE), address: "caller@carrier.example".to_owned() }
}

pub(crate) fn owed(call: u64, seq: u16, write: Write) -> OwedWrite {
    OwedWrite {
        call: CallId::from_bits(call),
        seq,
        since: Wall::from_unix_millis(START),
        after_lookup: None,
        client: None,
        write,
    }
}

pub(crate) fn create(call: u64, phone: &str, owner: &str) -> OwedWrite {
    let source = Some("Sales line".to_owned());
    owed(
        call,
        0,
        Write::LeadCreate(NewRecord {
            phone: number(phone),
            line: number(LINE),
            source,
            owner: owner.into(),
            name: None,
        }),
    )
}

pub(crate) fn reassign(call: u64, seq: u16, to: &str) -> OwedWrite {
    owed(call, seq, Write::LeadReassign { to: to.into(), why: "transfer".to_owned() })
}

pub(crate) fn record(call: u64, phone: &str) -> CallRecord {
    CallRecord {
        id: CallId::from_bits(call),
        state: CallState::Ended,
        direction: Direction::Incoming,
        from: phone.to_owned(),
        to: LINE.to_owned(),
        line: Some(number(LINE)),
        lookup: Some(LookupKind::Unknown),
        client: None,
        client_name: None,
        dialler: None,
        employee: Some("bruno".into()),
        started: Wall::from_unix_millis(START),
        answered: Some(Wall::from_unix_millis(START + 3_000)),
        ended: Some(Wall::from_unix_millis(START + 44_000)),
        outcome: Some(Outcome::Answered),
        ring_seconds: 3,
        talk_seconds: 41,
        transferred_from: None,
        created: Vec::new(),
        card: None,
        legs: vec![LegRecord {
            employee: "bruno".into(),
            outcome: Outcome::Answered,
            ring_seconds: 3,
            talk_seconds: 41,
        }],
    }
}

pub(crate) fn lead(id: i64) -> EntityRef {
    EntityRef { kind: EntityKind::Lead, id }
}

/// A new contact, as an operator adds her.
pub(crate) fn contact(name: &str, phone: &str, responsible: &str) -> Edit {
    Edit::AddClient {
        kind: EntityKind::Contact,
        name: name.to_owned(),
        phones: vec![phone.to_owned()],
        responsible: responsible.into(),
        email: None,
    }
}
