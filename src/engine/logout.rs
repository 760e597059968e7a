//! Whether a container in the background would end at its user's logout.

use crate::engine::doctor::user_name;
use std::path::Path;

/// A line of warning if systemd-logind would end one of these processes (a monitor, a container's PID 1) when the user
/// logs out: the user's service manager is stopped with all that it started after the last logout unless lingering is
/// on, and a login session's processes are killed where KillUserProcesses= says so (logind.conf(5)).
pub fn warning(pids: &[i32]) -> Option<String> {
    if rustix::process::geteuid().is_root() || !Path::new("/run/systemd/seats").exists() {
        return None;
    }
    let doomed = pids.iter().any(|pid| {
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        ends_with_login(&cgroup, kill_user_processes)
    });
    if !doomed {
        return None;
    }
    let user = user_name();
    if Path::new("/var/lib/systemd/linger").join(&user).exists() {
        return None;
    }
    Some(format!("the container will end when {user} logs out; to keep it: loginctl enable-linger {user}"))
}

/// Judges a process by its `/proc/PID/cgroup`.
fn ends_with_login(cgroup: &str, kills: impl Fn() -> bool) -> bool {
    let path = cgroup
        .lines()
        .filter_map(|l| l.splitn(3, ':').nth(2))
        .find(|p| p.contains("/user.slice/") || p.contains("/user@"));
    match path {
        Some(path) if path.contains("/user@") => true,
        Some(path) if path.contains("/session-") => kills(),
        _ => false,
    }
}

/// KillUserProcesses= of logind.conf and its drop-ins; systemd's own default is yes, Debian's and Fedora's files say no
/// or nothing with a changed default, so only an outspoken yes counts.
fn kill_user_processes() -> bool {
    let mut files = vec!["/usr/lib/systemd/logind.conf".into(), "/etc/systemd/logind.conf".into()];
    for dir in ["/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d"] {
        let mut found: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
        found.sort();
        files.extend(found);
    }
    files
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok())
        .filter_map(|text| setting(&text))
        .next_back()
        .unwrap_or(false)
}

fn setting(text: &str) -> Option<bool> {
    let value = text.lines().rev().find_map(|l| l.trim().strip_prefix("KillUserProcesses="))?;
    Some(matches!(value.trim(), "yes" | "true" | "1" | "on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_cgroups() {
        for (cgroup, kills, want) in [
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/coracle.scope\n", false, true),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", false, false),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", true, true),
            ("12:pids:/x\n0::/user.slice/user-1000.slice/session-3.scope\n", true, true),
            ("0::/system.slice/web.service\n", true, false),
            ("0::/\n", true, false),
        ] {
            assert_eq!(ends_with_login(cgroup, || kills), want, "{cgroup}");
        }
        assert_eq!(setting("[Login]\n#KillUserProcesses=yes\n"), None);
        assert_eq!(setting("[Login]\nKillUserProcesses=no\nKillUserProcesses=yes\n"), Some(true));
    }
}
