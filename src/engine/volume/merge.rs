//! Moving a tree into a volume that has files already.

use crate::error::{Context, Error, IntoError, Result};
use crate::runtime::copyup::liken;
use crate::state::hook;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Moves what is in `from` into `to`, both on one file system: files and links replace what has their name, directories
/// are merged. Those in `dirs` (paths below the top, "" is the top) give theirs owner, mode and time.
///
/// # Errors
/// A directory would be replaced by something else: then nothing has been moved.
pub(super) fn merge(from: BorrowedFd<'_>, to: BorrowedFd<'_>, dirs: &HashSet<Vec<u8>>) -> Result<()> {
    Merge { dirs, moving: false }.level(from, to, b"")?;
    Merge { dirs, moving: true }.level(from, to, b"")
}

struct Merge<'a> {
    dirs: &'a HashSet<Vec<u8>>,
    /// Else it is only looked whether it can be done.
    moving: bool,
}

impl Merge<'_> {
    fn level(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        for name in names(from)? {
            let path = if path.is_empty() { name.to_bytes().to_vec() } else { [path, b"/", name.to_bytes()].concat() };
            self.entry(from, to, &name, &path)?;
        }
        if self.moving && self.dirs.contains(path) {
            liken(from, to)?;
        }
        Ok(())
    }

    fn entry(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Result<()> {
        let shown = String::from_utf8_lossy(path);
        let new = kind(from, name).with_context(|| format!("look at {shown}"))?;
        let old = kind(to, name).with_context(|| format!("look at {shown}"))?;
        match (new, old) {
            (Some(FileType::Directory), Some(FileType::Directory)) => {
                let open = |dir| open_dir(dir, name).with_context(|| format!("open {shown}"));
                return self.level(open(from)?.as_fd(), open(to)?.as_fd(), path);
            }
            (_, Some(FileType::Directory)) => {
                return Err(Error::conflict(format!(
                    "replace directory {shown} of the volume: the archive has a file there"
                ))
                .hint("remove the directory first, or import into an empty volume"));
            }
            _ if !self.moving => return Ok(()),
            (Some(FileType::Directory), Some(_)) => {
                unlinkat(to, name, AtFlags::empty()).with_context(|| format!("replace {shown}"))?;
            }
            _ => {}
        }
        renameat(from, name, to, name).with_context(|| format!("move {shown} into the volume"))?;
        hook::dies_at("volume:merging");
        Ok(())
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn kind(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Option<FileType>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

fn names(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(|e| e.context("read the new files"))? {
        let entry = entry.map_err(|e| e.context("read the new files"))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}
