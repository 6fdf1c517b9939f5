//! Passwords and tokens, which never show.

use std::fmt;

/// A secret; no formatting shows it, only [`Secret::expose`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What answers a peer's challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `username`.
    pub username: String,
    /// `password`.
    pub password: Secret,
}
