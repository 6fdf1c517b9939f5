//! SIP messages: read off the wire, made and printed.

/// A message off the wire.
#[derive(Debug, Clone)]
pub struct Message;
