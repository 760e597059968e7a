//! Thin, safe wrappers of system calls that no library on our list offers: the only place with `unsafe`. No policy.

pub mod caps;
pub mod clone;
pub mod fork;
pub mod holder;
pub mod launcher;
pub mod memory;
pub mod mount;
pub mod process;
pub mod rooted;
pub mod seccomp;
pub mod signal;
