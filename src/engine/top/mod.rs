//! `top`: the processes of a container, read from procfs; the image needs no ps.

mod columns;
mod process;

pub use columns::{Column, parse_columns};

use super::Ctx;
use super::ps;
use crate::error::{Error, Result};
use crate::sys::rooted;
use process::{Process, System};
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::Path;

/// A table: titles, then a row for each process.
pub type Table = Vec<Vec<String>>;

/// The processes of the running container `name`, by pid.
///
/// # Errors
/// `Conflict` when it does not run.
pub fn top(ctx: &Ctx, name: &str, columns: &[Column]) -> Result<Table> {
    let container = ps::find(ctx, name)?;
    let pid = container.state.pid;
    if !container.active() || pid <= 0 {
        return Err(Error::conflict(format!("list the processes of {name}: it is not running"))
            .hint(format!("coracle start {name}")));
    }
    let system = System::read();
    let all = Process::all();
    let inside = members(pid, &all);
    let view = View { names: Names::read(pid), system };
    let mut table = vec![columns.iter().map(|c| c.title.to_string()).collect()];
    for process in inside.iter().filter_map(|pid| all.get(pid)) {
        table.push(columns.iter().map(|c| (c.value)(process, &view)).collect());
    }
    Ok(table)
}

/// The processes of the container with this PID 1, and what their times count against.
pub(super) fn members_of(init: i32) -> (Vec<Process>, System) {
    let mut all = Process::all();
    let inside = members(init, &all);
    (inside.iter().filter_map(|pid| all.remove(pid)).collect(), System::read())
}

/// What columns need besides the process.
pub(crate) struct View {
    names: Names,
    system: System,
}

/// Pids of the container's processes: those in PID 1's namespace, and all that descend from them (nested namespaces,
/// and zombies, whose namespace can't be read any more).
fn members(init: i32, all: &BTreeMap<i32, Process>) -> BTreeSet<i32> {
    let own = process::pid_namespace(std::process::id() as i32);
    let namespace = process::pid_namespace(init).filter(|ns| Some(ns) != own.as_ref());
    let mut inside: BTreeSet<i32> = BTreeSet::from([init]);
    if let Some(namespace) = namespace {
        inside.extend(all.keys().filter(|pid| process::pid_namespace(**pid).as_ref() == Some(&namespace)));
    }
    loop {
        let more: Vec<i32> =
            all.values().filter(|p| inside.contains(&p.ppid) && !inside.contains(&p.pid)).map(|p| p.pid).collect();
        if more.is_empty() {
            return inside;
        }
        inside.extend(more);
    }
}

/// The container's ids and names of users.
#[derive(Default)]
struct Names {
    /// (inside, outside, count) of user_namespaces(7).
    uids: Vec<(u64, u64, u64)>,
    gids: Vec<(u64, u64, u64)>,
    users: BTreeMap<u64, String>,
    groups: BTreeMap<u64, String>,
}

impl Names {
    fn read(pid: i32) -> Names {
        let map = |file: &str| parse_map(&std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty());
        let table = |path: &str| -> BTreeMap<u64, String> {
            let Ok(root) = &root else { return BTreeMap::new() };
            let text = rooted::read(root.as_fd(), Path::new(path), 1 << 20).unwrap_or_default();
            parse_names(&String::from_utf8_lossy(&text))
        };
        Names { uids: map("uid_map"), gids: map("gid_map"), users: table("/etc/passwd"), groups: table("/etc/group") }
    }

    fn user(&self, outside: u64) -> String {
        named(inside(&self.uids, outside), &self.users)
    }

    fn group(&self, outside: u64) -> String {
        named(inside(&self.gids, outside), &self.groups)
    }
}

fn named(id: Option<u64>, names: &BTreeMap<u64, String>) -> String {
    match id {
        None => "nobody".into(),
        Some(id) => names.get(&id).cloned().unwrap_or_else(|| id.to_string()),
    }
}

fn inside(map: &[(u64, u64, u64)], outside: u64) -> Option<u64> {
    let (first, start, _) = map.iter().find(|(_, start, count)| (*start..start + count).contains(&outside))?;
    Some(first + outside - start)
}

fn parse_map(text: &str) -> Vec<(u64, u64, u64)> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(|n| n.parse().ok());
            Some((numbers.next()??, numbers.next()??, numbers.next()??))
        })
        .collect()
}

/// Lines of passwd(5) or group(5): name, -, id.
fn parse_names(text: &str) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            // The first of several names counts, as for getpwuid(3). Control characters must not reach a terminal.
            let name = name.chars().filter(|c| !c.is_control()).collect();
            names.entry(id).or_insert(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_of_the_container() {
        let names = Names {
            uids: parse_map("         0       1500          1\n         1     100000      65536\n"),
            users: parse_names("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nwww\x1b[m:x:33:33::/:/bin/sh\n"),
            ..Names::default()
        };
        assert_eq!(names.user(1500), "root");
        assert_eq!(names.user(100_032), "www[m");
        assert_eq!(names.user(100_000), "1");
        assert_eq!(names.user(0), "nobody");
    }

    #[test]
    fn members_are_in_the_namespace_or_descend() {
        let all = Process::all();
        let own = std::process::id() as i32;
        let inside = members(own, &all);
        assert!(inside.contains(&own));
        assert!(!inside.contains(&1) || own == 1);
    }
}
