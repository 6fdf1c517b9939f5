//! What a call is: who calls whom over which line, and what the CRM said. Settled at the start, but for the lookup.

use std::sync::Arc;

use crate::base::{EmployeeId, PhoneNumber, TrunkName};
use crate::crm::model::{Direction, EntityRef, Exclusion, Lookup};
use crate::route::directory::Line;
use crate::route::{Dialled, Entry, Incoming, Internal, Outgoing};
use crate::sip::agent::CallerId;

/// What a call is.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) direction: Direction,
    /// As the record shows the caller.
    pub(super) from: String,
    /// As the record shows the number called.
    pub(super) to: String,
    /// Our line.
    pub(super) line: Option<Arc<Line>>,
    /// The trunk that the call came by.
    pub(super) trunk: Option<TrunkName>,
    /// The customer's number, where one is to be looked up.
    pub(super) customer: Option<PhoneNumber>,
    /// The employee who dialled.
    pub(super) dialler: Option<EmployeeId>,
    /// Whom she dialled; `None` for an incoming call.
    pub(super) dialled: Option<Dialled>,
    /// What phones that ring are shown: the name is the CRM's, once it is known.
    pub(super) caller_id: CallerId,
    /// The caller inside asked that nobody outside is told who she is.
    pub(super) private: bool,
    /// What the lookup came to; `None` while it runs.
    pub(super) lookup: Option<Lookup>,
    /// What a lookup that came too late said: the activity goes there.
    pub(super) late_client: Option<EntityRef>,
    /// Max-Forwards of the legs we call.
    pub(super) max_forwards: u8,
    /// The caller's SIP address `user@host`, for exceptions by address; empty for a call from inside.
    pub(super) address: String,
    /// The caller is on the blacklist: the call is a row and a 603.
    pub(super) blacklisted: bool,
}

impl Facts {
    /// The client or open lead known when the call began, or found since.
    pub(super) fn client(&self) -> Option<EntityRef> {
        match &self.lookup {
            Some(Lookup::Known(known)) => Some(known.entity),
            _ => self.late_client,
        }
    }

    /// Her name.
    pub(super) fn client_name(&self) -> Option<&str> {
        match &self.lookup {
            Some(Lookup::Known(known)) => known.name.as_deref(),
            _ => None,
        }
    }
}

impl Facts {
    /// What routing made of an INVITE.
    pub(super) fn read(entry: Entry, blacklisted: bool, max_forwards: u8) -> Self {
        let mut facts = Self {
            direction: Direction::Incoming,
            from: String::new(),
            to: String::new(),
            line: None,
            trunk: None,
            customer: None,
            dialler: None,
            dialled: None,
            caller_id: CallerId { display: String::new(), user: None },
            private: false,
            lookup: None,
            late_client: None,
            // RFC 3261 §16.6 step 3, of proxies: "the proxy MUST decrement its value by one (1)"; kept here so that loops end.
            max_forwards: max_forwards.saturating_sub(1),
            address: String::new(),
            blacklisted,
        };
        match entry {
            Entry::Incoming(incoming) => facts.incoming(incoming),
            Entry::Outgoing(outgoing) => facts.outgoing(outgoing),
            Entry::Internal(internal) => facts.internal(internal),
        }
        facts
    }

    fn incoming(&mut self, Incoming { line, caller }: Incoming) {
        self.from = caller.shown();
        self.to = line.number.to_string();
        self.customer = caller.number;
        let user = match caller.number {
            Some(number) => Some(number.to_string()),
            None => Some(caller.raw).filter(|raw| !raw.is_empty()),
        };
        self.caller_id = CallerId { display: caller.display, user };
        self.lookup = caller.excluded.map(Lookup::Excluded);
        self.line = Some(line);
        self.address = caller.address;
    }

    fn outgoing(&mut self, Outgoing { employee, extension, line, to, number, excluded, private }: Outgoing) {
        self.private = private;
        self.direction = Direction::Outgoing;
        self.from = extension;
        self.to = number.map_or_else(|| to.label().to_owned(), |n| n.to_string());
        self.customer = number;
        self.dialler = employee.map(|e| e.id.clone());
        self.caller_id = CallerId { display: String::new(), user: None };
        self.dialled = Some(Dialled::Destination(to));
        self.lookup = excluded.map(Lookup::Excluded);
        self.line = Some(line);
    }

    fn internal(&mut self, Internal { employee, extension, display, dialled, to, line }: Internal) {
        self.direction = Direction::Internal;
        let display = employee.as_ref().map_or(display, |e| e.name.clone());
        self.dialler = employee.map(|e| e.id.clone());
        self.caller_id = CallerId { display, user: Some(extension.clone()) };
        self.from = extension;
        self.to = dialled;
        self.dialled = Some(to);
        self.lookup = Some(Lookup::Excluded(Exclusion::Internal));
        self.line = line;
    }
}
