//! Everything that can be seen from inside, as JSON for the tests.

use crate::json::Value;
use crate::net;
use crate::status::{self, field, read};

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
const CGROUP_FILES: [&str; 6] =
    ["cgroup.controllers", "memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpuset.cpus.effective"];

pub fn all() -> Value {
    let text = |path: &str| Value::maybe(read(path));
    Value::object([
        ("args", Value::strings(&std::env::args().collect::<Vec<_>>())),
        ("pid", Value::Number(std::process::id().into())),
        ("processes", Value::Array(status::processes().into_iter().map(|p| Value::Number(p.into())).collect())),
        ("uid", ids("Uid")),
        ("gid", ids("Gid")),
        ("groups", ids("Groups")),
        ("umask", Value::maybe(field("Umask"))),
        ("uid_map", id_map("/proc/self/uid_map")),
        ("gid_map", id_map("/proc/self/gid_map")),
        ("setgroups", text("/proc/self/setgroups")),
        ("namespaces", namespaces()),
        ("caps", caps()),
        ("seccomp", number(field("Seccomp"))),
        ("seccomp_filters", number(field("Seccomp_filters"))),
        ("no_new_privs", number(field("NoNewPrivs"))),
        // Rust's start-up ignores SIGPIPE, so bit 13 of SigIgn is always set here; ask a C program for that bit.
        ("sig_ign", Value::maybe(field("SigIgn"))),
        ("sig_blk", Value::maybe(field("SigBlk"))),
        ("fds", fds()),
        ("mounts", mounts()),
        ("env", environment()),
        ("cwd", Value::maybe(std::env::current_dir().ok().map(|p| p.to_string_lossy().into_owned()))),
        ("exe", Value::maybe(status::link("/proc/self/exe"))),
        ("hostname", text("/proc/sys/kernel/hostname")),
        ("domainname", text("/proc/sys/kernel/domainname")),
        ("etc_hostname", text("/etc/hostname")),
        ("etc_hosts", text("/etc/hosts")),
        ("etc_resolv_conf", text("/etc/resolv.conf")),
        ("interfaces", interfaces()),
        ("routes", net::routes()),
        ("limits", limits()),
        ("oom_score_adj", number(read("/proc/self/oom_score_adj"))),
        ("apparmor", text("/proc/self/attr/current")),
        ("cgroup", text("/proc/self/cgroup")),
        ("cgroup_limits", Value::object(CGROUP_FILES.map(|f| (f, Value::maybe(status::cgroup(f)))))),
        ("dev", Value::strings(&status::names("/dev"))),
        ("root", Value::strings(&status::names("/"))),
        ("controlling_tty", Value::Bool(std::fs::File::open("/dev/tty").is_ok())),
        ("kernel", text("/proc/sys/kernel/osrelease")),
    ])
}

fn number(s: Option<String>) -> Value {
    s.and_then(|s| s.parse().ok()).map_or(Value::Null, Value::Number)
}

fn ids(name: &str) -> Value {
    let words = field(name).unwrap_or_default();
    Value::Array(words.split_whitespace().filter_map(|w| w.parse().ok()).map(Value::Number).collect())
}

fn id_map(path: &str) -> Value {
    let row = |r: [u64; 3]| Value::Array(r.map(|n| Value::Number(n as i64)).into());
    Value::Array(status::id_map(path).into_iter().map(row).collect())
}

fn namespaces() -> Value {
    Value::object(NAMESPACES.map(|n| (n, Value::maybe(status::link(&format!("/proc/self/ns/{n}"))))))
}

fn caps() -> Value {
    let set = |name: &str| Value::strings(&status::capabilities(name));
    Value::object([
        ("inheritable", set("CapInh")),
        ("permitted", set("CapPrm")),
        ("effective", set("CapEff")),
        ("bounding", set("CapBnd")),
        ("ambient", set("CapAmb")),
    ])
}

/// Open descriptors with their targets; the one that reads the list itself is left out.
fn fds() -> Value {
    let own = |target: &str| target.starts_with("/proc/") && target.ends_with("/fd");
    let rows = status::names("/proc/self/fd").into_iter().filter_map(|fd| {
        let target = status::link(&format!("/proc/self/fd/{fd}"))?;
        (!own(&target)).then(|| (fd, Value::text(target)))
    });
    Value::object(rows)
}

fn mounts() -> Value {
    let table = read("/proc/self/mountinfo").unwrap_or_default();
    let row = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.splitn(3, ' ');
        Some(Value::object([
            ("root", Value::text(*left.get(3)?)),
            ("target", Value::text(*left.get(4)?)),
            ("options", Value::text(*left.get(5)?)),
            ("propagation", Value::text(left.get(6..)?.join(" "))),
            ("type", Value::text(right.next()?)),
            ("source", Value::text(right.next()?)),
            ("super", Value::text(right.next()?)),
        ]))
    };
    Value::Array(table.lines().filter_map(row).collect())
}

fn environment() -> Value {
    let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
    Value::object(std::env::vars_os().map(|(k, v)| (text(k), Value::text(text(v)))))
}

fn interfaces() -> Value {
    let row = |(name, addresses): (String, Vec<String>)| {
        let sys = |file: &str| Value::maybe(read(&format!("/sys/class/net/{name}/{file}")));
        let (mac, mtu, state) = (sys("address"), sys("mtu"), sys("operstate"));
        let row = [("addresses", Value::strings(&addresses)), ("mac", mac), ("mtu", mtu), ("state", state)];
        (name, Value::object(row))
    };
    Value::object(net::interfaces().into_iter().map(row))
}

/// `"Max open files" → ["1024", "4096"]`, soft and hard.
fn limits() -> Value {
    let table = read("/proc/self/limits").unwrap_or_default();
    let row = |line: &str| {
        // Fixed columns: name 26 wide, soft and hard 21 each (fs/proc/base.c proc_pid_limits).
        let name = line.get(..26)?.trim().to_string();
        let soft = line.get(26..47)?.trim();
        let hard = line.get(47..)?.split_whitespace().next()?;
        Some((name, Value::strings(&[soft, hard])))
    };
    Value::object(table.lines().skip(1).filter_map(row))
}
