//! The store through its own doors: what it refuses, what survives, what it says when it cannot commit.
