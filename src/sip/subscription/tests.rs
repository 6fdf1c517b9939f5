//! Subscriptions, on a clock and a house of the test's own.
