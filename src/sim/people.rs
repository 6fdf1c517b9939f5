//! What people do: they call, and press what their phones have.

use std::time::Duration;

use super::{CARRIER, Event, OFFICE, Sim};
use crate::base::CallId;
use crate::call::CallEvent;
use crate::route::Dialled;
use crate::sip::message::Replaces;
use crate::softphone::{Act, Party, State};

impl Sim {
    /// A customer calls the house's line.
    pub(crate) fn customer(&mut self, from: Option<&str>, script: &[(u64, Act)]) -> CallId {
        self.caller("maria", CARRIER, &crate::route::testing::LINE[1..], from, true, script)
    }

    /// Somebody calls: at the carrier or at the PBX.
    pub(crate) fn caller(
        &mut self,
        name: &str,
        at: &str,
        user: &str,
        from: Option<&str>,
        offer: bool,
        script: &[(u64, Act)],
    ) -> CallId {
        let media = 40_000 + 2 * u16::try_from(self.parties.len()).expect("few");
        let (id, mut party) = Party::new(name, at.parse().expect("an address"), self.us, &mut self.ids, media);
        if self.insist_on_prack {
            party.ua.insist_on_prack();
        }
        party.transport = self.transport;
        let sends = party.call(self.now, user, from, offer);
        self.parties.push((id, party));
        self.schedule(id, script.iter().map(|(ms, act)| (Duration::from_millis(*ms), act.clone())));
        self.send_all(sends);
        id
    }

    /// Somebody inside calls who asks for privacy: her PBX says who she is, and `Privacy: id`.
    pub(crate) fn call_as(&mut self, name: &str, at: &str, user: &str, asserted: &str, private: bool) -> CallId {
        let media = 40_000 + 2 * u16::try_from(self.parties.len()).expect("few");
        let (id, mut party) = Party::new(name, at.parse().expect("an address"), self.us, &mut self.ids, media);
        let sends = party.call_privately(self.now, user, asserted, private);
        self.parties.push((id, party));
        self.send_all(sends);
        id
    }

    /// This party gives up.
    pub(crate) fn cancel(&mut self, party: CallId) {
        self.at(Duration::ZERO, Event::Act { party, act: Act::Cancel });
        self.run_for(Duration::from_secs(1));
    }

    /// This phone does something now.
    #[track_caller]
    pub(crate) fn act(&mut self, name: &str, act: Act) -> &mut Self {
        let at = self.parties.iter().rposition(|(_, p)| p.name == name).unwrap_or_else(|| panic!("{name} has no call"));
        self.act_at(at, &act);
        self
    }

    /// This call of a phone's does something now.
    pub(crate) fn act_by(&mut self, party: CallId, act: &Act) {
        if let Some(at) = self.parties.iter().position(|(id, _)| *id == party) {
            self.act_at(at, act);
        }
    }

    /// The first call that this phone has had does something now.
    #[track_caller]
    pub(crate) fn act_first(&mut self, name: &str, act: Act) -> &mut Self {
        let at = self.parties.iter().position(|(_, p)| p.name == name).unwrap_or_else(|| panic!("{name} has no call"));
        self.act_at(at, &act);
        self
    }

    /// The first call that this phone has had.
    #[track_caller]
    pub(crate) fn first(&self, name: &str) -> &Party {
        &self.parties.iter().find(|(_, p)| p.name == name).unwrap_or_else(|| panic!("{name} has no call")).1
    }

    pub(super) fn act_at(&mut self, at: usize, act: &Act) {
        let by = (self.parties[at].1.name.clone(), self.parties[at].0);
        match act {
            Act::Consult(to) if self.parties[at].1.state == State::Up => {
                if let Some((employee, at)) = self.seat(&by.0) {
                    let extension = self.extension(employee.as_str());
                    self.caller(&by.0, &at, to, Some(&extension), true, &[]);
                }
            }
            Act::ReferToConsulted { on_second } => self.refer_to_consulted(&by.0, *on_second),
            Act::TakePlaceOf(whose) => {
                let replaced = self.parties.iter().rev().find(|(_, p)| p.name == *whose);
                if let Some(replaces) = replaced.and_then(|(_, p)| p.replaced_by()) {
                    let whose = self.seat(whose).map_or_else(|| whose.clone(), |(employee, _)| employee.to_string());
                    let sent_by = self.extension(&whose);
                    self.replacing(&by.0, replaces, Some(&sent_by));
                }
            }
            Act::Consult(_) => {}
            act => {
                let sends = self.parties[at].1.act(self.now, act);
                self.send_all(sends);
            }
        }
    }

    pub(super) fn extension(&self, name: &str) -> String {
        self.house.directory.employee(&name.into()).and_then(|e| e.extension.clone()).unwrap_or_else(|| name.to_owned())
    }

    /// Somebody sends an INVITE with this Replaces, from the PBX; gives what names her call.
    pub(crate) fn replacing(&mut self, name: &str, replaces: Replaces, referred_by: Option<&str>) -> CallId {
        let (employee, at) = self.seat(name).unwrap_or_else(|| (name.into(), OFFICE.to_owned()));
        let extension = self.extension(employee.as_str());
        self.replacing_from((name, &at, &extension), replaces, referred_by)
    }

    /// The same from anywhere, as anybody.
    pub(crate) fn replacing_from(
        &mut self,
        (name, at, from): (&str, &str, &str),
        replaces: Replaces,
        referred_by: Option<&str>,
    ) -> CallId {
        let media = 40_000 + 2 * u16::try_from(self.parties.len()).expect("few");
        let (id, mut party) = Party::new(name, at.parse().expect("an address"), self.us, &mut self.ids, media);
        party.transport = self.transport;
        let referred_by = referred_by.map(|user| format!("<sip:{user}@{OFFICE}>"));
        let sends = party.call_in_place(self.now, from, replaces, referred_by);
        self.parties.push((id, party));
        self.send_all(sends);
        id
    }

    /// A phone with two calls hands the far end of one on to that of the other, by REFER with Replaces.
    fn refer_to_consulted(&mut self, name: &str, on_second: bool) {
        let mine: Vec<usize> = (0..self.parties.len()).filter(|at| self.parties[*at].1.name == name).collect();
        let [.., first, second] = mine[..] else { return };
        let (on, other) = if on_second { (second, first) } else { (first, second) };
        let Some(replaces) = self.parties[other].1.replaced_by() else { return };
        let escaped = replaces.to_string().replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
        let act = Act::Refer(format!("sip:203@10.0.0.5?Replaces={escaped}"));
        let sends = self.parties[on].1.act(self.now, &act);
        self.send_all(sends);
    }

    /// The console's button, on the only call that is up.
    #[track_caller]
    pub(crate) fn hand_on(&mut self, to: Dialled) -> &mut Self {
        let up: Vec<CallId> = self.calls.iter().filter(|(_, call)| !call.is_ended()).map(|(id, _)| *id).collect();
        let [id] = up[..] else { panic!("{} calls are up", up.len()) };
        self.tell(id, CallEvent::HandOn(to));
        self
    }

    /// The console's button, on every call that it may be pressed for.
    pub(crate) fn hand_on_all(&mut self, extension: &str) {
        let dir = self.house.directory.clone();
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            let holder = self.calls[&id].may_be_handed_on_by().and_then(|holder| dir.employee(holder));
            let to = holder
                .and_then(|by| crate::route::dial(&dir, &crate::route::Dialler::employee(&dir, by), extension).ok());
            if let Some(to) = to {
                self.tell(id, CallEvent::HandOn(to));
            }
        }
    }

    /// Whoever still talks hangs up, and whoever still calls gives up.
    pub(crate) fn everybody_gives_up(&mut self) -> &mut Self {
        for at in 0..self.parties.len() {
            let act = if self.parties[at].1.state == State::Up { Act::HangUp } else { Act::Cancel };
            self.act_at(at, &act);
        }
        self
    }
}
