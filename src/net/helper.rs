//! Helper processes of other projects: start with inherited descriptors, wait for readiness, end with the container.

use crate::error::{Context, Error, Kind, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where distributions put such programs, for callers with a poor PATH (system units, cron).
const PROGRAM_DIRS: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/bin"];
/// What is kept of a helper's messages, in bytes.
const MESSAGES: u64 = 16 * 1024;
/// Long enough for a machine that swaps; a healthy helper needs milliseconds.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// A process that serves the container's network from the host's side. Dropping it ends and reaps it.
#[derive(Debug)]
pub struct Helper {
    /// `slirp4netns`, `pasta`, `portfwd`, `netholder`.
    pub name: String,
    pub pid: i32,
    /// Readable when it has died.
    pub pidfd: OwnedFd,
    /// slirp4netns ends when this is closed, so it can't outlive the monitor.
    exit: Option<OwnedFd>,
    messages: Option<File>,
    reaped: bool,
}

impl Helper {
    /// Takes over a child process of this one.
    pub(crate) fn adopt(name: &str, pid: i32, pidfd: OwnedFd) -> Helper {
        Helper { name: name.to_owned(), pid, pidfd, exit: None, messages: None, reaped: false }
    }

    /// What another process does for us as long as the connection `fd` is open: it ends with this handle, and its end
    /// shows like a death.
    pub(crate) fn remote(name: &str, fd: OwnedFd) -> Helper {
        Helper { name: name.to_owned(), pid: 0, pidfd: fd, exit: None, messages: None, reaped: true }
    }

    /// It is none of our children.
    pub(crate) fn is_remote(&self) -> bool {
        self.pid == 0
    }

    /// Holds a descriptor whose closing ends the helper, also by the death of this process.
    pub(crate) fn keep(&mut self, exit: OwnedFd) {
        self.exit = Some(exit);
    }

    /// What [`Helper::keep`] holds.
    pub(crate) fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    /// Starts `command`; `inherit` stay open in it under their present numbers. Its messages are kept in memory.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        inherit: &[BorrowedFd<'_>],
        exit: Option<OwnedFd>,
    ) -> Result<Helper> {
        let starting = || format!("start {name}");
        let messages = message_file().with_context(starting)?;
        let copy = |f: &File| f.try_clone().map(Stdio::from);
        command.stdin(Stdio::null()).stdout(copy(&messages).with_context(starting)?);
        command.stderr(copy(&messages).with_context(starting)?).current_dir("/");
        // The caller is single-threaded: nobody else can start a process while these are inheritable.
        for fd in inherit {
            rustix::io::fcntl_setfd(fd, FdFlags::empty()).with_context(starting)?;
        }
        let spawned = command.spawn();
        for fd in inherit {
            rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).with_context(starting)?;
        }
        let pid = spawned.with_context(starting)?.id() as i32;
        let raw = Pid::from_raw(pid).ok_or_else(|| Error::bug("start a helper: pid 0"))?;
        let pidfd = rustix::process::pidfd_open(raw, PidfdFlags::empty()).with_context(starting)?;
        Ok(Helper { name: name.to_owned(), pid, pidfd, exit, messages: Some(messages), reaped: false })
    }

    /// Waits until `ready` is readable (or closed by the other side); an error if the helper dies first.
    pub(crate) fn await_ready(&mut self, ready: BorrowedFd<'_>) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(Kind::Io, format!("start {}: not ready after {READY_TIMEOUT:?}", self.name)));
            }
            let mut fds = [PollFd::new(&ready, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
            let timeout = left.try_into().ok();
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e).context("wait for a helper"),
            }
            if fds[0].revents().contains(PollFlags::IN) {
                return Ok(());
            }
            if !fds[1].revents().is_empty() || fds[0].revents().contains(PollFlags::HUP) {
                return Err(self.failure());
            }
        }
    }

    /// Why it died, in its own words.
    fn failure(&self) -> Error {
        let text = self.messages();
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !is_chatter(l));
        // What is wrong with an option is said before the list of all.
        let last: Vec<&str> = lines.take_while(|l| !l.starts_with("Usage:")).collect();
        let said = match last.is_empty() {
            true => String::new(),
            false => format!(": {}", last[last.len().saturating_sub(2)..].join("; ")),
        };
        Error::new(Kind::Io, format!("start {}{said}", self.name))
    }

    /// What it has written to stdout and stderr.
    pub fn messages(&self) -> String {
        let mut bytes = vec![0; MESSAGES as usize];
        let length = self.messages.as_ref().and_then(|f| f.read_at(&mut bytes, 0).ok()).unwrap_or(0);
        bytes.truncate(bytes[..length].iter().position(|b| *b == 0).unwrap_or(length));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// True once it has ended (it is reaped then).
    pub fn ended(&mut self) -> bool {
        self.reaped = self.reaped || self.reap(WaitIdOptions::NOHANG);
        self.reaped
    }

    /// None of them has anything to save; waiting for a polite end would only delay the container's.
    pub(crate) fn kill(&self) {
        if self.is_remote() {
            let _ = rustix::net::shutdown(&self.pidfd, rustix::net::Shutdown::Both);
            return;
        }
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    fn reap(&self, options: WaitIdOptions) -> bool {
        loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | options) {
                Ok(status) => return status.is_some(),
                Err(rustix::io::Errno::INTR) => {}
                // Not our child, or reaped by another: gone as far as we are concerned.
                Err(_) => return true,
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.exit = None;
        if !self.reaped {
            self.kill();
            self.reap(WaitIdOptions::empty());
        }
    }
}

/// Lines of slirp4netns and pasta that explain no failure.
fn is_chatter(line: &str) -> bool {
    [
        "Failed to send",
        "sent tapfd",
        "received tapfd",
        "Starting slirp",
        "* ",
        "enable ",
        "parent failed",
        "WARNING: Supp",
    ]
    .iter()
    .any(|p| line.starts_with(p))
}

/// A file for messages that can't grow: a helper that complains for a year costs no memory.
fn message_file() -> rustix::io::Result<File> {
    let fd = rustix::fs::memfd_create("messages", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&fd, MESSAGES)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(File::from(fd))
}

/// A pipe: (reading end, writing end), both close-on-exec.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make a pipe")
}

/// The absolute path of an installed program.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let listed = std::env::split_paths(&path).filter(|d| d.is_absolute());
    let usual = PROGRAM_DIRS.iter().map(PathBuf::from);
    listed.chain(usual).map(|d| d.join(name)).find(|p| is_executable(p))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// `command` with arguments: saves the call chain of `Command`.
pub(crate) fn command<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsRawFd;

    #[test]
    fn reports_readiness_and_ends_with_the_handle() {
        let (reading, writing) = pipe().unwrap();
        // By path: dash knows one-digit descriptors only.
        let script = format!("echo hello; echo 1 >/proc/self/fd/{}; exec sleep 60", writing.as_raw_fd());
        let mut helper =
            Helper::start("sh", command(Path::new("/bin/sh"), ["-c", &script]), &[writing.as_fd()], None).unwrap();
        drop(writing);
        helper.await_ready(reading.as_fd()).unwrap();
        assert_eq!(helper.messages(), "hello\n");
        assert!(!helper.ended());
        let pid = helper.pid;
        drop(helper);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_failed_start_says_why() {
        assert!(is_chatter("WARNING: Support for IPv6 is experimental"));
        let (reading, writing) = pipe().unwrap();
        let args = ["-c", "echo 'sent tapfd=5'; echo 'no tun device' >&2; echo Usage: x; echo '  -y'; exit 1"];
        let mut helper = Helper::start("sh", command(Path::new("/bin/sh"), args), &[writing.as_fd()], None).unwrap();
        drop(writing);
        let e = helper.await_ready(reading.as_fd()).unwrap_err();
        assert_eq!(e.to_string(), "start sh: no tun device");
        assert!(find_program("sh").is_some() && find_program("no-such-program").is_none());
    }
}
