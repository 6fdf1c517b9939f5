//! Tests of the whole of reading and printing: mutation fuzz and round trips.

mod fuzz;
mod round_trip;
