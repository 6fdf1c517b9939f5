//! `ramal presence`: who can be rung, from the next INVITE on.

use std::process::ExitCode;

use super::control::escape;
use super::out;
use super::reach::{Failure, House, Reached};
use crate::base::EmployeeId;
use crate::http::PresenceBody;
use crate::route::plan::Presence;

/// Sets what is given; without it shows what is.
pub(super) fn run(
    house: &House,
    employee: &EmployeeId,
    presence: Option<Presence>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let directory = house.directory();
    if directory.employee(employee).is_none() {
        let known: Vec<&str> = directory.employees.iter().map(|known| known.id.as_str()).collect();
        return Err(Failure::No(format!("no employee `{employee}`; the files have {}", known.join(", "))));
    }
    let presence = house.block_on(async {
        match (house.reach().await?, presence) {
            (Reached::Server(mut control), presence) => {
                let path = format!("/api/employees/{}/presence", escape(employee.as_str()));
                let said: PresenceBody = match presence {
                    Some(presence) => control.put(&path, &PresenceBody { presence }).await?,
                    None => control.get(&path).await?,
                };
                Ok::<_, Failure>(said.presence)
            }
            (Reached::Nobody, Some(presence)) => {
                let store = house.store().await?;
                let set = store.set_presence(employee, presence.as_str()).await;
                store.close().await;
                set?;
                Ok(presence)
            }
            (Reached::Nobody, None) => read(house, employee).await,
        }
    })?;
    match json {
        true => out::json(&PresenceBody { presence }),
        false => out::text(&format!("{employee} is {}\n", presence.as_str())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(house: &House, employee: &EmployeeId) -> Result<Presence, Failure> {
    let Some(reader) = house.reader().await? else { return Ok(Presence::default()) };
    let written = reader.presences().await?;
    Ok(written.get(employee).and_then(|word| word.parse().ok()).unwrap_or_default()) // as a server reads it
}
