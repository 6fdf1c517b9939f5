//! A phone that answers 3xx: its Contacts are dialled as whoever it belongs to would dial them.
//!
//! Nothing of a Contact but its user part counts, so that a redirect leads where the employee could have called herself
//! and nowhere else; a carrier's redirect leads nowhere (S11 of docs/security.md).

use super::cx::Cx;
use super::hunt::Hunt;
use super::leg::Called;
use super::transfer::Kind;
use super::{Call, CallAction};
use crate::base::{EmployeeId, LegId};
use crate::crm::model::{Decision, PassedOver};
use crate::route::plan::Destination;
use crate::route::{Dialled, Dialler, dial};
use crate::sip::message::{Text, uri_party};

/// How many 3xx one call follows.
const MOST_REDIRECTS: u8 = 5;
/// How many Contacts of one are looked at.
const MOST_CONTACTS: usize = 5;

/// A redirect that is being followed.
#[derive(Debug)]
pub(super) struct Redirect {
    /// The leg that it rings now.
    pub(super) leg: LegId,
    /// Whose phone redirects; `None`: an extension that is no employee's.
    by: Option<EmployeeId>,
    dialler: Dialler,
    /// Users still to be tried, best last.
    left: Vec<String>,
}

impl Call {
    /// Goes on where a leg answered 3xx, or where one failed that a 3xx had led to: the leg that rings in its place.
    /// `None`: there is none, or a queue comes next, which the hunt then knows.
    pub(super) fn follow_redirect(
        &mut self,
        hunt: &mut Hunt,
        leg: LegId,
        (status, contacts): (u16, &[String]),
        cx: &mut Cx<'_>,
    ) -> Option<LegId> {
        if (300..400).contains(&status) {
            let redirect = self.redirect_of(leg, (status, contacts), cx);
            hunt.redirects.extend(redirect);
        }
        // The last is the innermost: a redirect that another one led to.
        while let Some(at) = hunt.redirects.iter().rposition(|redirect| redirect.leg == leg) {
            let mut redirect = hunt.redirects.remove(at);
            let next = self.next_contact(hunt, &mut redirect, cx);
            if let Some(next) = next {
                hunt.redirects.insert(at, redirect);
                hunt.redirects.iter_mut().filter(|known| known.leg == leg).for_each(|known| known.leg = next);
                return Some(next);
            }
            if hunt.detour.is_some() {
                return None;
            }
            if redirect.by.is_some() {
                cx.out.push(CallAction::Transferred { kind: Kind::Redirect.as_str(), result: "failed" });
            }
        }
        None
    }

    /// Nobody took the call where phones had sent it, and nobody is rung there any more.
    pub(super) fn drop_redirects(hunt: &mut Hunt, cx: &mut Cx<'_>) {
        for _ in hunt.redirects.drain(..).filter(|redirect| redirect.by.is_some()) {
            cx.out.push(CallAction::Transferred { kind: Kind::Redirect.as_str(), result: "failed" });
        }
    }

    /// What a 3xx of this leg asks for, where it may ask.
    fn redirect_of(&mut self, leg: LegId, (status, contacts): (u16, &[String]), cx: &mut Cx<'_>) -> Option<Redirect> {
        let what = format!("follow no {status} of {}", self.label(leg));
        let refuse = |call: &mut Self, why: &str, cx: &Cx<'_>| {
            call.decide(Decision::new(what.clone(), why), cx);
            None
        };
        let dir = cx.env.directory().clone();
        let destination = self.leg(leg)?.called.as_ref()?.destination.clone();
        let dialler = match &destination {
            Destination::Employee { id, .. } => dir.employee(id).map(|employee| Dialler::employee(&dir, employee)),
            Destination::Extension { extension, pbx } => dir.pbx(pbx).map(|pbx| Dialler::at(&dir, pbx, extension)),
            Destination::Outside { .. } => return refuse(self, "only phones of the house may send a call on", cx),
        };
        let Some(dialler) = dialler else { return refuse(self, "the files don't know her any more", cx) };
        if self.redirects >= MOST_REDIRECTS {
            return refuse(self, "the call has been redirected too often", cx);
        }
        let user = |uri: &String| Some(uri_party(&Text::from(uri.as_str())).user).filter(|user| !user.is_empty());
        let mut left: Vec<String> = contacts.iter().take(MOST_CONTACTS).filter_map(user).collect();
        if left.is_empty() {
            return refuse(self, "it names nobody", cx);
        }
        left.reverse();
        self.redirects += 1;
        Some(Redirect { leg, by: destination.employee().cloned(), dialler, left })
    }

    /// Rings the next of a redirect's contacts that may be rung.
    fn next_contact(&mut self, hunt: &mut Hunt, redirect: &mut Redirect, cx: &mut Cx<'_>) -> Option<LegId> {
        let dir = cx.env.directory().clone();
        let whose = self.label(redirect.leg);
        let mut passed_over = Vec::new();
        while let Some(user) = redirect.left.pop() {
            let why = match dial(&dir, &redirect.dialler, &user) {
                Err(refusal) => refusal.to_string(),
                Ok(Dialled::Queue(queue)) => {
                    let what = format!("follow {whose} to queue {queue}");
                    self.decide(Decision { passed_over, ..Decision::new(what, "her phone redirects") }, cx);
                    redirect.left.clear();
                    hunt.detour = Some(queue);
                    return None;
                }
                Ok(Dialled::Destination(to)) => match self.why_not(hunt, &to) {
                    Some(why) => why.to_owned(),
                    None => {
                        let what = format!("follow {whose} to {}", to.label());
                        self.decide(Decision { passed_over, ..Decision::new(what, "her phone redirects") }, cx);
                        passed_over = Vec::new();
                        if let Some(leg) = self.ring_at(hunt, to, cx) {
                            for phone in self.phones_of(hunt, leg).into_iter().chain([leg]) {
                                if let Some(phone) = self.leg_mut(phone) {
                                    phone.redirected_by.clone_from(&redirect.by);
                                }
                            }
                            return Some(leg);
                        }
                        continue;
                    }
                },
            };
            passed_over.push(PassedOver { what: user, why });
        }
        if !passed_over.is_empty() {
            let decision = Decision::new(format!("follow {whose} nowhere"), "no contact that may be rung is left");
            self.decide(Decision { passed_over, ..decision }, cx);
        }
        None
    }

    /// Why nobody is redirected to this one.
    fn why_not(&self, hunt: &Hunt, to: &Destination) -> Option<&'static str> {
        let is_caller = |number| Some(number) == self.facts.customer;
        match to {
            _ if hunt.rung.contains(to) || self.has_rung(to) => Some("already rung in this call"),
            Destination::Outside { number: Some(number), .. } if is_caller(*number) => Some("it is who calls"),
            _ => None,
        }
    }

    fn has_rung(&self, to: &Destination) -> bool {
        let same = |called: &Called| match (called.destination.employee(), to.employee()) {
            (Some(rung), Some(to)) => rung == to,
            _ => called.destination == *to,
        };
        self.legs.iter().filter_map(|leg| leg.called.as_ref()).any(same)
    }

    /// Whoever was redirected to has answered: it counts as handed on by whose phone redirected.
    pub(super) fn redirect_answered(&mut self, leg: LegId, cx: &mut Cx<'_>) {
        if let Some(by) = self.leg(leg).and_then(|l| l.redirected_by.clone()) {
            self.handed_on(leg, Kind::Redirect, Some(by), cx);
        }
    }
}
