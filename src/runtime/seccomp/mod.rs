//! Seccomp: a profile in Docker's format becomes a classic BPF program.
//!
//! libseccomp takes 10 to 20 ms for a program that the kernel then walks for half a millisecond, once per system call
//! number. Ours is a decision tree over ranges of numbers: compiled in well under a millisecond, a few hundred
//! instructions long, nine or ten of them executed per call.

mod arch;
mod bpf;
mod default;
mod json;
mod profile;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::spec::model::Seccomp;
use arch::Arch;
use profile::{Facts, Profile};

/// The filter program (each `u64` is one `struct sock_filter`, bit for bit), or `None` for no filter. `caps`: the
/// container's capabilities without `CAP_`, which open the profile's conditional entries.
///
/// # Errors
/// `User` for a profile that can't be read or becomes too long; `Unsupported` on machines whose calls we don't know.
pub fn compile(profile: &Seccomp, caps: &[String]) -> Result<Option<Vec<u64>>> {
    if *profile == Seccomp::Unconfined {
        return Ok(None);
    }
    let native = Arch::native().ok_or_else(|| {
        Error::unsupported(format!("filter system calls on {}: not known", std::env::consts::ARCH))
            .hint("use --security-opt seccomp=unconfined")
    })?;
    let facts = Facts { native, caps: caps.to_vec(), kernel: kernel() };
    let parsed: Option<Profile> = match profile {
        Seccomp::Default => Some(default::profile(native)),
        Seccomp::Profile(text) => json::parse(text, native)?,
        Seccomp::Unconfined => None,
    };
    match parsed {
        None => Ok(None),
        Some(profile) => Ok(Some(profile.program(&facts)?.into_iter().map(bpf::Insn::word).collect())),
    }
}

/// (major, minor) of the running kernel; what can't be read counts as new.
fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => (u32::MAX, 0),
    }
}
