//! Capability sets.

use crate::error::{Error, Result};
pub use crate::sys::caps::NAMES;

/// Podman's default set, and ours.
const DEFAULT: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// What docker adds to it.
const DOCKER: [&str; 3] = ["AUDIT_WRITE", "MKNOD", "NET_RAW"];

/// The capabilities of a container, and those that the user asked for by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Bounding set, in the kernel's order.
    pub all: Vec<String>,
    /// `--cap-add` ones: a user that is not root gets them as ambient capabilities (podman's rule).
    pub asked: Vec<String>,
}

/// One name as the user writes it (`net_admin`, `CAP_NET_ADMIN`); `None` for `ALL`.
fn parse(name: &str, flag: &str) -> Result<Option<&'static str>> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if short == "ALL" {
        return Ok(None);
    }
    match NAMES.iter().find(|n| **n == short) {
        Some(known) => Ok(Some(known)),
        None => Err(Error::user(format!("read {flag} '{name}': no such capability")).hint("see capabilities(7)")),
    }
}

/// Applies `--cap-add` and `--cap-drop` to the default set (or to all with `--privileged`): a drop of ALL comes first,
/// then an add of ALL, then the single names.
pub fn merge(add: &[String], drop: &[String], privileged: bool, docker: bool) -> Result<Caps> {
    let read = |list: &[String], flag: &str| -> Result<(bool, Vec<&'static str>)> {
        let mut all = false;
        let mut names = Vec::new();
        // `--cap-add a,b` is podman's list form.
        for name in list.iter().flat_map(|l| l.split(',')).map(str::trim).filter(|n| !n.is_empty()) {
            match parse(name, flag)? {
                None => all = true,
                Some(cap) => names.push(cap),
            }
        }
        Ok((all, names))
    };
    let (add_all, added) = read(add, "--cap-add")?;
    let (drop_all, dropped) = read(drop, "--cap-drop")?;
    if add_all && drop_all {
        return Err(Error::user("combine --cap-add=ALL with --cap-drop=ALL: they contradict each other"));
    }
    if let Some(both) = added.iter().find(|c| dropped.contains(c)) {
        return Err(Error::user(format!("both add and drop the capability {both}")));
    }
    let base = |cap: &&str| -> bool {
        if drop_all {
            false
        } else if add_all || privileged {
            true
        } else {
            DEFAULT.contains(cap) || (docker && DOCKER.contains(cap))
        }
    };
    let keep = |cap: &&&str| -> bool { (base(cap) && !dropped.contains(cap)) || added.contains(cap) };
    let owned = |caps: Vec<&'static str>| caps.into_iter().map(str::to_string).collect::<Vec<_>>();
    let all = NAMES.iter().filter(keep).copied().collect();
    let asked = if add_all {
        NAMES.iter().filter(|c| !dropped.contains(c)).copied().collect()
    } else {
        NAMES.iter().filter(|c| added.contains(c)).copied().collect()
    };
    Ok(Caps { all: owned(all), asked: if docker { Vec::new() } else { owned(asked) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &str) -> Vec<String> {
        list.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn defaults_per_personality() {
        assert_eq!(merge(&[], &[], false, false).unwrap().all.len(), 11);
        let docker = merge(&[], &[], false, true).unwrap();
        assert_eq!(docker.all.len(), 14);
        assert!(docker.all.contains(&"NET_RAW".to_string()));
        assert_eq!(merge(&[], &[], true, false).unwrap().all.len(), NAMES.len());
    }

    #[test]
    fn merging() {
        let cases: &[(&str, &str, &str)] = &[
            ("net_admin", "ALL", "NET_ADMIN"),
            ("CAP_NET_ADMIN,cap_kill", "all", "KILL NET_ADMIN"),
            (
                "SYS_TIME",
                "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETFCAP SETGID SETPCAP",
                "SETUID NET_BIND_SERVICE SYS_CHROOT SYS_TIME",
            ),
        ];
        for (add, drop, want) in cases {
            assert_eq!(merge(&words(add), &words(drop), false, false).unwrap().all, words(want), "{add} {drop}");
        }
        let all_but = merge(&words("ALL"), &words("SYS_ADMIN"), false, false).unwrap();
        assert_eq!(all_but.all.len(), NAMES.len() - 1);
        assert_eq!(all_but.asked, all_but.all);
        let asked = merge(&words("NET_RAW"), &[], false, false).unwrap();
        assert_eq!(asked.asked, words("NET_RAW"));
        assert!(merge(&words("NET_RAW"), &[], false, true).unwrap().asked.is_empty());
    }

    #[test]
    fn refusals() {
        assert!(merge(&words("NOPE"), &[], false, false).unwrap_err().to_string().contains("NOPE"));
        assert!(merge(&words("KILL"), &words("kill"), false, false).is_err());
        assert!(merge(&words("ALL"), &words("ALL"), false, false).is_err());
    }
}
