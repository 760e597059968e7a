//! Starting a stage in the host's namespaces.

use super::{ARGV0, Entry};
use crate::error::{Context, Error, Result};
use crate::sys::clone::{Exec, Program, Spawned};
use crate::sys::fork::Fork;
use crate::sys::{clone, fork, process, signal};
use rustix::fs::{Mode, OFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Which binary serves the stages; tests, whose own binary has none, name the real one.
pub fn set_program(path: impl Into<PathBuf>) {
    let _ = PROGRAM.set(path.into());
}

/// The binary that serves the stages: this very one, even when a newer one took its name, unless [`set_program`] was
/// called.
pub fn program() -> &'static Path {
    PROGRAM.get().map_or(Path::new("/proc/self/exe"), PathBuf::as_path)
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
    /// Waits for the end: exit code, or 128 + signal. Once.
    pub fn wait(&self) -> Result<i32> {
        process::wait(self.pid).with_context(|| format!("wait for process {}", self.pid))
    }

    /// Sends `signal`; a process that is gone already is no error.
    pub fn kill(&self, signal: i32) -> Result<()> {
        match process::pidfd_kill(self.pidfd.as_fd(), signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.with_context(|| format!("send signal {signal} to process {}", self.pid)),
        }
    }
}

impl From<Spawned> for Child {
    fn from(s: Spawned) -> Child {
        Child { pid: s.pid, pidfd: s.pidfd }
    }
}

impl AsFd for Child {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// argv of a stage.
pub(crate) fn argv(stage: &str, args: &[String]) -> Result<Vec<CString>> {
    [ARGV0, stage].into_iter().chain(args.iter().map(String::as_str)).map(cstring).collect()
}

pub(crate) fn cstring(text: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(text).map_err(|_| Error::user("pass a string with a zero byte to a process"))
}

/// Our environment.
pub(crate) fn environment() -> Result<Vec<CString>> {
    std::env::vars_os()
        .map(|(key, value)| cstring([key.into_vec(), b"=".to_vec(), value.into_vec()].concat()))
        .collect()
}

/// /dev/null, read and write.
pub(crate) fn dev_null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).context("open /dev/null")
}

fn standard<'a>(streams: Streams<'a>, null: BorrowedFd<'a>) -> [Option<BorrowedFd<'a>>; 3] {
    let null = Some(null);
    match streams {
        Streams::Inherit => [None; 3],
        Streams::Null => [null; 3],
        Streams::Stderr => [null, null, None],
        Streams::Fds { stdin, stdout, stderr } => [Some(stdin), Some(stdout), Some(stderr)],
    }
}

/// As [`spawn`], but the stage is a copy of this process, which spares the execution of the binary; `entry` is its main
/// function. In a process with threads it is executed nevertheless. What the caller has in memory stays in the
/// stage's: only for callers that have done little yet.
pub fn forked(stage: &str, entry: Entry, fds: &[BorrowedFd<'_>], streams: Streams<'_>) -> Result<Child> {
    if PROGRAM.get().is_some() || !process::single_threaded() {
        return spawn(stage, &[], fds, streams, true);
    }
    let null = dev_null()?;
    let how = Fork {
        stdio: standard(streams, null.as_fd()),
        fds,
        namespaces: 0,
        user_namespace: None,
        maps: None,
        cgroup_procs: None,
        session: true,
        death_signal: 0,
    };
    let spawned = fork::fork(&how, |ready| {
        if ready.is_err() {
            return 125;
        }
        // As if it had been executed: Rust starts programs so, and nobody shall read the caller's arguments in its place.
        signal::pipe_fails();
        signal::stop_as_usual();
        process::rename(&[ARGV0, stage]);
        super::title(stage);
        i32::from(entry(&[]) != ExitCode::SUCCESS)
    });
    spawned.map(Child::from).with_context(|| format!("start stage {stage}"))
}

/// Starts the stage `stage` in the present namespaces. `fds` become 3, 4, …; everything else is closed. With
/// `session` it leads a session of its own (setsid(2)).
pub fn spawn(
    stage: &str,
    args: &[String],
    fds: &[BorrowedFd<'_>],
    streams: Streams<'_>,
    session: bool,
) -> Result<Child> {
    let null = dev_null()?;
    let stdio = standard(streams, null.as_fd());
    let path = cstring(program().as_os_str().as_bytes())?;
    let (argv, env) = (argv(stage, args)?, environment()?);
    let spawned = clone::spawn(&Exec {
        program: Program::Path(&path),
        argv: &argv,
        env: &env,
        stdio,
        fds,
        namespaces: 0,
        joins: &[],
        cgroup_procs: None,
        session,
        death_signal: 0,
        ambient: false,
    });
    spawned.map(Child::from).with_context(|| format!("start stage {stage}"))
}
