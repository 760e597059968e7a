//! Which boot this is and which process a pid means: pids and sockets are void after a reboot.

use crate::error::{Context, Error, Result};
use rustix::process::{Pid, PidfdFlags};
use std::os::fd::{AsFd, OwnedFd};

/// `/proc/sys/kernel/random/boot_id` (random(4)): 36 characters, new at each boot.
pub fn id() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).context(format!("read {path}"))?;
    Ok(text.trim().to_string())
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)).
/// `None` when there is no such process.
pub fn start_ticks(pid: i32) -> Option<u64> {
    ticks_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The process's name may hold spaces and parentheses, so fields count from the last `)`.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A handle on the process that had `pid` and `start_ticks`; `None` when it is gone, whoever has the number now.
pub fn open(pid: i32, ticks: u64) -> Result<Option<OwnedFd>> {
    let Some(raw) = Pid::from_raw(pid) else { return Ok(None) };
    let fd = match rustix::process::pidfd_open(raw, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(e) => return Err(crate::error::IntoError::context(e, format!("open process {pid}"))),
    };
    // The handle is fixed now; if the number had been reused before, the start time tells.
    if start_ticks(pid) != Some(ticks) {
        return Ok(None);
    }
    Ok(Some(fd))
}

/// Sends a signal by number, real-time signals included. `Conflict` when the process has ended.
pub fn signal(pidfd: &OwnedFd, number: i32) -> Result<()> {
    if !(1..=64).contains(&number) {
        return Err(Error::user(format!("send signal {number}: no such signal")));
    }
    match crate::sys::process::pidfd_kill(pidfd.as_fd(), number) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::SRCH) => Err(Error::conflict(format!("send signal {number}: the process has ended"))),
        Err(e) => Err(crate::error::IntoError::context(e, format!("send signal {number}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_start_time_behind_hostile_names() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 0 0";
        assert_eq!(ticks_of(stat), Some(4242));
        assert_eq!(ticks_of("7 (x"), None);
    }

    #[test]
    fn finds_only_the_same_process() {
        let me = std::process::id() as i32;
        let ticks = start_ticks(me).unwrap();
        assert!(open(me, ticks).unwrap().is_some());
        assert!(open(me, ticks + 1).unwrap().is_none());
        assert!(open(0, 0).unwrap().is_none());
        assert_eq!(id().unwrap().len(), 36);
    }
}
