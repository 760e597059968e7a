//! Control groups, version 2 only (kernel's Documentation/admin-guide/cgroup-v2.rst).
//!
//! ```text
//! <base>/                 a scope of the user's systemd, or a delegated cgroup that we already live in
//!   supervisor/           the monitor: a limit of the container never hits it
//!   coracle-<id12>/       the container; limits are set here and seen inside as the root of its cgroup namespace
//! ```
//! A cgroup with processes can't hand controllers to children (the "no internal processes" rule), hence `supervisor`.

mod attach;
mod base;
mod freeze;
mod limits;

pub use attach::attach;
pub use freeze::{Frozen, freeze};

use crate::error::{Context, Result};
use crate::spec::model::Resources;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel gets to end the processes of a killed cgroup.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// The cgroup of one container: made before the launch, removed after its end.
#[derive(Debug)]
pub struct Cgroup {
    /// Absolute directory below /sys/fs/cgroup.
    pub path: PathBuf,
    /// For [`super::LaunchRequest::cgroup`].
    pub dir: OwnedFd,
}

/// Makes the container's cgroup in the delegated subtree (or asks systemd for a scope, into which the calling process,
/// the monitor, moves) and sets the limits. `None` where nothing is delegated; the warnings name what could not be
/// limited and why. Never fails for a missing controller.
///
/// # Errors
/// A limit whose controller is there and that the kernel refuses (a cpuset of absent CPUs, for one).
pub fn create(id: &str, resources: &Resources) -> Result<(Option<Cgroup>, Vec<String>)> {
    let plan = limits::plan(resources);
    let base = match base::find(id, resources.explicit) {
        Ok(base) => base,
        Err(reason) => return Ok((None, limits::warnings(&plan, &[], resources.explicit, &reason))),
    };
    let path = base.dir.join(format!("coracle-{}", &id[..id.len().min(12)]));
    if path.exists() {
        remove(&path); // left behind by a monitor that was killed
    }
    if let Err(e) = fs::create_dir(&path) {
        let reason = format!("cgroup {} can't be made: {e}", path.display());
        return Ok((None, limits::warnings(&plan, &[], resources.explicit, &reason)));
    }
    let controllers = base::words(&path.join("cgroup.controllers"));
    let warnings = limits::warnings(&plan, &controllers, resources.explicit, &base.why_missing);
    if let Err(e) = limits::apply(&path, &plan, &controllers) {
        remove(&path);
        return Err(e);
    }
    let dir = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("open cgroup {}", path.display()))?;
    Ok((Some(Cgroup { path, dir }), warnings))
}

/// Sets the limits of a cgroup that [`create`] has made with `before`. The warnings name what could not be limited.
///
/// # Errors
/// A limit that the kernel refuses; those before it in [`Resources`] apply.
pub fn update(path: Option<&Path>, before: &Resources, now: &Resources) -> Result<Vec<String>> {
    let plan = limits::changes(before, now);
    let Some(path) = path.filter(|p| p.exists()) else {
        return Ok(limits::warnings(&plan, &[], true, "the container has no cgroup of its own"));
    };
    let controllers = base::words(&path.join("cgroup.controllers"));
    limits::apply(path, &plan, &controllers)?;
    Ok(limits::warnings(&plan, &controllers, true, "it is not delegated to this user"))
}

impl Cgroup {
    /// Whether the kernel killed a process of it for want of memory (memory.events, field `oom_kill`).
    pub fn oom_killed(&self) -> bool {
        oom_killed(&self.path)
    }
    /// Removes it; processes in it are killed first.
    pub fn remove(&self) {
        remove(&self.path);
    }
}

fn oom_killed(path: &Path) -> bool {
    fs::read_to_string(path.join("memory.events")).is_ok_and(|text| {
        text.lines()
            .any(|line| line.strip_prefix("oom_kill ").is_some_and(|n| n.trim().parse::<u64>().unwrap_or(0) > 0))
    })
}

/// The same for a path from a state file, when the monitor is gone. Paths that are not a container's are left alone.
pub fn remove(path: &Path) {
    let ours = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"coracle-"));
    if !ours || !path.starts_with("/sys/fs/cgroup") || !path.exists() {
        return;
    }
    // cgroup.kill is Linux 5.14; without it only what the pid namespace's end leaves (nothing, usually) stays.
    let _ = fs::write(path.join("cgroup.kill"), "1");
    let deadline = Instant::now() + KILL_WAIT;
    while populated(path) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    remove_tree(path);
}

fn populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events")).is_ok_and(|text| text.lines().any(|l| l == "populated 1"))
}

/// Children first: a cgroup goes by rmdir(2) alone, its files are the kernel's.
fn remove_tree(path: &Path) {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                remove_tree(&entry.path());
            }
        }
    }
    let _ = fs::remove_dir(path);
}
