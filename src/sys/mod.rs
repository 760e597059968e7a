//! (in work)

pub mod signal;
