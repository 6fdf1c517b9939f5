//! What calls want done, done in the world of a test: messages carried, records kept, news told.

use std::time::Duration;

use super::{Event, Sim};
use crate::base::CallId;
use crate::call::{CallAction, CallEvent};
use crate::crm::WhoCalls;
use crate::crm::model::WriteNews;

impl Sim {
    pub(super) fn tell(&mut self, id: CallId, event: CallEvent) {
        let mut out = Vec::new();
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.handle(self.now, event, &self.house, &mut out);
        for action in out {
            self.perform(id, action);
        }
    }

    pub(super) fn perform(&mut self, id: CallId, action: CallAction) {
        let soon = Duration::from_millis(2);
        match action {
            CallAction::Send(transmit) => self.send_all(vec![transmit]),
            CallAction::Ask { phone, line, address } => {
                let (delay, lookup) = (self.crm.delay, self.crm.who_calls(&WhoCalls { phone, line, address }));
                self.at(delay, Event::CrmSaid { call: id, lookup });
            }
            CallAction::Tell(writes) => {
                let news = self.crm.take(writes, self.now.wall);
                self.wrote(id, news, soon);
            }
            CallAction::Save { record, writes } => {
                let news = self.crm.save(*record, writes, self.now.wall);
                self.wrote(id, news, soon);
                self.at(soon, Event::Saved { call: id });
            }
            CallAction::Publish(publication) => self.published.push(*publication),
            CallAction::Rung(employee) => {
                self.house.last_rung.borrow_mut().insert(employee, self.now.wall);
            }
            CallAction::Busy { employee, busy, .. } => {
                *self.house.busy.borrow_mut().entry(employee).or_default() += if busy { 1 } else { -1 };
            }
            CallAction::PhoneGone(hop) => {
                self.phone_is_gone(hop.remote);
            }
            CallAction::Lamp(watched) => {
                let shown = self.calls.get(&id).map(|call| call.lamps(&watched)).unwrap_or_default();
                self.lamps.push((watched, id, shown));
            }
            CallAction::Say { to, word } => self.at(self.words_take, Event::Said { from: id, to, word }),
            CallAction::Transferred { kind, result } => self.transfers.push((kind, result)),
            CallAction::Silent(_) | CallAction::PostDialDelay(_) | CallAction::CardTaken => {}
            CallAction::Finish => {
                let call = self.calls.remove(&id).expect("only a call that is there finishes");
                assert_eq!(call.next_wakeup(), None, "a finished call has no timer left");
                self.claims.retain(|_, c| *c != id);
                self.moved.retain(|_, home| *home != id);
                self.done.push(call);
            }
        }
    }

    fn wrote(&mut self, call: CallId, news: Vec<WriteNews>, after: Duration) {
        for news in news {
            self.at(after, Event::Wrote { call, news });
        }
    }
}
