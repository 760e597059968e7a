//! Starting a stage in the host's namespaces.

use crate::error::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Which binary serves the stages; tests, whose own binary has none, name the real one.
pub fn set_program(path: impl Into<PathBuf>) {
    let _ = PROGRAM.set(path.into());
}

/// The binary that serves the stages: this one, unless [`set_program`] was called.
pub fn program() -> &'static Path {
    PROGRAM.get_or_init(|| std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")))
}

/// What a stage gets as fds 0, 1 and 2.
#[derive(Clone, Copy, Debug)]
pub enum Streams<'a> {
    Inherit,
    /// All three are /dev/null.
    Null,
    /// stdin and stdout are /dev/null, errors go to our stderr.
    Stderr,
    Fds {
        stdin: BorrowedFd<'a>,
        stdout: BorrowedFd<'a>,
        stderr: BorrowedFd<'a>,
    },
}

/// A process of ours. Dropping it neither kills nor reaps.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

impl Child {
    /// Waits for the end: exit code, or 128 + signal.
    pub fn wait(&self) -> Result<i32> {
        Err(Error::unsupported("wait for a stage: not built yet"))
    }
    /// Sends `signal`; a process that is gone already is no error.
    pub fn kill(&self, _signal: i32) -> Result<()> {
        Err(Error::unsupported("kill a stage: not built yet"))
    }
}

impl AsFd for Child {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Starts the stage `stage` in the present namespaces. `fds` become 3, 4, …; everything else is closed. With
/// `session` it leads a session of its own (setsid(2)).
pub fn spawn(
    stage: &str,
    _args: &[String],
    _fds: &[BorrowedFd<'_>],
    _streams: Streams<'_>,
    _session: bool,
) -> Result<Child> {
    Err(Error::unsupported(format!("start stage {stage}: not built yet")))
}
