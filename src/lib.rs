//! `ramal`: a SIP B2BUA that asks the CRM while the call is still an INVITE.

pub mod base;
pub mod call;
pub mod cli;
pub mod config;
pub mod crm;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod net;
pub mod node;
pub mod route;
pub mod sdp;
#[cfg(test)]
mod sim;
pub mod sip;
pub mod softcrm;
pub mod softphone;
pub mod store;
