//! The columns of `top`: ps's and podman's descriptors.

use super::View;
use super::process::Process;
use crate::error::{Error, Result};
use crate::spec::caps;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A column of the table.
#[derive(Clone, Copy)]
pub struct Column {
    names: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) value: fn(&Process, &View) -> String,
}

const ALL: &[Column] = &[
    column(&["pid"], "PID", |p, _| p.inner_pid.to_string()),
    column(&["hpid"], "PID", |p, _| p.pid.to_string()),
    column(&["ppid"], "PPID", |p, _| inner(p.ppid).to_string()),
    column(&["hppid"], "PPID", |p, _| p.ppid.to_string()),
    column(&["user", "euser", "ruser", "uname"], "USER", |p, v| v.names.user(p.uid)),
    column(&["uid", "euid"], "UID", |p, v| number(super::inside(&v.names.uids, p.uid))),
    column(&["huser", "huid"], "HUSER", |p, _| p.uid.to_string()),
    column(&["group", "egroup", "rgroup"], "GROUP", |p, v| v.names.group(p.gid)),
    column(&["gid", "egid"], "GID", |p, v| number(super::inside(&v.names.gids, p.gid))),
    column(&["hgroup", "hgid"], "HGROUP", |p, _| p.gid.to_string()),
    column(&["comm", "ucmd", "ucomm"], "COMMAND", |p, _| p.comm.clone()),
    column(&["args", "command"], "COMMAND", |p, _| p.command()),
    column(&["cmd"], "CMD", |p, _| p.command()),
    column(&["pcpu", "%cpu"], "%CPU", |p, v| format!("{:.3}", cpu_share(p, v))),
    column(&["c"], "C", |p, v| (cpu_share(p, v) as u64).min(99).to_string()),
    column(&["pmem", "%mem"], "%MEM", |p, v| {
        format!("{:.1}", p.resident as f64 * 100.0 / v.system.memory.max(1) as f64)
    }),
    column(&["etime", "elapsed"], "ELAPSED", |p, v| words(running(p, v))),
    column(&["time", "cputime"], "TIME", |p, v| clock(p.cpu_ticks / v.system.ticks_per_second)),
    column(&["stime", "start", "start_time"], "STIME", start),
    column(&["tty", "tt", "tname"], "TTY", |p, _| tty(p.tty)),
    column(&["state", "s"], "STATE", |p, _| p.state.to_string()),
    column(&["stat"], "STAT", |p, _| p.state.to_string()),
    column(&["nice", "ni"], "NI", |p, _| p.nice.to_string()),
    column(&["vsz", "vsize"], "VSZ", |p, _| (p.virtual_size / 1024).to_string()),
    column(&["rss", "rssize"], "RSS", |p, _| (p.resident / 1024).to_string()),
    column(&["pgid", "pgrp"], "PGID", |p, _| inner(p.pgid).to_string()),
    column(&["sid", "sess", "session"], "SID", |p, _| inner(p.session).to_string()),
    column(&["nlwp", "thcount"], "NLWP", |p, _| p.threads.to_string()),
    column(&["capeff"], "EFFECTIVE CAPS", |p, _| capabilities(p.capabilities)),
];

const fn column(names: &'static [&'static str], title: &'static str, value: fn(&Process, &View) -> String) -> Column {
    Column { names, title, value }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.names[0])
    }
}

const PODMAN: &str = "user,pid,ppid,%cpu,elapsed,tty,time,args";
/// `ps -ef`, with the host's pids, as docker has it.
const DOCKER: &str = "uid,hpid,hppid,c,stime,tty,time,cmd";
const AUX: &str = "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,args";

/// The columns for the words after the container's name: podman's descriptors (`pid user,args`), or the usual forms of
/// ps options (`aux`, `-ef`, `-o pid,comm`, `-eo pid`). A title may follow a name of `-o` after `=`; it is ignored.
pub fn parse_columns(words: &[String], docker: bool) -> Result<Vec<Column>> {
    let mut lists = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "aux" | "-aux" | "u" | "au" | "ax" => lists.push(AUX.to_string()),
            "-ef" | "-f" | "-e" | "-A" if docker => lists.push(DOCKER.to_string()),
            "-ef" | "-f" | "-e" | "-A" => lists.push(DOCKER.replace("hp", "p")),
            option if option.starts_with('-') => {
                let Some((_, given)) = option.split_once('o') else {
                    return Err(Error::user(format!("use the ps option '{option}'"))
                        .hint("name columns, such as pid,user,args, or use aux, -ef or -o COLUMNS"));
                };
                let given = given.trim_start_matches('=');
                lists.push(match given {
                    "" => words.next().cloned().unwrap_or_default(),
                    given => given.to_string(),
                });
            }
            names => lists.push(names.to_string()),
        }
    }
    if lists.is_empty() {
        lists.push(if docker { DOCKER } else { PODMAN }.to_string());
    }
    let names = lists.iter().flat_map(|l| l.split(',')).map(str::trim).filter(|n| !n.is_empty());
    names.map(find).collect()
}

fn find(name: &str) -> Result<Column> {
    let lower = name.split('=').next().unwrap_or(name).to_ascii_lowercase();
    ALL.iter().find(|c| c.names.contains(&lower.as_str())).copied().ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|c| c.names[0]).collect();
        Error::user(format!("show column '{name}'")).hint(format!("the columns are {}", known.join(", ")))
    })
}

/// A pid of the host as the container counts it; 0 outside of it.
fn inner(pid: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pids = text.lines().find_map(|l| l.strip_prefix("NSpid:"));
    let numbers: Vec<i32> =
        pids.map(|l| l.split_whitespace().filter_map(|n| n.parse().ok()).collect()).unwrap_or_default();
    match numbers.as_slice() {
        [_, .., last] => *last,
        _ => 0,
    }
}

fn number(id: Option<u64>) -> String {
    id.map_or_else(|| "nobody".into(), |id| id.to_string())
}

/// Ticks since the start.
fn running(p: &Process, v: &View) -> u64 {
    v.system.uptime_ticks.saturating_sub(p.start_ticks) / v.system.ticks_per_second
}

fn cpu_share(p: &Process, v: &View) -> f64 {
    let ticks = v.system.uptime_ticks.saturating_sub(p.start_ticks).max(1);
    p.cpu_ticks as f64 * 100.0 / ticks as f64
}

/// Podman's form of a time span: `2h3m4s`.
fn words(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}

/// ps's form: `00:01:02`.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The time of day, or the day for older processes.
fn start(p: &Process, v: &View) -> String {
    let seconds = v.system.boot + (p.start_ticks / v.system.ticks_per_second) as i64;
    let Ok(time) = Timestamp::from_second(seconds) else { return "?".into() };
    let old = Timestamp::now().as_second() - seconds > 24 * 3600;
    time.to_zoned(TimeZone::system()).strftime(if old { "%b%d" } else { "%H:%M" }).to_string()
}

/// The name of a terminal's device number (proc(5), tty_nr).
fn tty(number: i32) -> String {
    let number = number as u32;
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    match (number, major) {
        (0, _) => "?".into(),
        (_, 4) => format!("tty{minor}"),
        (_, 136..=143) => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    }
}

fn capabilities(mask: u64) -> String {
    let names: Vec<&str> =
        caps::NAMES.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| *name).collect();
    match names.len() {
        0 => "none".into(),
        n if n == caps::NAMES.len() => "full".into(),
        _ => names.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(words: &[&str], docker: bool) -> String {
        let words: Vec<String> = words.iter().map(|w| w.to_string()).collect();
        match parse_columns(&words, docker) {
            Ok(columns) => columns.iter().map(|c| c.title).collect::<Vec<_>>().join(" "),
            Err(e) => format!("error: {e}"),
        }
    }

    #[test]
    fn descriptors_and_ps_options() {
        assert_eq!(titles(&[], false), "USER PID PPID %CPU ELAPSED TTY TIME COMMAND");
        assert_eq!(titles(&[], true), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(titles(&["-ef"], false), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(titles(&["pid", "user,args"], false), "PID USER COMMAND");
        assert_eq!(titles(&["-o", "pid,comm=NAME"], true), "PID COMMAND");
        assert_eq!(titles(&["-eo", "pid"], true), "PID");
        assert_eq!(titles(&["-opid"], true), "PID");
        assert_eq!(titles(&["aux"], true), "USER PID %CPU %MEM VSZ RSS TTY STAT STIME TIME COMMAND");
        assert!(titles(&["nosuch"], false).starts_with("error: show column 'nosuch'"));
        assert!(titles(&["-x"], false).starts_with("error: use the ps option"));
    }

    #[test]
    fn forms() {
        assert_eq!((words(5), words(65), words(3725)), ("5s".into(), "1m5s".into(), "1h2m5s".into()));
        assert_eq!(clock(3725), "01:02:05");
        assert_eq!((tty(0), tty(0x8803), tty(0x401)), ("?".into(), "pts/3".into(), "tty1".into()));
        assert_eq!(capabilities(0b11), "CHOWN,DAC_OVERRIDE");
        assert_eq!(capabilities(0), "none");
    }
}
