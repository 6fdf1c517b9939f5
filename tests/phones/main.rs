//! Real phones against the real server: PJSIP, baresip and linphone register, are rung, hold, resume and hand calls on,
//! and the CRM must then hold what was promised.
//!
//! `make test` installs them. A phone that is missing is a failure under `CI`, and skipped elsewhere.

#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod certificate;
mod office;
mod phone;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use office::play;
use phone::{Kind, Over};

/// Every test: its name begins with the number that makes its loopback address.
const STORIES: &[(&str, Kind, Over)] = &[
    ("60-pjsip-over-udp", Kind::Pjsip, Over::Udp),
    ("61-pjsip-over-tcp", Kind::Pjsip, Over::Tcp),
    ("62-pjsip-over-tls", Kind::Pjsip, Over::Tls),
    ("63-baresip-over-udp", Kind::Baresip, Over::Udp),
    ("64-baresip-over-tcp", Kind::Baresip, Over::Tcp),
    ("65-baresip-over-tls", Kind::Baresip, Over::Tls),
    ("66-linphone-over-udp", Kind::Linphone, Over::Udp),
    ("67-linphone-over-tcp", Kind::Linphone, Over::Tcp),
    ("68-linphone-over-tls", Kind::Linphone, Over::Tls),
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
