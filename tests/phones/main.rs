//! Real phones against the real server: PJSIP, baresip and linphone register, are rung, hold, resume and hand calls on,
//! and the CRM must then hold what was promised.
//!
//! `make test` installs them. A phone that is missing is a failure under `CI`, and skipped elsewhere.

#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod office;
mod phone;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use office::play;
use phone::{Kind, Over};

/// Every test: its name begins with the number that makes its loopback address.
const STORIES: &[(&str, Kind, Over)] = &[
    ("60-pjsip-over-udp", Kind::Pjsip, Over::Udp),
    ("63-baresip-over-udp", Kind::Baresip, Over::Udp),
    ("66-linphone-over-udp", Kind::Linphone, Over::Udp),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let must_run = std::env::var_os("CI").is_some();
    let there = |kind: &Kind| Kind::Pjsip.is_installed() && kind.is_installed();
    let trials = STORIES
        .iter()
        .map(|&(name, kind, over)| {
            let can_run = there(&kind);
            Trial::test(name, move || match can_run {
                true => play(name, kind, over).map_err(Into::into),
                false => {
                    Err(format!("{kind:?} isn't installed (make test does it); CI is set, so that is a failure").into())
                }
            })
            .with_ignored_flag(!can_run && !must_run)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}
