//! Who is calling, by the headers that may be believed, and whether she may be looked up at all.

use super::dial::{area, exclusion};
use super::directory::{Directory, IdentityHeader, Line};
use crate::base::phone::{Context, Kind, Reading, read};
use crate::base::{Identities, Party, PhoneNumber};
use crate::crm::model::Exclusion;

/// A caller as the call may use and show her. Nothing stands here that she asked to withhold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Her number; `None` where there is none that can be looked up.
    pub number: Option<PhoneNumber>,
    /// The number as received; empty without an identity.
    pub raw: String,
    /// The name that she gave; may be empty.
    pub display: String,
    /// Her SIP address, `user@host`, for exceptions by address; may be empty.
    pub address: String,
    /// Why she is not looked up, by what the files and her headers say.
    pub excluded: Option<Exclusion>,
}

impl Caller {
    /// As records and lists name her: E.164 where it could be read so, else as received, else `anonymous`.
    pub fn shown(&self) -> String {
        match self.number {
            Some(number) => number.to_string(),
            None if self.raw.is_empty() => "anonymous".to_owned(),
            None => self.raw.clone(),
        }
    }

    /// Somebody without an identity.
    pub fn anonymous() -> Self {
        let (raw, display, address) = (String::new(), String::new(), String::new());
        Self { number: None, raw, display, address, excluded: Some(Exclusion::Anonymous) }
    }

    /// The caller whose number stands as `raw`, toward this line: what `explain --from` and the console name.
    pub fn from_text(dir: &Directory, line: &Line, raw: &str) -> Self {
        let (user, host) = raw.split_once('@').unwrap_or((raw, ""));
        let user = user.trim().trim_start_matches("sip:").trim_start_matches("tel:");
        let party = Party { display: String::new(), user: user.to_owned(), host: host.to_owned() };
        if is_anonymous(&dir.crm.country, &party) { Self::anonymous() } else { Self::of(dir, line, &party) }
    }

    fn of(dir: &Directory, line: &Line, party: &Party) -> Self {
        let number = reading(dir, line, &party.user).e164;
        let excluded = match number {
            Some(number) => exclusion(dir, number),
            None => Some(match dir.employee_at(&party.user) {
                Some(employee) => Exclusion::Employee(employee.id.clone()),
                None => Exclusion::Anonymous,
            }),
        };
        let address = if party.host.is_empty() { String::new() } else { format!("{}@{}", party.user, party.host) };
        Self { number, raw: party.user.clone(), display: party.display.clone(), address, excluded }
    }
}

/// The caller of an INVITE, and the number that the blacklist is asked about: that one may be withheld from all else.
pub(super) fn read_caller(
    dir: &Directory,
    line: &Line,
    ids: &Identities,
    order: &[IdentityHeader],
    trusted: bool,
) -> (Caller, Option<PhoneNumber>) {
    let country = &dir.crm.country;
    let parties: Vec<&Party> = believed(ids, order, trusted).filter(|party| !is_anonymous(country, party)).collect();
    let readable = parties.iter().find(|party| reading(dir, line, &party.user).e164.is_some());
    let Some(chosen) = readable.or_else(|| parties.first()) else {
        return (Caller::anonymous(), None);
    };
    let mut caller = Caller::of(dir, line, chosen);
    let number = caller.number;
    // RFC 3323 §4.2, RFC 3325 §9.3: an identity under `Privacy: id` may route, but must not be shown or kept.
    if ids.private {
        return (Caller::anonymous(), number);
    }
    let from = &ids.from;
    if caller.address.is_empty() && !from.host.is_empty() && !is_anonymous(country, from) {
        caller.address = format!("{}@{}", from.user, from.host);
    }
    if caller.display.is_empty() && !is_anonymous(country, from) {
        caller.display.clone_from(&from.display);
    }
    (caller, number)
}

/// The parties in the order to be believed.
fn believed<'a>(ids: &'a Identities, order: &'a [IdentityHeader], trusted: bool) -> impl Iterator<Item = &'a Party> {
    // RFC 3325 §5: P-Asserted-Identity means something only from "a node that is trusted"; From anybody may write.
    let named = order.iter().flat_map(move |header| match header {
        IdentityHeader::PAssertedIdentity if trusted => ids.asserted.iter().collect(),
        IdentityHeader::RemotePartyId if trusted => ids.remote_party.iter().collect(),
        IdentityHeader::From => vec![&ids.from],
        _ => Vec::new(),
    });
    let from_at_last = (!order.contains(&IdentityHeader::From)).then_some(&ids.from);
    named.chain(from_at_last)
}

/// Whether a party withholds who she is, by the words that carriers and phones write there.
pub(super) fn is_anonymous(country: &str, party: &Party) -> bool {
    party.host.eq_ignore_ascii_case("anonymous.invalid")
        || read(&party.user, &Context::plain(country)).kind == Kind::Anonymous
}

/// How a caller's number is read that came to this line.
pub fn reading(dir: &Directory, line: &Line, raw: &str) -> Reading {
    let area = area(dir, line);
    let lines: Vec<PhoneNumber> = dir.lines_of(&line.gateway).map(|line| line.number).collect();
    let is_extension = |text: &str| dir.employee_at(text).is_some();
    let context = Context {
        country: &dir.crm.country,
        area: area.as_deref(),
        lines: &lines,
        is_extension: &is_extension,
        emergency: &dir.limits.emergency,
    };
    read(raw, &context)
}
