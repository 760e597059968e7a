//! User namespaces and the ids that containers get.

use super::{Environment, Finding, read};
use crate::error::Error;
use crate::stage::{Work, WorkNs};
use crate::userns::{IdMap, Level, Range};
use rustix::process::{getegid, geteuid};
use serde_json::{Value, json};
use std::path::Path;

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// Really makes a user namespace that needs no helper, and all others in it.
pub(in crate::engine) fn user_namespaces() -> Finding {
    const CHECK: &str = "user-namespaces";
    let made = one_id_map()
        .and_then(|map| Work::start("probe-namespaces", WorkNs::New(&map), &json!({}), &[])?.finish::<Vec<String>>());
    let finding = match made {
        Ok(missing) if missing.is_empty() => {
            Finding::ok(CHECK, "user, mount, pid, network, ipc, uts and cgroup namespaces work")
        }
        Ok(missing) => Finding::fail(
            CHECK,
            format!("user namespaces work, but not {}", missing.join(", ")),
            "containers can't be isolated, so none runs",
            "raise the sysctls user.max_*_namespaces, or use a kernel with these namespaces",
        ),
        Err(e) => {
            let (why, fix) = refused(&e);
            Finding::fail(CHECK, why, "no container can run", fix)
        }
    };
    finding.essential()
}

/// Why the kernel refuses, by the settings that do so, and the remedy.
fn refused(error: &Error) -> (String, String) {
    let number = |path: &str| read(path).and_then(|t| t.parse::<i64>().ok());
    if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return (
            "the sysctl kernel.unprivileged_userns_clone is 0".into(),
            "sudo sysctl -w kernel.unprivileged_userns_clone=1 (and a file in /etc/sysctl.d to keep it)".into(),
        );
    }
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        return (
            "the sysctl user.max_user_namespaces is 0".into(),
            "sudo sysctl -w user.max_user_namespaces=15000 (and a file in /etc/sysctl.d to keep it)".into(),
        );
    }
    if !geteuid().is_root() && number(APPARMOR) == Some(1) {
        return (
            format!("AppArmor restricts user namespaces ({APPARMOR} is 1): {error}"),
            "sudo install -m 644 contrib/apparmor/coracle /etc/apparmor.d/coracle && \
             sudo apparmor_parser -r /etc/apparmor.d/coracle"
                .into(),
        );
    }
    let mut plain = error.clone();
    let hint = plain.hint.take().unwrap_or_default();
    (plain.to_string(), hint)
}

fn one_id_map() -> crate::error::Result<IdMap> {
    let mut map = IdMap::detect()?;
    if map.level == Level::Full {
        map.level = Level::OneId;
        map.uids = vec![Range { inside: 0, outside: geteuid().as_raw(), count: 1 }];
        map.gids = vec![Range { inside: 0, outside: getegid().as_raw(), count: 1 }];
    }
    Ok(map)
}

/// Job `probe-namespaces`: tries the other kinds; answers with the names of those that fail.
pub fn probe_namespaces(_request: Value, _fds: Vec<std::os::fd::OwnedFd>) -> crate::error::Result<Value> {
    use nix::sched::{CloneFlags, unshare};
    let kinds = [
        ("mount", CloneFlags::CLONE_NEWNS),
        ("network", CloneFlags::CLONE_NEWNET),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
        ("pid", CloneFlags::CLONE_NEWPID),
    ];
    let missing: Vec<&str> = kinds.into_iter().filter(|(_, flag)| unshare(*flag).is_err()).map(|(n, _)| n).collect();
    Ok(json!(missing))
}

/// Subordinate ids, the helpers that map them, and both together.
pub(super) fn ids(env: &Environment, usable: bool) -> Vec<Finding> {
    if geteuid().is_root() {
        return vec![match IdMap::detect() {
            Ok(map) => {
                Finding::ok("id-map", format!("root: containers get all {} ids of this namespace", map.container_ids()))
            }
            Err(e) => Finding::fail("id-map", e.to_string(), "no container can run", "").essential(),
        }];
    }
    let user = user_name();
    let mut findings = vec![subordinate("/etc/subuid", "subuids", &user), subordinate("/etc/subgid", "subgids", &user)];
    findings.push(helper(env, "newuidmap", "cap_setuid"));
    findings.push(helper(env, "newgidmap", "cap_setgid"));
    if usable {
        findings.push(full_map());
    }
    findings
}

const ONE_ID: &str = "containers see one user id only: programs that change their user (apt, nginx, postgres) fail";

/// The mapping as containers get it, helpers and all.
fn full_map() -> Finding {
    const CHECK: &str = "id-map";
    let made = IdMap::detect().and_then(|map| {
        Work::start("probe-namespaces", WorkNs::New(&map), &json!({}), &[])?.finish::<Vec<String>>()?;
        Ok(map)
    });
    match made {
        Ok(map) if map.level == Level::OneId => {
            Finding::warn(CHECK, map.note().unwrap_or_default(), ONE_ID, "see the checks before this one")
        }
        Ok(map) => Finding::ok(CHECK, format!("containers get {} user ids", map.container_ids())),
        Err(mut e) => {
            let fix = e.hint.take().unwrap_or_default();
            Finding::fail(CHECK, e.to_string(), "containers don't start: the ranges can't be mapped", fix)
        }
    }
}

fn subordinate(file: &'static str, kind: &str, user: &str) -> Finding {
    let check = if kind == "subuids" { "subuid" } else { "subgid" };
    let text = read(file).unwrap_or_default();
    let ranges = ranges(&text);
    let uid = geteuid().as_raw().to_string();
    let mine: u64 = ranges.iter().filter(|(who, ..)| *who == user || *who == uid).map(|(_, _, n)| n).sum();
    let first = free_range(&ranges);
    let line = format!("{user}:{first}:65536");
    let fix =
        format!("sudo usermod --add-{kind} {first}-{} {user} (or add the line '{line}' to {file})", first + 65535);
    match mine {
        0 if directory_service() => {
            Finding::ok(check, format!("{file} has no line for {user}; nsswitch.conf names another source"))
        }
        0 => Finding::warn(check, format!("{file} has no line for {user}"), ONE_ID, fix),
        n if n < 65536 => Finding::warn(
            check,
            format!("{file} gives {user} {n} ids"),
            "images with higher ids can't be unpacked completely",
            fix,
        ),
        n => Finding::ok(check, format!("{file} gives {user} {n} ids")),
    }
}

fn directory_service() -> bool {
    read("/etc/nsswitch.conf").is_some_and(|t| t.lines().any(|l| l.trim_start().starts_with("subid:")))
}

/// Lines of subuid(5) as (who, first, count).
fn ranges(text: &str) -> Vec<(&str, u64, u64)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect()
}

/// The first id of a range of 65536 that nobody has, from 100000 on as useradd(8) does it.
fn free_range(ranges: &[(&str, u64, u64)]) -> u64 {
    let mut first = 100_000;
    let mut sorted: Vec<_> = ranges.iter().map(|(_, start, count)| (*start, start + count)).collect();
    sorted.sort_unstable();
    for (start, end) in sorted {
        if start < first + 65536 && end > first {
            first = end;
        }
    }
    first
}

fn helper(env: &Environment, name: &'static str, capability: &str) -> Finding {
    use std::os::unix::fs::MetadataExt;
    const FIX: &str = "sudo apt-get install uidmap (Fedora: shadow-utils, Arch: shadow)";
    let Some(path) = env.find(name) else {
        return Finding::warn(name, format!("{name} is not installed"), ONE_ID, FIX);
    };
    let Ok(meta) = std::fs::metadata(&path) else {
        return Finding::warn(name, format!("{} can't be read", path.display()), ONE_ID, FIX);
    };
    let set_uid = meta.mode() & 0o4000 != 0 && meta.uid() == 0;
    let shown = path.display();
    if set_uid && !mounted_nosuid(&path) {
        return Finding::ok(name, format!("{shown} is set-uid root"));
    }
    let mut buffer = [0u8; 64];
    if rustix::fs::getxattr(&path, "security.capability", &mut buffer).is_ok() && !mounted_nosuid(&path) {
        return Finding::ok(name, format!("{shown} has file capabilities"));
    }
    if mounted_nosuid(&path) {
        let detail = format!("{shown} is on a file system mounted nosuid");
        return Finding::warn(name, detail, ONE_ID, "mount it without nosuid");
    }
    Finding::warn(
        name,
        format!("{shown} is neither set-uid root nor has it the capability {capability}"),
        "containers don't start: the ranges can't be mapped",
        format!("sudo chmod u+s {shown}"),
    )
}

fn mounted_nosuid(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|s| s.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID))
}

/// The user's name in /etc/passwd, or his number.
pub(in crate::engine) fn user_name() -> String {
    let uid = geteuid().as_raw();
    let text = read("/etc/passwd").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_string())
        })
        .unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_a_range_that_nobody_has() {
        assert_eq!(free_range(&ranges("")), 100_000);
        assert_eq!(free_range(&ranges("a:100000:65536\nb:165536:65536\n")), 231_072);
        assert_eq!(free_range(&ranges("b:165536:65536\na:100000:1\nbroken\n")), 231_072);
        assert_eq!(free_range(&ranges("a:300000:10")), 100_000);
    }
}
