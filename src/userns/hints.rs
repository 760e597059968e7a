//! Why user namespaces are refused: the setting that forbids them, in words.

use crate::error::Error;
use std::fs;

/// Adds the remedy to the error of a clone(2) or unshare(2) with CLONE_NEWUSER.
pub fn explain(error: Error) -> Error {
    match hint(error.errno, &|path| fs::read_to_string(path).ok()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn hint(errno: Option<i32>, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let number = |path: &str| read(path).and_then(|t| t.trim().parse::<i64>().ok());
    if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return Some("user namespaces are switched off: sysctl -w kernel.unprivileged_userns_clone=1".into());
    }
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        return Some("user namespaces are switched off: sysctl -w user.max_user_namespaces=15000".into());
    }
    match errno {
        Some(libc::ENOSPC) => {
            Some("too many namespaces: raise the sysctls user.max_*_namespaces, or nest fewer of them".into())
        }
        Some(libc::EPERM | libc::EACCES)
            if number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) =>
        {
            Some("AppArmor restricts user namespaces: install the profile contrib/apparmor/coracle, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".into())
        }
        Some(libc::EPERM) => {
            Some("a security policy (seccomp of an outer container, SELinux, a chroot) forbids user namespaces".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_setting() {
        type Case = (&'static [(&'static str, &'static str)], i32, &'static str);
        let cases: &[Case] = &[
            (&[("/proc/sys/kernel/unprivileged_userns_clone", "0\n")], libc::EPERM, "unprivileged_userns_clone"),
            (&[("/proc/sys/user/max_user_namespaces", "0\n")], libc::ENOSPC, "max_user_namespaces=15000"),
            (&[("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")], libc::EACCES, "AppArmor"),
            (&[], libc::EPERM, "seccomp"),
            (&[("/proc/sys/user/max_user_namespaces", "7")], libc::ENOSPC, "too many"),
        ];
        for (files, errno, want) in cases {
            let read = |path: &str| files.iter().find(|f| f.0 == path).map(|f| f.1.to_owned());
            assert!(hint(Some(*errno), &read).unwrap().contains(want), "{want}");
        }
        assert_eq!(hint(Some(libc::ENOMEM), &|_| None), None);
    }
}
