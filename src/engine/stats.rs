//! `stats`: what containers use, from their cgroups, or from procfs where no cgroup is delegated.

use super::top::members_of;
use crate::error::{Error, Result};
use crate::state::containers::Container;
use std::path::Path;
use std::time::Instant;

/// One look at a container.
#[derive(Clone, Debug)]
pub struct Sample {
    at: Instant,
    /// CPU time in microseconds.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Limit in bytes, at most what the machine has.
    pub memory_limit: u64,
    /// Bytes received and sent by all interfaces but the loopback.
    pub received: u64,
    pub sent: u64,
    /// Bytes read from and written to disks.
    pub read: u64,
    pub written: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Not from a cgroup: pages that processes share count once for each.
    pub estimated: bool,
}

impl Sample {
    /// Looks at a running container now.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub fn take(container: &Container) -> Result<Sample> {
        let pid = container.state.pid;
        if !container.active() || pid <= 0 {
            return Err(Error::conflict(format!("look at container {}: it is not running", container.name))
                .hint(format!("coracle start {}", container.name)));
        }
        let mut sample = of_processes(pid);
        if !container.state.cgroup.is_empty() {
            of_cgroup(Path::new(&container.state.cgroup), &mut sample);
        }
        (sample.received, sample.sent) = traffic(&text(format!("/proc/{pid}/net/dev")));
        Ok(sample)
    }

    /// Share of one CPU between an earlier look and this one, in percent.
    pub fn cpu_percent(&self, before: &Sample) -> f64 {
        let span = self.at.duration_since(before.at).as_micros() as f64;
        if span > 0.0 { self.cpu.saturating_sub(before.cpu) as f64 * 100.0 / span } else { 0.0 }
    }

    /// Share of the limit, in percent.
    pub fn memory_percent(&self) -> f64 {
        if self.memory_limit > 0 { self.memory as f64 * 100.0 / self.memory_limit as f64 } else { 0.0 }
    }
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The sum over the container's processes.
fn of_processes(pid: i32) -> Sample {
    let (processes, system) = members_of(pid);
    let mut sample = Sample {
        at: Instant::now(),
        cpu: 0,
        memory: 0,
        memory_limit: system.memory,
        received: 0,
        sent: 0,
        read: 0,
        written: 0,
        pids: 0,
        estimated: true,
    };
    for process in processes {
        sample.cpu += process.cpu_ticks * 1_000_000 / system.ticks_per_second;
        sample.memory += process.resident;
        sample.pids += process.threads.max(1);
        let io = text(format!("/proc/{}/io", process.pid));
        sample.read += field(&io, "read_bytes:");
        sample.written += field(&io, "write_bytes:");
    }
    sample
}

/// Replaces what the cgroup knows better; controllers may be missing one by one.
fn of_cgroup(dir: &Path, sample: &mut Sample) {
    let number = |name: &str| text(dir.join(name)).trim().parse::<u64>().ok();
    let cpu = text(dir.join("cpu.stat"));
    if cpu.contains("usage_usec ") {
        sample.cpu = field(&cpu, "usage_usec ");
    }
    if let Some(memory) = number("memory.current") {
        // As docker and podman: the page cache that goes first when memory is short does not count.
        let cache = field(&text(dir.join("memory.stat")), "inactive_file ");
        sample.memory = memory.saturating_sub(cache);
        sample.estimated = false;
    }
    if let Some(limit) = number("memory.max") {
        sample.memory_limit = limit.min(sample.memory_limit);
    }
    if let Some(pids) = number("pids.current") {
        sample.pids = pids;
    }
    let io = text(dir.join("io.stat"));
    if dir.join("io.stat").exists() {
        let sum = |key: &str| io.split_whitespace().filter_map(|w| w.strip_prefix(key)?.parse::<u64>().ok()).sum();
        (sample.read, sample.written) = (sum("rbytes="), sum("wbytes="));
    }
}

/// The number behind `key` at the beginning of a line.
fn field(text: &str, key: &str) -> u64 {
    text.lines().find_map(|l| l.strip_prefix(key)?.trim().parse().ok()).unwrap_or(0)
}

/// Bytes in and out by proc(5) `net/dev`, without the loopback.
fn traffic(dev: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in dev.lines().skip(2) {
        let Some((name, counters)) = line.split_once(':') else { continue };
        let numbers: Vec<u64> = counters.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        if name.trim() != "lo" && numbers.len() > 8 {
            sums.0 += numbers[0];
            sums.1 += numbers[8];
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_counters() {
        let dev = "Inter-| Receive | Transmit\n face |bytes\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n\
                   eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\nbad\n";
        assert_eq!(traffic(dev), (105, 206));
        assert_eq!(field("a 1\nusage_usec 77\n", "usage_usec "), 77);
    }

    #[test]
    fn cgroups_replace_estimates() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("cpu.stat", "usage_usec 5000000\nuser_usec 1\n");
        put("memory.current", "3000\n");
        put("memory.stat", "anon 1\ninactive_file 1000\n");
        put("memory.max", "max\n");
        put("io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n");
        let mut sample = of_processes(std::process::id() as i32);
        assert!(sample.estimated && sample.pids > 0 && sample.memory > 0);
        let limit = sample.memory_limit;
        of_cgroup(dir.path(), &mut sample);
        assert_eq!((sample.cpu, sample.memory, sample.memory_limit), (5_000_000, 2000, limit));
        assert_eq!((sample.read, sample.written, sample.estimated), (11, 22, false));
        let mut later = sample.clone();
        later.at += std::time::Duration::from_secs(2);
        later.cpu += 1_000_000;
        assert_eq!(later.cpu_percent(&sample), 50.0);
    }
}
