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
use bpf::Action;
use profile::{Facts, Filter, Profile, Rule};

/// The filter program (each `u64` is one `struct sock_filter`, bit for bit), or `None` for no filter. `caps`: the
/// container's capabilities without `CAP_`, which open the profile's conditional entries.
///
/// # Errors
/// `User` for a profile that can't be read or becomes too long; `Unsupported` on machines whose calls we don't know.
pub fn compile(profile: &Seccomp, caps: &[String]) -> Result<Option<Vec<u64>>> {
    compiled(profile, caps, false)
}

/// As [`compile`], for containers with one id: calls that would change owners or ids report success and do nothing.
/// Package installers then run to their end; what they install belongs to the one id there is.
pub fn pretending(profile: &Seccomp, caps: &[String]) -> Result<Option<Vec<u64>>> {
    compiled(profile, caps, true)
}

/// Calls about owners and ids, those of 32-bit interfaces included.
const OWNERS: &[&str] = &[
    "chown",
    "chown32",
    "fchown",
    "fchown32",
    "fchownat",
    "lchown",
    "lchown32",
    "setgid",
    "setgid32",
    "setgroups",
    "setgroups32",
    "setregid",
    "setregid32",
    "setresgid",
    "setresgid32",
    "setresuid",
    "setresuid32",
    "setreuid",
    "setreuid32",
    "setuid",
    "setuid32",
];

fn compiled(profile: &Seccomp, caps: &[String], pretend: bool) -> Result<Option<Vec<u64>>> {
    if *profile == Seccomp::Unconfined && !pretend {
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
    let parsed = match parsed {
        found if !pretend => found,
        found => Some(pretend_owners(found, native)),
    };
    match parsed {
        None => Ok(None),
        Some(profile) => Ok(Some(profile.program(&facts)?.into_iter().map(bpf::Insn::word).collect())),
    }
}

/// The profile (none: everything is allowed) with [`OWNERS`] out of effect.
fn pretend_owners(profile: Option<Profile>, native: Arch) -> Profile {
    let open = Profile { default: Action::Allow, arches: native.family().to_vec(), rules: Vec::new() };
    let mut profile = profile.unwrap_or(open);
    for rule in &mut profile.rules {
        rule.names.retain(|name| !OWNERS.contains(&name.as_ref()));
    }
    profile.rules.push(Rule {
        names: OWNERS.iter().map(|name| (*name).into()).collect(),
        action: Action::Errno(0),
        any: Vec::new(),
        includes: Filter::default(),
        excludes: Filter::default(),
    });
    profile
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
