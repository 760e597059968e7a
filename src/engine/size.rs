//! How much disk a container uses.

use super::Ctx;
use crate::error::{Context, Result};
use crate::image::Store;
use crate::stage::{Work, WorkNs};
use crate::state::containers::Container;
use crate::userns::IdMap;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Request of the job `tree-size`: directories whose bytes to count. Answer: a number for each.
#[derive(Debug, Serialize, Deserialize)]
pub struct TreeSize {
    pub paths: Vec<PathBuf>,
}

/// Bytes of the container's own files and, with the image's, of its whole root (docker's SizeRw and SizeRootFs).
pub fn container(ctx: &Ctx, container: &Container) -> Result<(u64, u64)> {
    let own = trees(vec![container.dir.upper()])?.first().copied().unwrap_or(0);
    let image = match container.config.image_id.as_str() {
        "" => 0,
        id => Store::open(&ctx.paths)?.resolve(id).map(|image| image.size).unwrap_or(0),
    };
    Ok((own, own + image))
}

/// Bytes of the files below each of `paths`, hard links counted once. Directories of mapped ids need the job.
pub fn trees(paths: Vec<PathBuf>) -> Result<Vec<u64>> {
    let idmap = IdMap::detect()?;
    Work::start("tree-size", WorkNs::New(&idmap), &TreeSize { paths }, &[])?.finish()
}

/// Job `tree-size`.
pub fn tree_size(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let request: TreeSize = serde_json::from_value(request).context("read the request")?;
    let mut sizes = Vec::new();
    for path in &request.paths {
        let dir = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty());
        let mut total = 0;
        match dir {
            Ok(dir) => count(dir.as_fd(), &mut HashSet::new(), &mut total, 0)?,
            Err(rustix::io::Errno::NOENT) => {}
            Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
        }
        sizes.push(total);
    }
    serde_json::to_value(sizes).context("write the answer")
}

/// Deepest directory: more than PATH_MAX allows to make at once, less than the stack.
const MAX_DEPTH: usize = 2048;

fn count(dir: BorrowedFd<'_>, seen: &mut HashSet<(u64, u64)>, total: &mut u64, depth: usize) -> Result<()> {
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
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                if let Ok(sub) = openat(dir, name, flags, Mode::empty()) {
                    count(sub.as_fd(), seen, total, depth + 1)?;
                }
            }
            _ if stat.st_nlink > 1 && !seen.insert((stat.st_dev, stat.st_ino)) => {}
            _ => *total += u64::try_from(stat.st_size).unwrap_or(0),
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
        assert_eq!(sizes, serde_json::json!([6, 0]));
    }
}
