//! What tests of the real server share: a house of its own for each, the server, sipp, and a patient comparison.

pub(crate) mod case;
pub(crate) mod house;
pub(crate) mod matching;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod sipp;

use std::thread;
use std::time::Duration;

pub(crate) use server::Server;

/// How often [`eventually`] looks, and how many times before it gives up: 15 s.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOOKS: u32 = 600;

/// Looks again until `attempt` succeeds; a real server and real processes have no virtual clock. Gives the last fault.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let mut fault = String::new();
    for _ in 0..LOOKS {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(why) => fault = why,
        }
        thread::park_timeout(LOOK_EVERY);
    }
    Err(format!("not in time: {what}\n{fault}"))
}
