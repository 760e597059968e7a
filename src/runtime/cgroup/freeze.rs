//! Stopping all processes of a cgroup for a while (cgroup-v2.rst, "cgroup.freeze").

use crate::error::{Context, Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel gets to stop all processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A frozen cgroup; dropping it lets its processes go on.
#[derive(Debug)]
pub struct Frozen {
    file: PathBuf,
}

/// Freezes the cgroup `dir` and waits until every process in it has stopped.
///
/// # Errors
/// `Conflict` when it is frozen already, by somebody who will want to thaw it.
pub fn freeze(dir: &Path) -> Result<Frozen> {
    let named = || format!("freeze {}", dir.display());
    let file = dir.join("cgroup.freeze");
    if fs::read_to_string(&file).with_context(named)?.trim() == "1" {
        return Err(Error::conflict(format!("{}: it is frozen already", named())));
    }
    fs::write(&file, "1").with_context(named)?;
    let frozen = Frozen { file };
    let end = Instant::now() + PATIENCE;
    loop {
        let events = fs::read_to_string(dir.join("cgroup.events")).with_context(named)?;
        if events.lines().any(|l| l == "frozen 1") {
            return Ok(frozen);
        }
        if Instant::now() > end {
            return Err(Error::conflict(format!("{}: its processes do not stop", named())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = fs::write(&self.file, "0");
    }
}
