//! What `check` finds in files.
