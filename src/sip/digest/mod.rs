//! Digest authentication, both sides of it: RFC 8760 (SHA-256 before MD5), RFC 7616, and what peers of RFC 2617 and
//! RFC 2069 still say; RFC 3261 §22 says how SIP uses it.
//!
//! [`Challenge`] is what a server asks (read with [`challenges`], chosen with [`best`], made with [`Challenge::text`]),
//! [`Credentials`] what a client says (made with [`Challenge::answer`], read with [`Credentials::parse`], checked with
//! [`Credentials::are_right`]). Whether a nonce is one of ours, still fresh, and its count new, is for whoever gave it:
//! nothing here remembers anything. `auth-int` is neither asked nor answered; RFC 8760 asks for `auth` alone.

#![deny(clippy::indexing_slicing, clippy::string_slice)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::string_slice))]

mod challenge;
mod credentials;
mod fields;
mod hash;
#[cfg(test)]
mod tests;

pub use challenge::{Challenge, Session, best, challenges};
pub use credentials::{Credentials, Unusable};
pub use hash::Algorithm;
pub(super) use hash::hex;
