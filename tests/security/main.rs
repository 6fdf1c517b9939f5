//! What attackers try, against the real server over sockets: each row of docs/security.md, by the name of what is tried.
//!
//! "Nothing" is [`Attack::leaves_nothing`]: no INVITE left, no row was made, no line of the log asks for anybody.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod attack;
mod dialogs;
mod floods;
mod fraud;
#[path = "../house/mod.rs"]
mod house;
mod injection;
mod malformed;
mod strangers;
