//! `ramal reload`: the running server reads its files again.

use std::process::ExitCode;

use super::out;
use super::reach::{Failure, House, Reached};
use crate::http::Reloaded;

/// Has it done; faults and warnings go to standard error.
pub(super) fn run(house: &House, json: bool) -> Result<ExitCode, Failure> {
    let reloaded = house.block_on(async {
        match house.reach().await? {
            Reached::Server(mut control) => Ok(control.post::<Reloaded>("/api/reload", &()).await?),
            Reached::Nobody => Err(Failure::No(format!(
                "no ramal answers on http.control {}: start `ramal serve`, which reads the files anyway",
                house.settings.http.control.display()
            ))),
        }
    })?;
    if json {
        out::json(&reloaded);
    } else {
        reloaded.warnings.iter().for_each(|warning| eprintln!("{}", warning.trim_end()));
        out::text("reloaded\n");
    }
    Ok(ExitCode::SUCCESS)
}
