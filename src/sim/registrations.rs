//! Phones that register over the simulated network: the registrar's bindings and both sides' transactions are the real
//! ones; passwords, which the shell asks for, are left out.

use std::net::SocketAddr;
use std::time::Duration;

use rsip::Method;

use super::{Event, Sim};
use crate::base::{EmployeeId, Hop, Way};
use crate::sip::message::{Message, Name, Request, build};
use crate::sip::outside::{Outside, OutsideEvent, OutsideOut};
use crate::sip::registrar::{Binding, Bindings};
use crate::sip::transaction::Timers;

impl Sim {
    /// A phone of hers has registered before anything happens, from each of these addresses: `ana-1`, `ana-2`.
    pub(crate) fn phones(mut self, employee: &str, at: &[&str]) -> Self {
        for (n, at) in (1..).zip(at) {
            let (at, name) = (at.parse().expect("an address"), format!("{employee}-{n}"));
            self.has_phone(employee, &name, at);
            let request = self.register_of(at, 3_600);
            self.register(at, &request);
        }
        self
    }

    /// This phone of hers is there.
    pub(crate) fn has_phone(&mut self, employee: &str, name: &str, at: SocketAddr) {
        self.phone_names.insert(at, (employee.into(), name.to_owned()));
    }

    /// The phone at this address registers, in so many milliseconds, for so many seconds; 0: it leaves.
    pub(crate) fn registers(&mut self, after: u64, phone: SocketAddr, expires: u32) {
        self.at(Duration::from_millis(after), Event::Registers { phone, expires });
    }

    /// Nothing gets there in so many milliseconds any more; a stream to it is known to be lost.
    pub(crate) fn vanishes(&mut self, after: u64, phone: SocketAddr) {
        self.at(Duration::from_millis(after), Event::Vanishes { phone });
    }

    pub(super) fn phone_registers(&mut self, phone: SocketAddr, expires: u32) {
        let request = self.register_of(phone, expires);
        let hop = Hop { transport: self.transport, local: phone, remote: self.us, advertised: phone, name: None };
        let mut out = OutsideOut::default();
        self.outside.request(self.now, hop, request, &mut out).expect("there is room");
        self.settle_outside(out);
    }

    pub(super) fn phone_vanishes(&mut self, phone: SocketAddr) {
        self.dead.push(phone);
        if self.transport.is_reliable() {
            self.phone_is_gone(phone);
        }
    }

    /// What has registered from there is forgotten.
    pub(super) fn phone_is_gone(&mut self, phone: SocketAddr) {
        self.house.phones.values_mut().for_each(|of_hers| of_hers.remove(|binding| binding.source.address == phone));
    }

    /// A REGISTER, or the answer to one.
    pub(super) fn arrives_outside(&mut self, message: Message, hop: Hop) {
        let mut out = OutsideOut::default();
        self.outside.receive(self.now, message, hop, &mut out);
        self.settle_outside(out);
    }

    pub(super) fn wake_outside(&mut self) {
        let mut out = OutsideOut::default();
        self.outside.wake(self.now, &mut out);
        self.settle_outside(out);
    }

    /// `ramal` starts anew, while nobody calls: of what it knew it has what is written down.
    #[track_caller]
    pub(crate) fn restart(&mut self) -> &mut Self {
        assert!(self.calls.is_empty(), "calls are up\n{}", self.ladders());
        self.outside = Outside::new(self.ids.fork(), Timers::default());
        self.house.busy.borrow_mut().clear();
        self.house.last_rung.borrow_mut().clear();
        for of_hers in self.house.phones.values_mut() {
            let kept = of_hers.all().iter().filter(|binding| !binding.source.transport.is_reliable());
            let read = |binding: &Binding| {
                let row = serde_json::to_string(binding).expect("a binding is plain data");
                let read: Binding = serde_json::from_str(&row).expect("what was written is read");
                Binding { until: binding.until, ..read }
            };
            *of_hers = Bindings::of(kept.map(read).collect::<Vec<_>>(), self.now.mono);
        }
        self
    }

    fn settle_outside(&mut self, mut out: OutsideOut) {
        while !out.events.is_empty() {
            for event in std::mem::take(&mut out.events) {
                match event {
                    OutsideEvent::Request { id, request, hop } => {
                        let answer = self.register(hop.remote, &request);
                        self.outside.respond(self.now, id, &answer, &mut out);
                    }
                    OutsideEvent::Response { response, .. } => self.registered.push(response.status.code()),
                    // Its phone is gone, or nobody hears it.
                    OutsideEvent::Failed { .. } => self.registered.push(408),
                }
            }
        }
        for letter in out.sends {
            self.carry(&letter.hop, &letter.bytes);
        }
    }

    /// Does what a REGISTER asks, as `node::registrar` does it.
    fn register(&mut self, from: SocketAddr, request: &Request) -> crate::sip::message::Response {
        let (employee, _) = self.phone_names[&from].clone();
        let source = Way { transport: self.transport, address: from };
        let of_hers = self.house.phones.entry(employee).or_default();
        match of_hers.register(self.now.mono, request, source, self.us) {
            Ok(()) => of_hers.response(self.now.mono, request, self.transport),
            Err(refusal) => refusal.response(request),
        }
    }

    /// The next REGISTER of the phone at this address: one Call-ID and a CSeq that rises for the device, wherever it is.
    fn register_of(&mut self, phone: SocketAddr, expires: u32) -> Request {
        let (employee, name) = self.phone_names[&phone].clone();
        let extension = self.extension(employee.as_str());
        let cseq = self.cseqs.entry(name.clone()).or_default();
        *cseq += 1;
        let contact = format!("<sip:{extension}@{phone}>;expires={expires};+sip.instance=\"<urn:{name}>\"");
        Request::new(Method::Register, "sip:ramal")
            .with(Name::MaxForwards, "70")
            .with(Name::From, format!("<sip:{extension}@ramal>;tag={name}"))
            .with(Name::To, format!("<sip:{extension}@ramal>"))
            .with(Name::CallId, format!("registers-{name}"))
            .with(Name::CSeq, build::cseq(*cseq, Method::Register))
            .with(Name::Contact, contact)
    }

    /// Who sits at this phone, or at the PBX's, and where that is.
    pub(super) fn seat(&self, name: &str) -> Option<(EmployeeId, String)> {
        let (at, (employee, _)) = match self.phone_names.iter().find(|(at, (_, phone))| {
            // Of the addresses that it has had, the one where it is now.
            phone == name && !self.dead.contains(at)
        }) {
            Some(found) => found,
            None => {
                let employee = self.house.directory.employee(&name.into())?;
                return Some((employee.id.clone(), super::OFFICE.to_owned()));
            }
        };
        Some((employee.clone(), at.to_string()))
    }
}
