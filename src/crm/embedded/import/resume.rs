//! What an import leaves in the store while it is under way, and what becomes of that after a kill.

use std::sync::Arc;

use super::fold::{Pending, fold};
use super::{Entry, LARGEST_SLICE};
use crate::base::PhoneNumber;
use crate::crm::embedded::{Inner, numbers};
use crate::store::{Reader, StoreError};

/// What the notes of an import are called.
const ALL: &str = "import:";
/// The note that makes the slices count.
pub(super) const PUBLISHED: &str = "import:published";

/// The note that holds a slice.
pub(super) fn slice(n: usize) -> String {
    format!("{ALL}slice:{n:08}")
}

/// Finishes an import that was published when this process was killed; forgets one that was not.
pub(in crate::crm::embedded) async fn resume(inner: &Arc<Inner>) -> Result<(), StoreError> {
    let notes = inner.store.reader().notes(ALL).await?;
    if notes.is_empty() {
        return Ok(());
    }
    if !notes.iter().any(|(key, _)| key == PUBLISHED) {
        tracing::info!(slices = notes.len(), "an import that was cut off before its end is forgotten");
        return forget(inner, notes.into_iter().map(|(key, _)| key).collect()).await;
    }
    let mut pending = Pending::default();
    for (key, text) in notes {
        let Some(n) = key.strip_prefix(ALL).and_then(|rest| rest.strip_prefix("slice:")?.parse::<usize>().ok()) else {
            continue;
        };
        // Slices before it were worked in, and are gone.
        while pending.slices() < n {
            pending.push(Vec::new());
        }
        pending.push(read(&text)?);
    }
    tracing::info!(contacts = pending.len(), "an import goes on where it was cut off");
    inner.index.write().publish(pending);
    fold(inner, |_| {}).await
}

/// Takes notes away, a few hundred kilobytes a commit.
pub(super) async fn forget(inner: &Arc<Inner>, keys: Vec<String>) -> Result<(), StoreError> {
    const A_COMMIT: usize = 20;
    for keys in keys.chunks(A_COMMIT) {
        inner.store.commit(|rows| rows.crm.notes.extend(keys.iter().map(|key| (key.clone(), None)))).await?;
    }
    Ok(())
}

/// Whether the store holds contacts that count and are in no table yet: only who holds the store, or opens it, can tell
/// all of a number then.
pub async fn is_under_way(reader: &Reader) -> Result<bool, StoreError> {
    Ok(!reader.notes(PUBLISHED).await?.is_empty())
}

/// The contacts that count and are in no table yet, of one number.
pub(in crate::crm::embedded) async fn published(reader: &Reader, phone: PhoneNumber) -> Result<Vec<Entry>, StoreError> {
    if !is_under_way(reader).await? {
        return Ok(Vec::new());
    }
    let forms = numbers::keys(phone);
    let mut found = Vec::new();
    for (key, text) in reader.notes(ALL).await? {
        if key != PUBLISHED {
            found.extend(read(&text)?.into_iter().filter(|entry| forms.contains(&entry.phone)));
        }
    }
    Ok(found)
}

/// A slice as its note has it.
pub(super) fn written(entries: &[Entry]) -> String {
    serde_json::to_string(entries).expect("plain data with text for keys has a JSON form")
}

fn read(text: &str) -> Result<Vec<Entry>, StoreError> {
    let entries: Vec<Entry> = serde_json::from_str(text)
        .map_err(|cause| StoreError::Unreadable { table: "crm_notes", cause: cause.to_string() })?;
    debug_assert!(entries.len() <= LARGEST_SLICE);
    Ok(entries)
}
