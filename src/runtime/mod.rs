//! Making and joining containers. (in work)

pub mod copyup;
pub mod seccomp;
