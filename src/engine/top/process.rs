//! Processes as proc(5) tells of them.

use std::collections::BTreeMap;
use std::fs;

/// One process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub pid: i32,
    /// In its innermost pid namespace.
    pub inner_pid: i32,
    pub ppid: i32,
    pub pgid: i32,
    pub session: i32,
    pub state: char,
    pub comm: String,
    /// Empty for a zombie.
    pub args: String,
    /// Device number, 0 for none.
    pub tty: i32,
    /// Ticks of CPU time, and of the start since boot.
    pub cpu_ticks: u64,
    pub start_ticks: u64,
    pub nice: i64,
    /// Bytes.
    pub virtual_size: u64,
    pub resident: u64,
    pub uid: u64,
    pub gid: u64,
    pub capabilities: u64,
    pub threads: u64,
}

/// What times and shares are counted against.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct System {
    pub ticks_per_second: u64,
    pub uptime_ticks: u64,
    /// Seconds since 1970 of the boot.
    pub boot: i64,
    pub memory: u64,
}

impl System {
    pub fn read() -> System {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let uptime: f64 = text("/proc/uptime").split_whitespace().next().and_then(|t| t.parse().ok()).unwrap_or(0.0);
        let ticks = rustix::param::clock_ticks_per_second();
        let field = |text: &str, key: &str| -> u64 {
            let line = text.lines().find_map(|l| l.strip_prefix(key));
            line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        System {
            ticks_per_second: ticks.max(1),
            uptime_ticks: (uptime * ticks as f64) as u64,
            boot: field(&text("/proc/stat"), "btime") as i64,
            memory: field(&text("/proc/meminfo"), "MemTotal:") * 1024,
        }
    }
}

impl Process {
    /// All processes that can be seen.
    pub fn all() -> BTreeMap<i32, Process> {
        let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
        let pids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect()
    }

    fn read(pid: i32) -> Option<Process> {
        let file = |name: &str| fs::read(format!("/proc/{pid}/{name}"));
        let stat = String::from_utf8_lossy(&file("stat").ok()?).into_owned();
        let mut process = parse_stat(&stat)?;
        let status = String::from_utf8_lossy(&file("status").ok()?).into_owned();
        read_status(&mut process, &status);
        process.args = printable(&file("cmdline").unwrap_or_default());
        Some(process)
    }

    /// The command line, or the name in brackets where there is none.
    pub fn command(&self) -> String {
        match self.args.is_empty() {
            true => format!("[{}]", self.comm),
            false => self.args.clone(),
        }
    }
}

/// Which pid namespace the process lives in.
pub(crate) fn pid_namespace(pid: i32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// Zero bytes between arguments become blanks; control characters, which could command the terminal, question marks.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = text.trim_end_matches('\0').chars().map(|c| match c {
        '\0' => ' ',
        c if c.is_control() => '?',
        c => c,
    });
    shown.collect()
}

fn parse_stat(text: &str) -> Option<Process> {
    // The name may hold blanks and parentheses: it ends at the last one.
    let (head, rest) = text.rsplit_once(')')?;
    let (pid, comm) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // proc(5) counts from 1; what follows the name is field 3.
    let number = |field: usize| fields.get(field - 3).and_then(|f| f.parse::<i64>().ok()).unwrap_or(0);
    Some(Process {
        pid: pid.trim().parse().ok()?,
        comm: printable(comm.as_bytes()),
        state: fields.first()?.chars().next()?,
        ppid: number(4) as i32,
        pgid: number(5) as i32,
        session: number(6) as i32,
        tty: number(7) as i32,
        cpu_ticks: (number(14) + number(15)) as u64,
        nice: number(19),
        threads: number(20) as u64,
        start_ticks: number(22) as u64,
        virtual_size: number(23) as u64,
        resident: number(24) as u64 * rustix::param::page_size() as u64,
        ..Process::default()
    })
}

fn read_status(process: &mut Process, text: &str) {
    process.inner_pid = process.pid;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let mut words = value.split_whitespace();
        match key {
            // Real, effective, saved, file system: ps shows the effective one.
            "Uid" => process.uid = words.nth(1).and_then(|w| w.parse().ok()).unwrap_or(0),
            "Gid" => process.gid = words.nth(1).and_then(|w| w.parse().ok()).unwrap_or(0),
            "NSpid" => process.inner_pid = words.next_back().and_then(|w| w.parse().ok()).unwrap_or(process.pid),
            "CapEff" => process.capabilities = u64::from_str_radix(value.trim(), 16).unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses() {
        let line = "7 (a) b (c)) S 1 2 3 34816 5 0 0 0 0 0 30 12 0 0 20 -5 4 0 1000 8192 2 0";
        let process = parse_stat(line).unwrap();
        assert_eq!((process.pid, process.ppid, process.comm.as_str()), (7, 1, "a) b (c)"));
        assert_eq!((process.cpu_ticks, process.nice, process.threads, process.start_ticks), (42, -5, 4, 1000));
        assert_eq!((process.tty, process.virtual_size), (34816, 8192));
        assert!(parse_stat("broken").is_none());
    }

    #[test]
    fn status_and_command_lines() {
        let mut process = Process { pid: 9, ..Process::default() };
        read_status(&mut process, "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t900\t9\t1\nCapEff:\t000000000000000f\n");
        assert_eq!((process.uid, process.gid, process.inner_pid, process.capabilities), (2, 6, 1, 15));
        assert_eq!(printable(b"sh\0-c\0\x1b[2J\0"), "sh -c ?[2J");
        assert_eq!(Process { comm: "x".into(), ..process }.command(), "[x]");
    }
}
