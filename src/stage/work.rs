//! The `work` stage: one job with mapped ids in a fresh user and mount namespace, or in those of a running container.

use crate::error::{Error, Result};
use crate::userns::IdMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{BorrowedFd, OwnedFd};
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
pub type Job = fn(serde_json::Value, Vec<OwnedFd>) -> Result<serde_json::Value>;

/// A running job. Dropping it kills the job.
#[derive(Debug)]
pub struct Work {}

impl Work {
    /// Starts `job` of the JOBS table in main.rs. Its stdout is /dev/null, its stderr ours.
    pub fn start(
        job: &str,
        _ns: WorkNs<'_>,
        _req: &(impl Serialize + ?Sized),
        _fds: &[BorrowedFd<'_>],
    ) -> Result<Work> {
        Err(Error::unsupported(format!("start job {job}: not built yet")))
    }
    /// Waits for the answer; the job's error comes back as it was.
    pub fn finish<R: DeserializeOwned>(self) -> Result<R> {
        Err(Error::unsupported("finish a job: not built yet"))
    }
    pub fn kill(&self) {}
}

pub(super) fn main(_jobs: &[(&str, Job)], _args: &[String]) -> ExitCode {
    ExitCode::from(125)
}
