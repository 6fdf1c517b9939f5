//! The API over real requests.
