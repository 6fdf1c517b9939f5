//! `ramal fake-bitrix24`: a portal of play, until Ctrl-C.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use super::out;
use super::reach::Failure;
use crate::base::Wall;
use crate::node::Clock;
use crate::softcrm::bitrix24::{Fake, Kind, Options, Portal};

/// Serves it and says how to use it.
pub(super) fn run(listen: SocketAddr, contacts: Option<&Path>) -> Result<ExitCode, Failure> {
    if !listen.ip().is_loopback() {
        let mend = "its secrets are known to everybody: listen on 127.0.0.1";
        return Err(Failure::No(format!("--listen {listen} can be reached from elsewhere; {mend}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Clock::start().now().wall;
        let fake = Fake::start(Options { listen, start, ..Options::default() }).await?;
        if let Some(file) = contacts {
            let added = fake.portal(|portal| fill(portal, file, start));
            let added = added
                .map_err(|cause| Failure::No(format!("{}: {cause}; write name,phone,responsible", file.display())))?;
            out::text(&format!("contacts {added} added\n"));
        }
        out::text(&format!("portal   {}/\n", fake.url));
        out::text("users    1269 Ana (201), 1270 Bruno (202), 1271 Carla (203)\n\n");
        out::text(&format!("[crm]\nbackend = \"bitrix24\"\n\n{}", fake.section()));
        out::text(&format!("\n# or, with fewer powers, in their place:\n# webhook = \"{}\"\n", fake.webhook()));
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Puts in the contacts of a file; those without a responsible are the administrator's.
fn fill(portal: &mut Portal, file: &Path, now: Wall) -> Result<usize, csv::Error> {
    let mut rows = csv::Reader::from_path(file)?;
    let heads = rows.headers()?.clone();
    let column = |name: &str| heads.iter().position(|head| head.eq_ignore_ascii_case(name));
    let (name, phone, responsible) = (column("name"), column("phone"), column("responsible"));
    let mut added = 0;
    for row in rows.records() {
        let row = row?;
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
        let owner = cell(responsible).parse().unwrap_or(1);
        portal.add(Kind::Contact, cell(name), &[cell(phone)], owner, now);
        added += 1;
    }
    Ok(added)
}
