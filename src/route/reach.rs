//! By what way somebody is reached: an employee at her own phones or at the PBX that serves her extension, a number
//! through a gateway.

use super::directory::{Directory, Employee, Gateway, Line, NumbersOut};
use super::plan::{Destination, Live};
use crate::base::phone::national;
use crate::base::{EmployeeId, PhoneNumber};

/// Her phone, or why there can be none to ring, by the files. With a password phones of her own may register.
pub fn employee(dir: &Directory, who: &Employee) -> Result<Destination, String> {
    let extension = who.extension.as_deref().ok_or("unreachable: she has no extension")?;
    let pbx = dir.pbx_for(extension).map(|pbx| pbx.name.clone());
    if pbx.is_none() && who.password.is_none() {
        return Err(format!("unreachable: no PBX serves extension {extension}"));
    }
    Ok(Destination::Employee { id: who.id.clone(), extension: extension.to_owned(), pbx })
}

/// Her phone as things are now, or why there is none to ring.
pub fn employee_now(dir: &Directory, who: &Employee, live: &dyn Live) -> Result<Destination, String> {
    let phone = employee(dir, who)?;
    match &phone {
        Destination::Employee { pbx: None, .. } if !live.registered(&who.id) => {
            Err("unreachable: no phone of hers has registered".to_owned())
        }
        _ => Ok(phone),
    }
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

/// Whether this code from the peer of a destination's trunk means that the next peer is to be tried.
pub fn fails_over(dir: &Directory, to: &Destination, status: u16) -> bool {
    match to {
        Destination::Outside { gateway: Gateway::Trunk(name), .. } => {
            dir.trunk(name).is_some_and(|trunk| trunk.failover_on.contains(&status))
        }
        Destination::Outside { .. } | Destination::Employee { .. } | Destination::Extension { .. } => status == 503,
    }
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
