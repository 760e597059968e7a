//! Capability sets (capabilities(7)) by number and by name.

use rustix::io::Result;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Names without `CAP_`; the index is the capability's number.
pub const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The set of all names that this table and thus we know. Unknown names count as nothing: an older kernel lacks them.
pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> u64 {
    names.into_iter().filter_map(|name| NAMES.iter().position(|n| *n == name)).fold(0, |set, bit| set | 1 << bit)
}

/// What this process may ever use: its permitted set.
pub fn permitted() -> Result<u64> {
    Ok(rustix::thread::capabilities(None)?.permitted.bits())
}

/// Drops everything outside `keep` from the bounding set. Needs CAP_SETPCAP.
pub fn bound(keep: u64) -> Result<()> {
    for bit in 0..64 {
        if keep & 1 << bit != 0 {
            continue;
        }
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // Past the kernel's last capability.
            Err(rustix::io::Errno::INVAL) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Sets permitted and effective, inheritable, and ambient in the order that the kernel demands.
pub fn set(permitted: u64, inheritable: u64, ambient: u64) -> Result<()> {
    let bits = CapabilitySet::from_bits_retain;
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: bits(permitted),
            permitted: bits(permitted),
            inheritable: bits(inheritable | ambient),
        },
    )?;
    for bit in 0..64 {
        if ambient & 1 << bit != 0 {
            configure_capability_in_ambient_set(bits(1 << bit), true)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_have_the_kernels_numbers() {
        assert_eq!(super::from_names(["CHOWN", "SYS_ADMIN", "NO_SUCH"]), 1 | 1 << libc::CAP_SYS_ADMIN_NUMBER);
        assert_eq!(super::NAMES.len(), 41);
    }

    mod libc {
        /// <linux/capability.h>
        pub const CAP_SYS_ADMIN_NUMBER: u64 = 21;
    }
}
