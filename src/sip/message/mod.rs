//! SIP messages: read off the wire, made and printed (RFC 3261 §7, §8, §25).
//!
//! [`parse`] takes a datagram and keeps it: a [`Message`] holds a [`Name`] and a [`Text`], a slice of the datagram, for
//! each header. Only what is read becomes a value of rsip's model ([`Address`], [`rsip::Uri`], [`rsip::Method`]), by
//! lexers of our own; none of rsip's parsers sees a peer's bytes. Printing copies what nobody touched.
//!
//! [`inspect`] is what a UAS says after the syntax; [`build`] makes all SIP text; [`identities`] and
//! [`invitation`] hand the layers above what they need without any of these types.

#![deny(clippy::indexing_slicing, clippy::string_slice)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::string_slice))]

pub mod build;
mod check;
mod convert;
mod error;
mod headers;
mod identities;
mod inspect;
mod lexer;
mod lines;
mod model;
mod multipart;
mod name;
mod print;
mod replaces;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod typed;
mod wire;

pub use convert::{find_param, host_ip, method_of, method_text, parse_uri, socket_addr};
pub use error::{Fault, ParseError, Syntax};
pub use headers::{Header, Headers};
pub use identities::{identities, invitation, party, uri_party};
pub use inspect::{Objection, inspect};
pub use lines::body_length;
pub use model::{Message, Request, Response};
pub use multipart::sdp;
pub use name::{Extension, Name};
pub use replaces::Replaces;
pub use status::{Status, reason_phrase};
pub use text::Text;
pub use typed::{Address, Via};
pub use wire::{Limits, parse};
