//! The `work` stage: one job with mapped ids in a fresh user and mount namespace, or in those of a running container.

use super::spawn::{Child, argv, cstring, dev_null, program};
use super::{Channel, ids};
use crate::error::{Context, Error, Result};
use crate::sys::clone::{self, Exec, Program};
use crate::sys::process;
use crate::userns::{IdMap, Level, explain, start_maps};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Name of the stage.
pub(super) const STAGE: &str = "work";

/// Where a job runs.
#[derive(Clone, Copy, Debug)]
pub enum WorkNs<'a> {
    /// A fresh user and mount namespace (a private copy of the host's mounts) as its root.
    New(&'a IdMap),
    /// The user and mount namespaces of the running process `pid` (host pid) as their root. The job starts in the
    /// container's root directory and has the host's pid namespace.
    Join { pid: i32 },
}

/// A job: gets the request and the descriptors that came with it, gives the answer.
pub type Job = fn(Value, Vec<OwnedFd>) -> Result<Value>;

#[derive(Serialize, Deserialize)]
struct Request {
    job: String,
    /// The first descriptor is the pidfd whose namespaces to join.
    join: bool,
    /// The map forbids setgroups(2).
    one_id: bool,
    request: Value,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Done(Value),
    Failed(Error),
}

/// A running job. Dropping it kills the job; so does the end of the thread that started it.
#[derive(Debug)]
pub struct Work {
    job: String,
    child: Child,
    channel: Channel,
    reaped: bool,
}

impl Work {
    /// Starts `job` of the JOBS table in main.rs. Its stdout is /dev/null, its stderr ours. Start and finish it in the
    /// same thread: the kernel kills it when the thread ends.
    pub fn start(
        job: &str,
        ns: WorkNs<'_>,
        request: &(impl Serialize + ?Sized),
        fds: &[BorrowedFd<'_>],
    ) -> Result<Work> {
        Work::begin(job, ns, request, fds).with_context(|| format!("start job {job}"))
    }

    fn begin(job: &str, ns: WorkNs<'_>, request: &(impl Serialize + ?Sized), fds: &[BorrowedFd<'_>]) -> Result<Work> {
        let request = serde_json::to_value(request).context("encode the request")?;
        let (ours, theirs) = Channel::pair()?;
        let null = dev_null()?;
        let path = cstring(program().as_os_str().as_bytes())?;
        let argv = argv(STAGE, &[])?;
        let new = matches!(ns, WorkNs::New(_));
        // Below `unshare` the ids are mapped already.
        let here = matches!(ns, WorkNs::New(map) if map.is_around());
        let env = crate::state::hook::environment();
        let spawned = clone::spawn(&Exec {
            program: Program::Path(&path),
            argv: &argv,
            env: &env,
            stdio: [Some(null.as_fd()), Some(null.as_fd()), None],
            fds: &[theirs.as_fd()],
            namespaces: match (new, here) {
                (true, false) => libc::CLONE_NEWUSER | libc::CLONE_NEWNS,
                (true, true) => libc::CLONE_NEWNS,
                (false, _) => 0,
            },
            joins: &[],
            cgroup_procs: None,
            session: false,
            death_signal: libc::SIGKILL,
            ambient: new,
        });
        let child = Child::from(spawned.map_err(explain)?);
        drop(theirs);
        // From here on a failure kills and reaps it.
        let work = Work { job: job.into(), child, channel: ours, reaped: false };
        let mut frame = Request { job: job.into(), join: !new, one_id: false, request };
        match ns {
            WorkNs::New(map) => {
                if !here {
                    start_maps(work.child.pid, map)?.finish()?;
                }
                frame.one_id = map.level == Level::OneId;
                work.channel.send(&frame, fds)?;
            }
            WorkNs::Join { pid } => {
                let pidfd = rustix::process::Pid::from_raw(pid)
                    .ok_or(rustix::io::Errno::SRCH)
                    .and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()))
                    .with_context(|| format!("find process {pid}"))?;
                let all: Vec<_> = std::iter::once(pidfd.as_fd()).chain(fds.iter().copied()).collect();
                work.channel.send(&frame, &all)?;
            }
        }
        Ok(work)
    }

    /// Waits for the answer; the job's error comes back as it was.
    pub fn finish<R: DeserializeOwned>(mut self) -> Result<R> {
        let answer = self.channel.recv::<Answer>()?;
        let code = self.child.wait()?;
        self.reaped = true;
        match answer {
            Some((Answer::Done(value), _)) => {
                serde_json::from_value(value).with_context(|| format!("decode the answer of job {}", self.job))
            }
            Some((Answer::Failed(e), _)) => Err(e),
            None => Err(Error::bug(format!("job {} ended without an answer (exit code {code})", self.job))),
        }
    }

    /// Ends the job at once.
    pub fn kill(&self) {
        let _ = self.child.kill(libc::SIGKILL);
    }
}

impl AsFd for Work {
    /// Readable once the answer is there or the job has died.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

pub(super) fn main(jobs: &[(&str, Job)], _args: &[String]) -> ExitCode {
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    // EOF before the request: our parent changed its mind.
    let Ok(Some((request, fds))) = channel.recv::<Request>() else { return ExitCode::from(125) };
    let (answer, code) = match run(jobs, request, fds) {
        Ok(value) => (Answer::Done(value), ExitCode::SUCCESS),
        Err(e) => (Answer::Failed(e), ExitCode::FAILURE),
    };
    if channel.send(&answer, &[]).is_err() { ExitCode::from(125) } else { code }
}

fn run(jobs: &[(&str, Job)], request: Request, mut fds: Vec<OwnedFd>) -> Result<Value> {
    let job = jobs
        .iter()
        .find(|(name, _)| *name == request.job)
        .ok_or_else(|| Error::bug(format!("no job is called {}", request.job)))?;
    if request.join {
        if fds.is_empty() {
            return Err(Error::bug("join a container without its pidfd"));
        }
        let pidfd = fds.remove(0);
        // The container's root must not get at this process, its memory or its program.
        ids::undumpable()?;
        process::setns(pidfd.as_fd(), libc::CLONE_NEWUSER | libc::CLONE_NEWNS).context("join the container")?;
        drop(pidfd);
        ids::become_root(true)?;
        ids::undumpable()?;
        rustix::process::chdir("/").context("enter the container's root directory")?;
    } else {
        ids::become_root(!request.one_id)?;
    }
    (job.1)(request.request, fds)
}
