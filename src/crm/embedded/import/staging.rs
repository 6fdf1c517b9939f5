//! An import on its way in: one at a time, slice by slice, each in the store before the next is asked for.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::fold::{Pending, fold};
use super::resume::{PUBLISHED, forget, slice, written};
use super::{Entry, ImportError, LARGEST_SLICE, MOST_CONTACTS, Progress};
use crate::crm::embedded::{EditError, Embedded, Inner};

/// After so long without a word, or twice that, an import is given up: its command was killed, or would have gone on.
const SILENCE: Duration = Duration::from_secs(5);

/// The import that this process is busy with.
#[derive(Debug, Default)]
pub(in crate::crm::embedded) struct Staging(Mutex<Session>);

#[derive(Debug, Default)]
struct Session {
    /// The last one begun.
    import: u64,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    /// None, or the last one is through.
    #[default]
    Idle,
    /// Slices come.
    Takes {
        pending: Pending,
        /// Something came since the last look.
        heard: bool,
    },
    /// A slice is being committed, or the note that publishes them all.
    Commits,
    /// All count; what is worked in so far.
    Folds(Progress),
    /// It came to this.
    Done(Progress),
    /// The store failed while it was worked in; the next start goes on with it.
    Failed,
}

impl Staging {
    /// Puts the session of this import into another phase, and gives the one it was in.
    fn turn(&self, import: u64, to: Phase) -> Option<Phase> {
        let mut session = self.0.lock();
        (session.import == import).then(|| std::mem::replace(&mut session.phase, to))
    }

    /// Takes the slices so far out, to be put back once what comes is committed.
    fn take(&self, import: u64) -> Result<Pending, ImportError> {
        let mut session = self.0.lock();
        if session.import != import {
            return Err(ImportError::Forgotten);
        }
        match std::mem::replace(&mut session.phase, Phase::Commits) {
            Phase::Takes { pending, .. } => Ok(pending),
            Phase::Commits => Err(ImportError::UnderWay), // two at once, by one import
            other => {
                session.phase = other;
                Err(ImportError::Forgotten)
            }
        }
    }

    fn progress(&self, import: u64) -> Result<Progress, ImportError> {
        let session = self.0.lock();
        match &session.phase {
            Phase::Folds(progress) | Phase::Done(progress) if session.import == import => Ok(*progress),
            _ => Err(ImportError::Forgotten),
        }
    }
}

impl Embedded {
    /// Begins an import; gives the number by which its slices name it.
    ///
    /// # Errors
    /// Where another is under way.
    pub fn begin_import(&self) -> Result<u64, EditError> {
        let mut session = self.inner.staging.0.lock();
        if !matches!(session.phase, Phase::Idle | Phase::Done(_)) {
            return Err(ImportError::UnderWay.into());
        }
        session.import += 1;
        session.phase = Phase::Takes { pending: Pending::default(), heard: true };
        let import = session.import;
        drop(session);
        let crm = Arc::downgrade(&self.inner);
        // Ends with the session that it watches, at its next look.
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SILENCE).await;
                let Some(inner) = crm.upgrade() else { return };
                if !give_up_silent(&inner, import).await {
                    return;
                }
            }
        });
        Ok(import)
    }

    /// Takes one slice; it is in the store when this returns, and counts for nobody. Gives how many contacts came so far.
    ///
    /// # Errors
    /// Where the import is none any more, or becomes too large.
    pub async fn import_slice(&self, import: u64, entries: Vec<Entry>) -> Result<Progress, EditError> {
        let staging = &self.inner.staging;
        if entries.len() > LARGEST_SLICE {
            return Err(ImportError::TooLarge.into());
        }
        let mut pending = staging.take(import)?;
        if pending.len() + entries.len() > MOST_CONTACTS {
            staging.turn(import, Phase::Takes { pending, heard: true });
            return Err(ImportError::TooLarge.into());
        }
        let note = (slice(pending.slices()), Some(written(&entries)));
        pending.push(entries);
        let staged = pending.len();
        let inner = Arc::clone(&self.inner);
        // Once begun it ends as it must, also where whoever asked for it goes away.
        let committed = tokio::spawn(async move {
            // A commit that is late is repeated until it succeeds: the slice is in either way.
            let committed = inner.store.commit_soon(|rows| rows.crm.notes.extend([note])).await;
            inner.staging.turn(import, Phase::Takes { pending, heard: true });
            committed
        });
        committed.await.map_err(|_| crate::store::StoreError::Closed)??;
        Ok(Progress { staged, ..Progress::default() })
    }

    /// Makes all slices count, at once; they do when this returns. Working them into the tables goes on by itself.
    ///
    /// # Errors
    /// Where the import is none any more.
    pub async fn publish_import(&self, import: u64) -> Result<(), EditError> {
        let pending = self.inner.staging.take(import)?;
        let progress = Progress { staged: pending.len(), ..Progress::default() };
        let inner = Arc::clone(&self.inner);
        // Once begun it ends as it must, also where whoever asked for it goes away.
        let published = tokio::spawn(async move {
            let note = (PUBLISHED.to_owned(), Some(import.to_string()));
            inner.store.commit(|rows| rows.crm.notes.extend([note])).await?;
            inner.index.write().publish(pending);
            inner.folding.send_replace(true);
            inner.staging.turn(import, Phase::Folds(progress));
            tokio::spawn(async move {
                let folded = fold(&inner, |progress| {
                    inner.staging.turn(import, Phase::Folds(progress));
                });
                let end = match folded.await {
                    Ok(()) => inner.staging.progress(import).map_or(Phase::Failed, Phase::Done),
                    Err(error) => {
                        tracing::error!(%error, "an import was not worked in to its end; the next start goes on with it");
                        Phase::Failed
                    }
                };
                inner.staging.turn(import, end);
                inner.folding.send_replace(false);
            });
            Ok::<(), EditError>(())
        });
        published.await.map_err(|_| crate::store::StoreError::Closed)?
    }

    /// How far a published import is.
    ///
    /// # Errors
    /// Where it is none, or was never published.
    pub fn import_progress(&self, import: u64) -> Result<Progress, EditError> {
        Ok(self.inner.staging.progress(import)?)
    }

    /// Takes an unpublished import back.
    ///
    /// # Errors
    /// Where it is none any more.
    pub async fn drop_import(&self, import: u64) -> Result<(), EditError> {
        let pending = self.inner.staging.take(import)?;
        Ok(take_back(&self.inner, import, &pending).await?)
    }

    /// Waits until no import is being worked in: what a person changes comes after it.
    pub(in crate::crm::embedded) async fn folded(&self) {
        let mut folding = self.inner.folding.subscribe();
        // The sender lives as long as this.
        let _ = folding.wait_for(|folding| !folding).await;
    }
}

/// Gives up an import of which nothing was heard; tells whether it goes on.
async fn give_up_silent(inner: &Arc<Inner>, import: u64) -> bool {
    let pending = {
        let mut session = inner.staging.0.lock();
        let is_it = session.import == import;
        match &mut session.phase {
            Phase::Takes { pending, heard } if is_it => {
                if std::mem::replace(heard, false) {
                    return true;
                }
                let pending = std::mem::take(pending);
                session.phase = Phase::Commits;
                pending
            }
            Phase::Commits if is_it => return true,
            _ => return false,
        }
    };
    tracing::info!(contacts = pending.len(), "an import is given up: nothing more of it came");
    if let Err(error) = take_back(inner, import, &pending).await {
        tracing::warn!(%error, "an import that was given up stays in the store until the next start");
    }
    false
}

async fn take_back(inner: &Arc<Inner>, import: u64, pending: &Pending) -> Result<(), crate::store::StoreError> {
    let forgotten = forget(inner, (0..pending.slices()).map(slice).collect()).await;
    inner.staging.turn(import, Phase::Idle);
    forgotten
}
