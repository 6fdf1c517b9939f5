//! The store through its own doors: what it refuses, what survives, what it says when it cannot commit.

use super::*;
use crate::base::CallId;
use crate::crm::testing::{START, record};

struct Opened {
    _folder: tempfile::TempDir,
    url: String,
    store: Store,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("deep/er/ramal.db").display());
    let store = Store::open(&url, 3, clock()).await.unwrap();
    Opened { _folder: folder, url, store }
}

fn clock() -> Clock {
    Arc::new(|| Wall::from_unix_millis(START))
}

fn save(store: &Store, call: u64) -> oneshot::Receiver<()> {
    save_at(store, call, START)
}

fn save_at(store: &Store, call: u64, started: i64) -> oneshot::Receiver<()> {
    let mut record = record(call, "+5511987654321");
    record.started = Wall::from_unix_millis(started);
    store.append(|rows| {
        rows.calls.insert(record.id, record);
        rows.wait()
    })
}

#[tokio::test]
async fn only_one_process_writes_and_the_others_are_told() {
    let Opened { url, store, _folder } = open().await;
    assert!(matches!(Store::open(&url, 3, clock()).await, Err(StoreError::InUse(_))));
    assert_eq!(store.reader().running_since().await.unwrap(), Some(clock()()));
    store.close().await;
    let reader = Reader::open(&url).await.unwrap();
    assert_eq!(reader.running_since().await.unwrap(), None);
    Store::open(&url, 3, clock()).await.unwrap();
}

#[tokio::test]
async fn nobody_else_can_read_what_the_store_makes_and_what_is_there_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let Opened { url, store, _folder } = open().await;
    save(&store, 1).await.unwrap();
    let path = path_of(&url).unwrap();
    for file in ["ramal.db", "ramal.db-wal", "ramal.db-shm", "ramal.db.lock"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    for folder in path.ancestors().skip(1).take(2) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    store.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    Store::open(&url, 3, clock()).await.unwrap().close().await;
    assert_eq!(mode(&path), 0o640, "a group that backs it up");
}

#[tokio::test]
async fn a_url_of_an_unknown_kind_or_a_folder_that_cannot_be_made_is_refused() {
    assert!(matches!(Store::open("mysql:x", 3, clock()).await, Err(StoreError::UnknownUrl(_))));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let below_a_file = format!("sqlite:{}", folder.path().join("file/ramal.db").display());
    assert!(matches!(Store::open(&below_a_file, 3, clock()).await, Err(StoreError::Folder { .. })));
    let a_folder = format!("sqlite:{}", folder.path().display());
    assert!(matches!(Store::open(&a_folder, 3, clock()).await, Err(StoreError::Unwritable { .. })));
    std::fs::write(folder.path().join("no.db"), "this is no database, however one looks at it").unwrap();
    let no_database = format!("sqlite:{}", folder.path().join("no.db").display());
    assert!(matches!(Store::open(&no_database, 3, clock()).await, Err(StoreError::Unwritable { .. })));
}

#[tokio::test]
async fn ended_calls_come_page_by_page_newest_first() {
    let Opened { store, _folder, .. } = open().await;
    for call in 1..=5_u64 {
        save_at(&store, call, START + i64::try_from(call / 2).unwrap()).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (calls, next) = store.reader().calls(&CallFilter::default(), cursor, 2).await.unwrap();
        seen.extend(calls.iter().map(|call| call.id.bits()));
        // What a client hands back is the printed form.
        cursor = next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn filters_narrow_the_call_log() {
    let Opened { store, _folder, .. } = open().await;
    save(&store, 1).await.unwrap();
    let count = async |filter: CallFilter| store.reader().calls(&filter, None, 10).await.unwrap().0.len();
    let bruno = CallFilter { employee: Some("bruno".into()), ..CallFilter::default() };
    assert_eq!(count(bruno).await, 1);
    let ana = CallFilter { employee: Some("ana".into()), ..CallFilter::default() };
    assert_eq!(count(ana).await, 0);
    let from = CallFilter { number: Some("+5511987654321".to_owned()), ..CallFilter::default() };
    assert_eq!(count(from).await, 1);
    let until = CallFilter { until: Some(Wall::from_unix_millis(START)), ..CallFilter::default() };
    assert_eq!(count(until).await, 0);
}

#[tokio::test]
async fn what_was_committed_survives_a_kill_and_what_was_closed_is_committed() {
    let Opened { url, store, _folder } = open().await;
    save(&store, 1).await.unwrap();
    store.kill().await;
    let store = Store::open(&url, 3, clock()).await.unwrap();
    let waits = save(&store, 2);
    store.close().await;
    waits.await.unwrap();
    let reader = Reader::open(&url).await.unwrap();
    assert_eq!(reader.calls(&CallFilter::default(), None, 10).await.unwrap().0.len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_said_and_what_waits_is_committed_once_there_is_space() {
    let Opened { store, _folder, .. } = open().await;
    store.commit(|_| ()).await.unwrap();
    store.pragma("PRAGMA max_page_count = 1");
    let mut waits: Vec<_> = (1..=200).map(|call| save(&store, call)).collect();
    let health = wait_for(|| store.health().err()).await;
    assert!(health.cause.contains("full"), "{health}");
    assert_eq!(health.waiting, 200);
    assert!(store.is_full());
    waits.push(save(&store, 201));
    tokio::time::pause(); // a person's patience is up at once; the database's thread goes on as ever
    let said = store.set_presence(&"ana".into(), "away").await.unwrap_err();
    assert!(said.is_transient() && said.to_string().contains("waits in memory"), "{said}");
    tokio::time::resume();

    store.pragma("PRAGMA max_page_count = 1000000");
    for wait in waits {
        wait.await.unwrap();
    }
    assert_eq!((store.health(), store.waiting()), (Ok(()), 0));
    assert!(!store.is_full());
    assert_eq!(store.reader().presences().await.unwrap().len(), 1, "what nobody waited for any more too");
    assert_eq!(store.reader().calls(&CallFilter::default(), None, 500).await.unwrap().0.len(), 201);
}

/// Polls without sleeping: the writer runs between.
async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn old_calls_are_forgotten_but_for_those_that_owe_something() {
    let Opened { store, _folder, .. } = open().await;
    for call in 1..=3_u64 {
        save_at(&store, call, START + i64::try_from(call).unwrap() * 1000).await.unwrap();
    }
    let owes = rows::OutboxRow {
        write: crate::crm::model::WriteKind::LeadReassign,
        state: crate::crm::model::WriteState::Owed,
        payload: None,
        attempts: 0,
        next_at: clock()(),
        error: None,
        since: clock()(),
        written_at: None,
    };
    store.commit(|rows| rows.outbox.insert((CallId::from_bits(1), 0), Some(owes))).await.unwrap();
    store.forget_calls_before(Wall::from_unix_millis(START + 3000)).await.unwrap();
    let (left, _) = store.reader().calls(&CallFilter::default(), None, 10).await.unwrap();
    assert_eq!(left.iter().map(|call| call.id.bits()).collect::<Vec<_>>(), [3, 1]);
}

#[tokio::test]
async fn presence_and_the_turn_of_a_queue_survive_a_restart() {
    let Opened { url, store, _folder } = open().await;
    store.set_presence(&"ana".into(), "away").await.unwrap();
    store.set_presence(&"ana".into(), "off").await.unwrap();
    save(&store, 1).await.unwrap();
    store.close().await;
    let reader = Reader::open(&url).await.unwrap();
    assert_eq!(reader.presences().await.unwrap()["ana"], "off");
    assert_eq!(reader.last_rung().await.unwrap()["bruno"], clock()());
}

#[tokio::test]
async fn whoever_writes_to_a_closed_store_is_told() {
    let Opened { store, _folder, .. } = open().await;
    store.close().await;
    assert!(matches!(store.set_presence(&"ana".into(), "away").await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn serve_waits_a_moment_for_a_command_that_holds_the_store() {
    let Opened { url, store, _folder } = open().await;
    let waits = tokio::spawn(async move { Store::open_patiently(&url, 3, clock(), Duration::from_secs(10)).await });
    tokio::task::yield_now().await;
    store.close().await;
    waits.await.unwrap().unwrap();
}
