//! Who is calling, by the headers that may be believed, and whether she may be looked up at all.

use super::dial::{area, exclusion};
use super::directory::{Directory, IdentityHeader, Line};
use super::number::{self, Place};
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
        if is_anonymous(&party) { Self::anonymous() } else { Self::of(dir, line, &party) }
    }

    fn of(dir: &Directory, line: &Line, party: &Party) -> Self {
        let own = own_line(dir, line, &party.user);
        let number = own.or_else(|| read(dir, line, &party.user));
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
    let parties: Vec<&Party> = believed(ids, order, trusted).filter(|party| !is_anonymous(party)).collect();
    let readable = parties.iter().find(|party| read(dir, line, &party.user).is_some());
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
    if caller.address.is_empty() && !from.host.is_empty() && !is_anonymous(from) {
        caller.address = format!("{}@{}", from.user, from.host);
    }
    if caller.display.is_empty() && !is_anonymous(from) {
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

/// Words that carriers and phones write where a number is withheld.
fn is_anonymous(party: &Party) -> bool {
    let withheld = |word: &str| {
        ["anonymous", "unavailable", "unknown", "restricted", "private", "withheld"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    };
    let user = party.user.trim();
    let digits = user.trim_start_matches('+');
    let zeros = !digits.is_empty() && digits.bytes().all(|b| b == b'0');
    user.is_empty() || withheld(user) || zeros || party.host.eq_ignore_ascii_case("anonymous.invalid")
}

fn read(dir: &Directory, line: &Line, user: &str) -> Option<PhoneNumber> {
    let area = area(dir, line);
    number::read(user, Place { country: &dir.crm.country, area: area.as_deref() })
}

/// A line of ours whose number the carrier wrote short: `4002-8922` would be read as a shared-cost number else.
fn own_line(dir: &Directory, line: &Line, user: &str) -> Option<PhoneNumber> {
    let same_gateway = dir.lines.iter().filter(|other| other.gateway == line.gateway);
    let short = number::digits(user);
    let mut ours = same_gateway.map(|line| line.number).filter(|ours| number::ends_with(*ours, &short, LOCAL_DIGITS));
    ours.next().filter(|_| ours.next().is_none())
}

/// A caller that ends as a line of ours does is that line only if a whole local number is the same.
const LOCAL_DIGITS: usize = 8;
