//! The default output: what isolation this program sees, for people.

use crate::net;
use crate::status::{self, field, read};
use std::fmt::Write;

pub fn text() -> String {
    let mut text = String::from("Hello from a container.\n\nThis is what the program inside sees:\n\n");
    let mut row = |name: &str, value: String| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {name:<13} {value}");
    };
    row("user", user());
    row("id map", id_map());
    row("processes", processes());
    row("host name", read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".into()));
    row("root", root());
    row("network", network());
    row("capabilities", capabilities());
    row("system calls", system_calls());
    row("limits", limits());
    row("namespaces", namespaces());
    row("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()));
    text
}

fn first(name: &str) -> String {
    field(name).and_then(|f| f.split_whitespace().next().map(String::from)).unwrap_or_else(|| "?".into())
}

fn user() -> String {
    let groups = field("Groups").filter(|g| !g.is_empty()).map_or(String::new(), |g| format!(", groups {g}"));
    format!("uid {}, gid {}{groups}", first("Uid"), first("Gid"))
}

fn id_map() -> String {
    let map = status::id_map("/proc/self/uid_map");
    let total: u64 = map.iter().map(|r| r[2]).sum();
    let rows: Vec<String> = map
        .iter()
        .map(|[inside, outside, count]| match count {
            1 => format!("{inside} is {outside} on the host"),
            n => format!("{inside}-{} are {outside}-{}", inside + n - 1, outside + n - 1),
        })
        .collect();
    let level = match total {
        0 => return "none visible".into(),
        1 => "one id",
        n if n >= u32::MAX.into() => return "all ids, as on the host".into(),
        _ => "full",
    };
    format!("{level}: {}", rows.join(", "))
}

fn processes() -> String {
    format!("this is process {}; {} visible", std::process::id(), status::processes().len())
}

fn root() -> String {
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let kind = mounts.lines().find_map(|l| {
        let (left, right) = l.split_once(" - ")?;
        let words: Vec<&str> = left.split(' ').collect();
        (words.get(4) == Some(&"/")).then(|| {
            let mode =
                if words.get(5).is_some_and(|o| o.split(',').any(|o| o == "ro")) { "read-only" } else { "writable" };
            format!("{}, {mode}", right.split(' ').next().unwrap_or("?"))
        })
    });
    let kind = kind.unwrap_or_else(|| "unknown".into());
    format!("{kind}; {} mounts", mounts.lines().count())
}

fn network() -> String {
    let own = net::interfaces();
    let rows: Vec<String> = own
        .iter()
        .filter(|(name, _)| name != "lo")
        .map(|(name, addresses)| format!("{name} {}", addresses.join(" ")).trim_end().to_string())
        .collect();
    if rows.is_empty() { "only the loopback interface".into() } else { rows.join(", ") }
}

fn capabilities() -> String {
    let names = status::capabilities("CapEff");
    match names.len() {
        0 => "none".into(),
        41.. => "all".into(),
        _ => names.join(" "),
    }
}

fn system_calls() -> String {
    let filter = match first("Seccomp").as_str() {
        "2" => "filtered by seccomp",
        "0" => "not filtered",
        _ => "unknown",
    };
    let privileges = if first("NoNewPrivs") == "1" { "; no new privileges" } else { "" };
    format!("{filter}{privileges}")
}

fn limits() -> String {
    let value = |file: &str| status::cgroup(file).unwrap_or_else(|| "unlimited".into()).replace("max", "unlimited");
    let cpus = status::cgroup("cpu.max").unwrap_or_default();
    let cpus = match cpus.split_once(' ').map(|(q, p)| (q.parse::<f64>(), p.parse::<f64>())) {
        Some((Ok(quota), Ok(period))) => format!("{:.2}", quota / period),
        _ => "unlimited".into(),
    };
    format!("memory {}, processes {}, cpus {cpus}", value("memory.max"), value("pids.max"))
}

fn namespaces() -> String {
    let one = |n: &str| {
        let link = status::link(&format!("/proc/self/ns/{n}"))?;
        Some(format!("{n} {}", link.split(['[', ']']).nth(1)?))
    };
    ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].iter().filter_map(|n| one(n)).collect::<Vec<_>>().join(", ")
}
