//! Tests of the whole of reading and printing: round trips.

mod round_trip;
