//! What an INVITE that begins a call is: which line it came in by or goes out on, who calls, and whom.

use std::sync::Arc;

use super::caller::{Caller, is_anonymous, read_caller};
use super::dial::{Dialled, Dialler, dial, exclusion, is_blacklisted};
use super::directory::{Directory, Employee, Gateway, IdentityHeader, Line, Pbx, Trunk};
use super::origin::Origin;
use super::plan::Destination;
use crate::base::phone::{Context, Kind, read};
use crate::base::{Identities, PhoneNumber};
use crate::crm::model::Exclusion;

/// A call that may begin.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A customer calls a line.
    Incoming(Incoming),
    /// Somebody inside calls a number outside.
    Outgoing(Outgoing),
    /// Both ends are inside.
    Internal(Internal),
}

/// A call to a line.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The line called.
    pub line: Arc<Line>,
    /// Who calls.
    pub caller: Caller,
}

/// A call to a number outside.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Who calls; `None`: an extension that is no employee.
    pub employee: Option<Arc<Employee>>,
    /// Her extension, as the PBX names it.
    pub extension: String,
    /// The line that it shows.
    pub line: Arc<Line>,
    /// The number called, with its gateway.
    pub to: Destination,
    /// That number in E.164; `None` for short codes.
    pub number: Option<PhoneNumber>,
    /// Why it is not looked up.
    pub excluded: Option<Exclusion>,
    /// She asked that nobody outside is told who calls: `Privacy: id`.
    pub private: bool,
}

/// A call between extensions, or from one to a queue.
#[derive(Debug, Clone)]
pub struct Internal {
    /// Who calls; `None`: an extension that is no employee.
    pub employee: Option<Arc<Employee>>,
    /// Her extension, as the PBX names it.
    pub extension: String,
    /// The name that her phone gives.
    pub display: String,
    /// What was dialled.
    pub dialled: String,
    /// Whom that rings.
    pub to: Dialled,
    /// The line that a queue's forwards outside show.
    pub line: Option<Arc<Line>>,
}

/// Why a call does not begin.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The trunk has no line with that number.
    #[error("no line has the number called")]
    NoLine,
    /// From an address that no `accept` or peer names.
    #[error("the source is no trunk and no PBX")]
    Stranger,
    /// The caller is on the blacklist: see [`refuse_blacklisted`](super::refuse_blacklisted). The one refusal that leaves a row.
    #[error("the caller is on the blacklist")]
    Blacklisted(Box<Incoming>),
    /// The files don't let her.
    #[error("not allowed: {why}")]
    NotAllowed {
        /// Which rule.
        why: String,
    },
    /// What was dialled is nobody's number.
    #[error("nobody has the number dialled")]
    NotFound,
    /// The number dialled is an employee's who cannot be rung.
    #[error("{why}")]
    Unreachable {
        /// Why not.
        why: String,
    },
}

impl Refusal {
    /// The final answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoLine | Self::NotFound => 404,
            Self::Stranger | Self::NotAllowed { .. } => 403,
            Self::Blacklisted(_) => 603,
            Self::Unreachable { .. } => 480,
        }
    }
}

/// What the INVITE with these identities is, from this origin.
pub fn inbound(dir: &Directory, origin: &Origin, ids: &Identities) -> Result<Entry, Refusal> {
    match origin {
        Origin::Stranger => Err(Refusal::Stranger),
        Origin::Trunk(name) => {
            let trunk = dir.trunk(name).ok_or(Refusal::Stranger)?;
            let line = line_called(dir, trunk, ids).ok_or(Refusal::NoLine)?;
            incoming(dir, line, ids, &trunk.caller_from, trunk.trusted)
        }
        Origin::Pbx(name) => from_pbx(dir, dir.pbx(name).ok_or(Refusal::Stranger)?, ids),
        // Her phone is who she is, whatever From says: S2 of docs/security.md.
        Origin::Phone(id) => from_phone(dir, dir.employee(id).ok_or(Refusal::Stranger)?, ids),
    }
}

/// The employee who sends a request from inside: whose phone it is, or whose extension the PBX names.
pub fn employee_of<'a>(dir: &'a Directory, origin: &Origin, ids: &Identities) -> Option<&'a Arc<Employee>> {
    match origin {
        Origin::Phone(id) => dir.employee(id),
        Origin::Pbx(_) => parties_of_pbx(ids).find_map(|user| dir.employee_at(user)),
        Origin::Trunk(_) | Origin::Stranger => None,
    }
}

fn incoming(
    dir: &Directory,
    line: &Arc<Line>,
    ids: &Identities,
    caller_from: &[IdentityHeader],
    trusted: bool,
) -> Result<Entry, Refusal> {
    let (caller, number) = read_caller(dir, line, ids, caller_from, trusted);
    let incoming = Incoming { line: line.clone(), caller };
    if number.is_some_and(|number| is_blacklisted(dir, number)) {
        return Err(Refusal::Blacklisted(Box::new(incoming)));
    }
    Ok(Entry::Incoming(incoming))
}

/// The line of this trunk that an INVITE calls: the first header of `did_from` that names one.
fn line_called<'a>(dir: &'a Directory, trunk: &Trunk, ids: &Identities) -> Option<&'a Arc<Line>> {
    let gateway = Gateway::Trunk(trunk.name.clone());
    let area = trunk.area.as_deref();
    trunk.did_from.iter().find_map(|header| {
        let party = match header {
            IdentityHeader::RequestUri => Some(&ids.request_uri),
            IdentityHeader::PCalledPartyId => ids.called_party.as_ref(),
            IdentityHeader::To => Some(&ids.to),
            // RFC 5806 §4: each diversion is added on top, so the last entry is the number first called.
            IdentityHeader::Diversion => ids.diversion.last(),
            IdentityHeader::PAssertedIdentity | IdentityHeader::RemotePartyId | IdentityHeader::From => None,
        };
        line_named(dir, &gateway, area, &party?.user)
    })
}

/// The line of this gateway that `user` means: by its whole number, else as the only one whose number ends so.
fn line_named<'a>(dir: &'a Directory, gateway: &Gateway, area: Option<&str>, user: &str) -> Option<&'a Arc<Line>> {
    let lines: Vec<PhoneNumber> = dir.lines_of(gateway).map(|line| line.number).collect();
    let reading = read(user, &Context { area, lines: &lines, ..Context::plain(&dir.crm.country) });
    reading.e164.filter(|_| reading.kind == Kind::Line).and_then(|number| dir.line(number))
}

fn from_pbx(dir: &Directory, pbx: &Arc<Pbx>, ids: &Identities) -> Result<Entry, Refusal> {
    let called = &ids.request_uri.user;
    let gateway = Gateway::Pbx(pbx.name.clone());
    let inside = parties_of_pbx(ids).find(|user| dir.employee_at(user).is_some() || pbx.serves(user));
    if inside.is_none()
        && let Some(line) = line_named(dir, &gateway, None, called)
    {
        let order = [IdentityHeader::PAssertedIdentity, IdentityHeader::RemotePartyId, IdentityHeader::From];
        return incoming(dir, line, ids, &order, true);
    }
    let extension = inside.unwrap_or(&ids.from.user).to_owned();
    placed(dir, Dialler::at(dir, pbx, &extension), extension, ids)
}

/// An employee calls from a phone of her own.
fn from_phone(dir: &Directory, employee: &Arc<Employee>, ids: &Identities) -> Result<Entry, Refusal> {
    let extension = employee.extension.clone().ok_or(Refusal::Stranger)?;
    placed(dir, Dialler::employee(dir, employee), extension, ids)
}

/// Somebody inside dials.
fn placed(dir: &Directory, by: Dialler, extension: String, ids: &Identities) -> Result<Entry, Refusal> {
    let called = &ids.request_uri.user;
    let to = dial(dir, &by, called)?;
    match (to, by.line) {
        (Dialled::Destination(to @ Destination::Outside { .. }), _) => {
            outgoing(dir, by.employee, extension, to, wants_privacy(dir, ids))
        }
        (to, line) => {
            let (display, dialled) = (ids.from.display.clone(), called.clone());
            Ok(Entry::Internal(Internal { employee: by.employee, extension, display, dialled, to, line }))
        }
    }
}

/// Whether the caller inside asks that nobody outside is told who she is: by Privacy, or by an anonymous From.
fn wants_privacy(dir: &Directory, ids: &Identities) -> bool {
    ids.private || is_anonymous(&dir.crm.country, &ids.from)
}

/// The users whom a PBX may mean by the caller: it is ours, so what it asserts comes first.
fn parties_of_pbx(ids: &Identities) -> impl Iterator<Item = &str> {
    ids.asserted.iter().chain(&ids.remote_party).chain([&ids.from]).map(|party| party.user.as_str())
}

fn outgoing(
    dir: &Directory,
    employee: Option<Arc<Employee>>,
    extension: String,
    to: Destination,
    private: bool,
) -> Result<Entry, Refusal> {
    let Destination::Outside { number, line, .. } = &to else {
        return Err(Refusal::NotFound);
    };
    let number = *number;
    let line = dir.line(*line).cloned().ok_or(Refusal::NoLine)?;
    let excluded = match number {
        // Calls of extensions that are no employee stay out of the CRM, and so do short codes.
        Some(number) if employee.is_some() => exclusion(dir, number),
        _ => Some(Exclusion::Internal),
    };
    Ok(Entry::Outgoing(Outgoing { employee, extension, line, to, number, excluded, private }))
}

#[cfg(test)]
mod tests;
