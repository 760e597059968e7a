//! What a container is, as plain data: flags + image config → [`model::Spec`]. No system calls here.

pub mod build;
pub mod model;
pub mod request;
