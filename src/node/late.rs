//! News of writes: to the call that owes them while it lives, else to its ladder and the world from here.

use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::Inner;
use crate::base::{CallId, EmployeeId};
use crate::call::ladder::{Entry, What};
use crate::call::{CallEvent, Publication, told};
use crate::crm::model::{Effect, EntityRef, WriteNews, WriteState};

/// Where the outbox's news go: the outbox is there before the node that it is part of.
#[derive(Default)]
pub(super) struct NewsWire {
    node: OnceLock<Weak<Inner>>,
    early: Mutex<Vec<WriteNews>>,
}

impl NewsWire {
    /// A write has come somewhere.
    pub(super) fn hear(&self, news: WriteNews) {
        match self.node.get() {
            Some(node) => {
                // None: the node is being taken down; the row in the store says it all.
                if let Some(node) = node.upgrade() {
                    node.written(&news);
                }
            }
            None => self.early.lock().push(news),
        }
    }

    /// The node is there.
    pub(super) fn connect(&self, node: &Arc<Inner>) {
        // Set once, by the start of the node.
        let _ = self.node.set(Arc::downgrade(node));
        for news in std::mem::take(&mut *self.early.lock()) {
            node.written(&news);
        }
    }
}

impl Inner {
    fn written(self: &Arc<Self>, news: &WriteNews) {
        if self.live.has(news.call) && self.tell(news.call, CallEvent::CrmWrote(news.clone())) {
            return;
        }
        let what = What::Crm { write: news.kind, state: news.state, detail: told(news) };
        self.trace.keep(news.call, vec![Entry { at: self.clock.now().wall, what }]);
        let publications = publications(news);
        if !publications.is_empty() {
            let node = Arc::clone(self);
            // Ends with one query of the call log.
            let call = news.call;
            tokio::spawn(async move { node.publish_late(call, publications).await });
        }
    }

    async fn publish_late(&self, call: CallId, publications: Vec<Late>) {
        match self.store.reader().call(call).await {
            Ok(Some(record)) => {
                for Late { event, record: about, from, to } in publications {
                    self.events.publish(Publication {
                        event,
                        call: record.clone(),
                        record: about,
                        from_employee: from,
                        to_employee: to,
                        kind: None,
                    });
                }
            }
            Ok(None) => tracing::debug!(call_id = %call, "news of a call that the call log has forgotten"),
            Err(fault) => tracing::error!(call_id = %call, %fault, "cannot read the call of a late write"),
        }
    }
}

/// What is told of a write whose call is gone.
struct Late {
    event: &'static str,
    record: Option<EntityRef>,
    from: Option<EmployeeId>,
    to: Option<EmployeeId>,
}

fn publications(news: &WriteNews) -> Vec<Late> {
    let mut late = Vec::new();
    if news.state == WriteState::Dead {
        late.push(Late { event: "crm.write_failed", record: None, from: None, to: None });
    }
    match &news.effect {
        Some(Effect::Created { record, made: true }) => {
            late.push(Late { event: record.kind.created_event(), record: Some(*record), from: None, to: None });
        }
        Some(Effect::Reassigned { moved, to }) => late.extend(moved.iter().map(|(record, from)| Late {
            event: "lead.reassigned",
            record: Some(*record),
            from: Some(from.clone()),
            to: Some(to.clone()),
        })),
        Some(Effect::Created { made: false, .. } | Effect::Attached(_) | Effect::Void(_) | Effect::Activity { .. })
        | None => {}
    }
    late
}
