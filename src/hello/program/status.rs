//! Readers of /proc/self files; everything is optional, because a container may mask any of it.

use std::fs;

/// Names of the capabilities by bit (include/uapi/linux/capability.h, Linux 6.18).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A file's text, without surrounding white space.
pub fn read(path: &str) -> Option<String> {
    fs::read(path).ok().map(|b| String::from_utf8_lossy(&b).trim().to_string())
}

/// One field of /proc/self/status.
pub fn field(name: &str) -> Option<String> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find(|l| l.split(':').next() == Some(name))?;
    Some(line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A capability set (`CapEff`, `CapBnd`, …) as names.
pub fn capabilities(set: &str) -> Vec<&'static str> {
    let bits = field(set).and_then(|s| u64::from_str_radix(&s, 16).ok()).unwrap_or(0);
    CAPABILITIES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

/// `(inside, outside, count)` of each line of a uid_map or gid_map.
pub fn id_map(path: &str) -> Vec<[u64; 3]> {
    let number = |s: Option<&str>| s.and_then(|s| s.parse().ok()).unwrap_or(0);
    let line = |l: &str| {
        let mut words = l.split_whitespace();
        [number(words.next()), number(words.next()), number(words.next())]
    };
    read(path).unwrap_or_default().lines().map(line).collect()
}

/// Process ids that /proc shows.
pub fn processes() -> Vec<u32> {
    let mut pids: Vec<u32> = names("/proc").iter().filter_map(|n| n.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// Sorted names in a directory.
pub fn names(dir: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Where a symbolic link points.
pub fn link(path: &str) -> Option<String> {
    fs::read_link(path).ok().map(|p| p.to_string_lossy().into_owned())
}

/// A limit of the container's own cgroup (version 2), as the container sees it.
pub fn cgroup(file: &str) -> Option<String> {
    let own = read("/proc/self/cgroup")?;
    let path = own.lines().find_map(|l| l.strip_prefix("0::"))?.to_string();
    read(&format!("/sys/fs/cgroup{path}/{file}")).or_else(|| read(&format!("/sys/fs/cgroup/{file}")))
}
