//! The CRM in the call: its words ([`model`]), what it is asked and told ([`policy`]), and the backends that answer.

pub mod model;
pub mod policy;
