//! How much disk a container uses.

use super::Ctx;
use crate::error::{Context, Result};
use crate::image::Store;
use crate::stage::{Work, WorkNs};
use crate::state::containers::Container;
use crate::userns::IdMap;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Request of the job `tree-size`: files and directories to measure. Answer: a [`Usage`] for each.
#[derive(Debug, Serialize, Deserialize)]
pub struct TreeSize {
    pub paths: Vec<PathBuf>,
}

/// What a tree takes, hard links counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Sum of the sizes of what is not a directory.
    pub bytes: u64,
    /// Bytes of all allocated blocks (stat(2) st_blocks), those of directories included: what `du` says.
    pub allocated: u64,
}

/// Bytes of the container's own files and, with the image's, of its whole root (docker's SizeRw and SizeRootFs).
pub fn container(ctx: &Ctx, container: &Container) -> Result<(u64, u64)> {
    let own = trees(vec![container.dir.upper()])?.first().map_or(0, |u| u.bytes);
    let image = match container.config.image_id.as_str() {
        "" => 0,
        id => {
            let (store, idmap) = (Store::open(&ctx.paths)?, IdMap::detect().ok());
            store.resolve(id).map(|image| super::images::size(&store, &image, idmap.as_ref())).unwrap_or(0)
        }
    };
    Ok((own, own + image))
}

/// Measures each of `paths`; what is not there takes nothing. Directories of mapped ids need the job; where none can
/// run, what the user himself can see is measured.
pub fn trees(paths: Vec<PathBuf>) -> Result<Vec<Usage>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let Ok(idmap) = IdMap::detect() else { return paths.iter().map(|path| measure(path)).collect() };
    Work::start("tree-size", WorkNs::New(&idmap), &TreeSize { paths }, &[])?.finish()
}

/// What all of `paths` allocate together, in bytes.
pub fn allocated(paths: Vec<PathBuf>) -> Result<u64> {
    Ok(trees(paths)?.iter().map(|u| u.allocated).sum())
}

/// Job `tree-size`.
pub fn tree_size(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let request: TreeSize = serde_json::from_value(request).context("read the request")?;
    let sizes: Vec<Usage> = request.paths.iter().map(|path| measure(path)).collect::<Result<_>>()?;
    serde_json::to_value(sizes).context("write the answer")
}

fn measure(path: &Path) -> Result<Usage> {
    let mut total = Usage::default();
    let Ok(stat) = rustix::fs::lstat(path) else { return Ok(total) };
    total.add(&stat);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        match rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(dir) => count(dir.as_fd(), &mut HashSet::new(), &mut total, 0)?,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::ACCESS) => {}
            Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
        }
    }
    Ok(total)
}

impl Usage {
    fn add(&mut self, stat: &Stat) {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            self.bytes += u64::try_from(stat.st_size).unwrap_or(0);
        }
        // POSIX leaves the unit open; on Linux it is 512 bytes whatever the file system (stat(2)).
        self.allocated += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    }
}

/// Deepest directory: more than PATH_MAX allows to make at once, less than the stack.
const MAX_DEPTH: usize = 2048;

fn count(dir: BorrowedFd<'_>, seen: &mut HashSet<(u64, u64)>, total: &mut Usage, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in Dir::read_from(dir).context("read a directory")? {
        let entry = entry.context("read a directory")?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        // What vanishes while we look is not counted.
        let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !directory && stat.st_nlink > 1 && !seen.insert((stat.st_dev, stat.st_ino)) {
            continue;
        }
        total.add(&stat);
        if directory {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            if let Ok(sub) = openat(dir, name, flags, Mode::empty()) {
                count(sub.as_fd(), seen, total, depth + 1)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_links_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/a"), b"12345").unwrap();
        std::fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        std::fs::write(dir.path().join("c"), b"1").unwrap();
        let request = TreeSize { paths: vec![dir.path().into(), dir.path().join("none")] };
        let sizes = tree_size(serde_json::to_value(request).unwrap(), Vec::new()).unwrap();
        let sizes: Vec<Usage> = serde_json::from_value(sizes).unwrap();
        assert_eq!((sizes[0].bytes, sizes[1]), (6, Usage::default()));
        let du = std::process::Command::new("du").args(["-s", "-B1"]).arg(dir.path()).output().unwrap();
        let du = String::from_utf8(du.stdout).unwrap();
        assert_eq!(sizes[0].allocated.to_string(), du.split('\t').next().unwrap());
    }
}
