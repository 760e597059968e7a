//! Programs of other architectures.

use super::Finding;
use std::path::Path;

/// Where the kernel tells of its interpreters for foreign programs (Documentation/admin-guide/binfmt-misc.rst).
pub const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

const ARCHITECTURES: [&str; 9] = ["amd64", "386", "arm64", "arm", "ppc64le", "riscv64", "s390x", "mips64le", "loong64"];

/// What QEMU's user mode calls an architecture that is given in Go's words.
pub fn qemu_name(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x86_64",
        "386" => "i386",
        "arm64" => "aarch64",
        "mips64le" => "mips64el",
        "loong64" => "loongarch64",
        other => other,
    }
}

/// The architectures for which the kernel has an enabled interpreter.
fn runnable(dir: &Path) -> Vec<&'static str> {
    let enabled = |arch: &&str| {
        let entry = dir.join(format!("qemu-{}", qemu_name(arch)));
        std::fs::read_to_string(entry).is_ok_and(|text| text.starts_with("enabled"))
    };
    ARCHITECTURES.into_iter().filter(enabled).collect()
}

pub(super) fn foreign() -> Finding {
    const CHECK: &str = "foreign-programs";
    let found = runnable(Path::new(BINFMT));
    if found.is_empty() {
        return Finding::warn(
            CHECK,
            "the kernel has no interpreter for programs of other architectures",
            "images for other platforms can be built by stages FROM --platform=$BUILDPLATFORM only, and not run",
            "sudo apt-get install qemu-user-static binfmt-support",
        );
    }
    Finding::ok(CHECK, format!("the kernel has interpreters for {}", found.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_interpreters_are_found() {
        let dir = tempfile::tempdir().unwrap();
        assert!(runnable(dir.path()).is_empty());
        std::fs::write(dir.path().join("qemu-aarch64"), "enabled\ninterpreter /usr/bin/qemu-aarch64-static\n").unwrap();
        std::fs::write(dir.path().join("qemu-s390x"), "disabled\n").unwrap();
        assert_eq!(runnable(dir.path()), ["arm64"]);
    }
}
