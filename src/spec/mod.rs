//! What a container is, as plain data: flags + image config → [`model::Spec`]. No system calls here.

pub mod build;
#[cfg(test)]
mod build_tests;
pub mod caps;
pub mod command;
pub mod devices;
pub mod env;
pub mod hosts;
pub mod limits;
pub mod model;
pub mod mounts;
pub mod namespaces;
pub mod options;
pub mod policy;
pub mod ports;
pub mod request;
pub mod security;
pub mod signal;
pub mod storage;
pub mod units;
pub mod volumes;
