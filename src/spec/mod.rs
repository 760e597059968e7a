//! What a container is, as plain data: flags + image config → [`model::Spec`]. No system calls here.

pub mod build;
pub mod env;
pub mod model;
pub mod ports;
pub mod request;
pub mod signal;
pub mod units;
