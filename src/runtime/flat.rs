//! The last resort for a root file system: the layers copied one over the other, by reflink where there is one.

use super::reown;
use crate::error::{Context, Result};
use crate::sys::mount;
use crate::userns::IdMap;
use rustix::fs::{Mode, OFlags, open};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// In the work directory: the upper directory holds a whole root. It stays one, since what the container deleted would
/// come back under an overlay.
const MARK: &str = "flat";

/// Whether the container has such a root already.
pub fn is_flat(work: &Path) -> bool {
    work.join(MARK).exists()
}

/// Fills `upper` with the layers (top-most first) at the first start and gives its mount, attached nowhere.
pub fn root(lowers: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd> {
    if !is_flat(work) {
        // A half-made one (power loss) is made anew.
        for entry in fs::read_dir(upper).with_context(|| format!("read {}", upper.display()))?.flatten() {
            super::jobs::remove_path(&entry.path())?;
        }
        // The same map twice: owners stay as they are.
        let same = IdMap { level: crate::userns::Level::Full, uids: whole(), gids: whole(), reason: None };
        for layer in lowers.iter().rev() {
            reown::Reown::new(&same, &same, None)
                .merging()
                .tree(layer, upper)
                .with_context(|| format!("copy {}", layer.display()))?;
        }
        fs::write(work.join(MARK), "").with_context(|| format!("mark {}", work.display()))?;
    }
    let dir = open(upper, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context("open the root")?;
    mount::clone_tree(dir.as_fd(), Path::new(""), false).context("mount the root")
}

fn whole() -> Vec<crate::userns::Range> {
    vec![crate::userns::Range { inside: 0, outside: 0, count: u32::MAX }]
}
