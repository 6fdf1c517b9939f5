//! By what way somebody is reached: an employee at the PBX that serves her extension, a number through a gateway.

use std::sync::Arc;
use std::time::Duration;

use super::directory::{Directory, Employee, Gateway, Line, NumbersOut, Trunk};
use super::plan::Destination;
use crate::base::phone::national;
use crate::base::{Account, EmployeeId, PhoneNumber, TrunkName};

/// How long a PBX may be silent; it has no key for it.
const PBX_SILENCE: Duration = Duration::from_secs(3);

/// Her phone, or why there is none to ring.
pub fn employee(dir: &Directory, who: &Employee) -> Result<Destination, String> {
    let extension = who.extension.as_deref().ok_or("unreachable: she has no extension")?;
    let pbx = dir.pbx_for(extension).ok_or_else(|| format!("unreachable: no PBX serves extension {extension}"))?;
    Ok(Destination::Employee { id: who.id.clone(), extension: extension.to_owned(), pbx: pbx.name.clone() })
}

/// A number outside through the line's gateway, written as that gateway wants it; `whose` mobile it is, where it is one.
pub fn outside(dir: &Directory, line: &Line, number: PhoneNumber, whose: Option<EmployeeId>) -> Destination {
    let dial = written(dir, &line.gateway, number);
    Destination::Outside {
        dial,
        number: Some(number),
        gateway: line.gateway.clone(),
        line: line.number,
        employee: whose,
    }
}

/// The number that a destination outside is shown: the line's, written as its gateway wants numbers.
pub fn shown_outside(dir: &Directory, to: &Destination) -> String {
    match to {
        Destination::Outside { gateway, line, .. } => written(dir, gateway, *line),
        Destination::Employee { extension, .. } | Destination::Extension { extension, .. } => extension.clone(),
    }
}

/// A forwarded customer's own number, as the trunk of a destination outside wants it; `None`: that trunk shows our
/// lines' alone (`foreign_cli`).
pub fn foreign_cli(dir: &Directory, to: &Destination, customer: PhoneNumber) -> Option<String> {
    let Destination::Outside { gateway: gateway @ Gateway::Trunk(name), .. } = to else { return None };
    dir.trunk(name)?.foreign_cli.then(|| written(dir, gateway, customer))
}

/// Whether this code from the peer of a destination's trunk means that the next peer is to be tried. A challenge that
/// was not met would be none of another peer's.
pub fn fails_over(dir: &Directory, to: &Destination, status: u16) -> bool {
    if matches!(status, 401 | 407) {
        return false;
    }
    match to {
        Destination::Outside { gateway: Gateway::Trunk(_), .. } => {
            trunk(dir, to).is_some_and(|trunk| trunk.failover_on.contains(&status))
        }
        Destination::Outside { .. } | Destination::Employee { .. } | Destination::Extension { .. } => status == 503,
    }
}

/// How long a peer of this destination may say nothing at all while another is left to be tried.
pub fn failover_after(dir: &Directory, to: &Destination) -> Duration {
    trunk(dir, to).map_or(PBX_SILENCE, |trunk| trunk.failover_after)
}

/// What answers a challenge of this destination's peer: its trunk's own account, and nobody else's.
pub fn account(dir: &Directory, to: &Destination) -> Option<Arc<Account>> {
    trunk(dir, to)?.account.clone()
}

/// The trunk by which a destination is called, where it is one.
pub fn trunk<'a>(dir: &'a Directory, to: &Destination) -> Option<&'a Arc<Trunk>> {
    match to {
        Destination::Outside { gateway: Gateway::Trunk(name), .. } => dir.trunk(name),
        Destination::Outside { .. } | Destination::Employee { .. } | Destination::Extension { .. } => None,
    }
}

/// This trunk and those after it in the file, which take what is past its `channels`.
pub fn trunks_from<'a>(dir: &'a Directory, name: &TrunkName) -> impl Iterator<Item = &'a Arc<Trunk>> {
    dir.trunks.iter().skip_while(move |trunk| trunk.name != *name)
}

/// The same number by another gateway, written as that one wants it; the line that it shows stays.
pub fn by_gateway(dir: &Directory, to: &Destination, by: &Gateway) -> Destination {
    let mut to = to.clone();
    if let Destination::Outside { dial, number, gateway, .. } = &mut to
        && gateway != by
    {
        gateway.clone_from(by);
        if let Some(number) = number {
            *dial = written(dir, by, *number);
        }
    }
    to
}

/// Whether it is one of `limits.emergency`.
pub fn is_emergency(dir: &Directory, to: &Destination) -> bool {
    match to {
        Destination::Outside { dial, number: None, .. } => dir.limits.emergency.contains(dial),
        Destination::Outside { .. } | Destination::Employee { .. } | Destination::Extension { .. } => false,
    }
}

/// The gateway for an emergency code after this one: its line's own comes first, then all trunks in the file's order.
pub fn next_for_emergency(dir: &Directory, to: &Destination) -> Option<Gateway> {
    let Destination::Outside { gateway, line, .. } = to else { return None };
    if !is_emergency(dir, to) {
        return None;
    }
    let own = dir.line(*line).map(|line| line.gateway.clone());
    let others = dir.trunks.iter().map(|trunk| Gateway::Trunk(trunk.name.clone()));
    let mut all: Vec<Gateway> = own.iter().cloned().collect();
    all.extend(others.filter(|other| Some(other) != own.as_ref()));
    let at = all.iter().position(|known| known == gateway)?;
    all.into_iter().nth(at + 1)
}

fn written(dir: &Directory, gateway: &Gateway, number: PhoneNumber) -> String {
    let numbers_out = match gateway {
        Gateway::Trunk(name) => dir.trunk(name).map_or(NumbersOut::E164, |trunk| trunk.numbers_out),
        Gateway::Pbx(_) => NumbersOut::E164,
    };
    match numbers_out {
        NumbersOut::E164 => number.to_string(),
        NumbersOut::National => national(number, &dir.crm.country),
    }
}
