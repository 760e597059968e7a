//! `--security-opt`, `--sysctl`, and the paths of /proc and /sys that containers don't see.

use super::model::{NetMode, Ns, Seccomp};
use super::request::RunRequest;
use super::units::parse_bool;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Docker's list (and podman's): kernel internals that tell of the host or its other users.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// Beyond docker's, from podman.
const MASKED_MORE: [&str; 2] = ["/sys/dev/block", "/sys/fs/selinux"];
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What `--security-opt` and `--privileged` amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub masked: Vec<String>,
    pub readonly: Vec<String>,
    pub warnings: Vec<String>,
}

/// The file that a `seccomp=FILE` option names, for the command line to read; `None` for the built-in words.
pub fn seccomp_file(options: &[String]) -> Option<&str> {
    let value = options.iter().rev().find_map(|o| o.strip_prefix("seccomp=").or_else(|| o.strip_prefix("seccomp:")))?;
    (!matches!(value, "unconfined" | "default" | "builtin")).then_some(value)
}

/// Reads all `--security-opt` flags.
pub fn parse(request: &RunRequest) -> Result<Security> {
    let mut out = Security::default();
    let paths = |list: &[&str]| list.iter().map(|p| p.to_string()).collect::<Vec<_>>();
    if request.privileged {
        out.seccomp = Seccomp::Unconfined;
    } else {
        out.masked = paths(&MASKED);
        out.masked.extend(paths(&MASKED_MORE));
        out.readonly = paths(&READONLY);
    }
    for option in &request.security_opt {
        let bad = |why: &str| Error::user(format!("read --security-opt '{option}': {why}"));
        // Docker's old separator is a colon.
        let at = option.find(['=', ':']);
        let (key, value) = at.map_or((option.as_str(), None), |i| (&option[..i], Some(&option[i + 1..])));
        match (key, value) {
            ("no-new-privileges", None) => out.no_new_privileges = true,
            ("no-new-privileges", Some(value)) => {
                out.no_new_privileges = parse_bool(value).map_err(|_| bad("write true or false"))?;
            }
            ("seccomp", Some("unconfined")) => out.seccomp = Seccomp::Unconfined,
            ("seccomp", Some("default" | "builtin")) => out.seccomp = Seccomp::Default,
            ("seccomp", Some(file)) => match &request.seccomp_profile {
                Some(text) => out.seccomp = Seccomp::Profile(text.clone()),
                None => return Err(bad(&format!("the profile {file} was not read"))),
            },
            // No label is applied without an SELinux host's cooperation: "disable" is what happens.
            ("label", Some("disable" | "nested")) => {}
            ("label", Some(_)) => {
                out.warnings.push(format!("--security-opt {option}: SELinux labels are not applied"));
            }
            ("apparmor", Some("unconfined")) => {}
            ("apparmor", Some(_)) => {
                return Err(Error::unsupported(format!(
                    "use --security-opt {option}: an unprivileged user can't choose an AppArmor profile"
                )));
            }
            ("mask", Some(list)) => {
                for path in list.split(':') {
                    if !path.starts_with('/') {
                        return Err(bad(&format!("path '{path}' is not absolute")));
                    }
                    if !out.masked.iter().any(|p| p == path) {
                        out.masked.push(path.to_string());
                    }
                }
            }
            ("unmask", Some(list)) => {
                for pattern in list.split([':', ',']) {
                    if pattern.eq_ignore_ascii_case("all") {
                        out.masked.clear();
                        out.readonly.clear();
                    } else if !pattern.starts_with('/') {
                        return Err(bad(&format!("path '{pattern}' is not absolute")));
                    } else {
                        out.masked.retain(|p| !glob(pattern, p));
                        out.readonly.retain(|p| !glob(pattern, p));
                    }
                }
            }
            ("systempaths", Some("unconfined")) => {
                out.masked.clear();
                out.readonly.clear();
            }
            _ => {
                return Err(bad("unknown option").hint(
                    "seccomp=, no-new-privileges, label=, apparmor=, mask=, unmask= and systempaths=unconfined",
                ));
            }
        }
    }
    Ok(out)
}

/// `*` matches within one path component, `?` one character.
fn glob(pattern: &str, text: &str) -> bool {
    fn go(p: &[u8], t: &[u8]) -> bool {
        match (p.first(), t.first()) {
            (None, None) => true,
            (Some(b'*'), _) => go(&p[1..], t) || t.first().is_some_and(|c| *c != b'/' && go(p, &t[1..])),
            (Some(b'?'), Some(c)) => *c != b'/' && go(&p[1..], &t[1..]),
            (Some(a), Some(b)) => a == b && go(&p[1..], &t[1..]),
            _ => false,
        }
    }
    go(pattern.as_bytes(), text.as_bytes())
}

/// `--sysctl KEY=VALUE`: only what belongs to a namespace of the container's own.
pub fn sysctls(list: &[String], ipc: &Ns, uts: &Ns, network: &NetMode) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for text in list {
        let bad = |why: String| Error::user(format!("set --sysctl '{text}': {why}"));
        let (key, value) = text.split_once('=').ok_or_else(|| bad("write KEY=VALUE".into()))?;
        let key = key.trim().replace('/', ".");
        let private = |own: bool, space: &str| {
            if own { Ok(()) } else { Err(bad(format!("the container has no {space} namespace of its own"))) }
        };
        if key.starts_with("net.") {
            let own = !matches!(network, NetMode::Host | NetMode::Container(_) | NetMode::Path(_));
            private(own, "network")?;
        } else if key.starts_with("fs.mqueue.")
            || matches!(
                key.as_str(),
                "kernel.msgmax"
                    | "kernel.msgmnb"
                    | "kernel.msgmni"
                    | "kernel.sem"
                    | "kernel.shmall"
                    | "kernel.shmmax"
                    | "kernel.shmmni"
                    | "kernel.shm_rmid_forced"
            )
        {
            private(*ipc == Ns::Private, "ipc")?;
        } else if key == "kernel.domainname" {
            private(*uts == Ns::Private, "uts")?;
        } else if key == "kernel.hostname" {
            return Err(bad("use --hostname".into()));
        } else {
            return Err(bad("it belongs to the whole host, not to a namespace".into()));
        }
        if key.split('.').any(str::is_empty) {
            return Err(bad("the key is no sysctl name".into()));
        }
        out.insert(key, value.to_string());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: &[&str]) -> Result<Security> {
        let security_opt = options.iter().map(|o| o.to_string()).collect();
        parse(&RunRequest { security_opt, seccomp_profile: Some("{}".into()), ..RunRequest::default() })
    }

    #[test]
    fn options() {
        assert!(with(&["no-new-privileges"]).unwrap().no_new_privileges);
        assert!(with(&["no-new-privileges:true"]).unwrap().no_new_privileges);
        assert!(!with(&["no-new-privileges=false"]).unwrap().no_new_privileges);
        assert_eq!(with(&["seccomp=unconfined"]).unwrap().seccomp, Seccomp::Unconfined);
        assert_eq!(with(&["seccomp=p.json"]).unwrap().seccomp, Seccomp::Profile("{}".into()));
        assert_eq!(with(&["seccomp=builtin"]).unwrap().seccomp, Seccomp::Default);
        assert!(with(&["label=disable", "apparmor=unconfined", "label=type:x"]).unwrap().warnings.len() == 1);
        for bad in ["nope", "mask=x", "unmask=x", "no-new-privileges=x", "apparmor=docker-default", "seccomp"] {
            assert!(with(&[bad]).is_err(), "{bad}");
        }
        assert_eq!(seccomp_file(&["seccomp=unconfined".into()]), None);
        assert_eq!(seccomp_file(&["a=b".into(), "seccomp=/x:y".into()]), Some("/x:y"));
    }

    #[test]
    fn masks() {
        let has = |security: &Security, path: &str| security.masked.iter().any(|p| p == path);
        let plain = with(&[]).unwrap();
        assert!(has(&plain, "/proc/kcore") && plain.readonly.len() == 5);
        let fewer = with(&["unmask=/proc/kcore:/proc/s*"]).unwrap();
        assert!(!has(&fewer, "/proc/kcore") && !has(&fewer, "/proc/scsi") && has(&fewer, "/proc/keys"));
        assert_eq!(fewer.readonly.len(), 3);
        assert!(with(&["unmask=ALL"]).unwrap().masked.is_empty());
        assert!(has(&with(&["mask=/a:/b"]).unwrap(), "/b"));
        let privileged = parse(&RunRequest { privileged: true, ..RunRequest::default() }).unwrap();
        assert!(privileged.masked.is_empty() && privileged.seccomp == Seccomp::Unconfined);
    }

    #[test]
    fn sysctl_keys() {
        let set = |key: &str, net: &NetMode| sysctls(&[format!("{key}=1")], &Ns::Private, &Ns::Host, net);
        assert!(set("net.ipv4.ip_forward", &NetMode::Default).is_ok());
        assert!(set("net/ipv4/ip_forward", &NetMode::None).unwrap().contains_key("net.ipv4.ip_forward"));
        assert!(set("net.ipv4.ip_forward", &NetMode::Host).is_err());
        assert!(set("kernel.shmmax", &NetMode::Default).is_ok());
        for bad in ["kernel.domainname", "kernel.hostname", "vm.swappiness", "net..x"] {
            assert!(set(bad, &NetMode::Default).is_err(), "{bad}");
        }
        assert!(sysctls(&["net.x".into()], &Ns::Private, &Ns::Private, &NetMode::Default).is_err());
    }
}
