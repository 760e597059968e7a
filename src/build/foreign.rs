//! Programs of other architectures: what the kernel runs, and what to say when it does not.

use crate::engine::doctor::{BINFMT, qemu_name};
use crate::error::Error;
use crate::registry::Platform;

/// Explains why a program of `platform` could not be executed, if that is the reason.
pub fn explain(error: Error, architecture: &str) -> Error {
    let host = Platform::host();
    let theirs = Platform::normalised("linux", architecture, "");
    let format = error.is_errno(libc::ENOEXEC) || error.to_string().contains("xec format error");
    if !format || architecture.is_empty() || theirs.architecture == host.architecture {
        return error;
    }
    let name = qemu_name(&theirs.architecture);
    // The general hint is not enough.
    Error { hint: None, ..error }.context(format!("run a program for {architecture} on {}", host.architecture)).hint(format!(
        "the kernel needs an interpreter: install qemu-user-static and binfmt-support (qemu-{name} in {BINFMT}), or build in a stage FROM --platform=$BUILDPLATFORM"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_foreign_programs_are_explained() {
        let failed = || Error::errno(libc::ENOEXEC, "execute /bin/sh");
        let foreign = if Platform::host().architecture == "s390x" { "amd64" } else { "s390x" };
        let told = explain(failed(), foreign).to_string();
        assert!(told.contains("qemu-user-static") && told.contains(&format!("for {foreign}")), "{told}");
        assert_eq!(explain(failed(), &Platform::host().architecture), failed());
        let other = || Error::errno(libc::ENOENT, "execute /bin/sh");
        assert_eq!(explain(other(), foreign), other());
    }
}
