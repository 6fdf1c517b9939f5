//! Whole conversations of user agents on a virtual clock.
