//! The outbox over the embedded CRM: order, cut-off and back, kill and restart, operators.
