//! `tmp/` and `trash/`: where things are made before they exist, and where they go before they are gone.
//!
//! An entry in use is flock'd by its maker. An entry that can be locked is garbage of a dead process, whoever made it.

use super::atomic::make_dirs;
use super::lock::Flock;
use super::paths::Paths;
use crate::error::{Context, Error, IntoError, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory below `tmp/` that is ours until it is renamed away or dropped (then it is deleted).
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    /// Keeps sweepers off.
    _lease: Flock,
    armed: bool,
}

impl Staging {
    /// Makes `tmp/<name>`, mode 0700.
    pub fn new(paths: &Paths, name: &str) -> Result<Staging> {
        let path = paths.tmp().join(name);
        // A sweeper may take the directory in the moment between mkdir and flock: then make it again.
        for _ in 0..100 {
            match rustix::fs::mkdir(&path, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(rustix::io::Errno::NOENT) => {
                    make_dirs(&paths.tmp())?;
                    continue;
                }
                Err(e) => return Err(e.context(format!("create {}", path.display()))),
            }
            if let Some(lease) = Flock::try_dir(&path)
                && path.exists()
            {
                return Ok(Staging { path, _lease: lease, armed: true });
            }
        }
        Err(Error::conflict(format!("create {}: it is in use", path.display())))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the finished directory to its place, where nothing may be yet. The lease goes with it until drop.
    pub fn publish(mut self, target: &Path) -> Result<()> {
        use rustix::fs::RenameFlags;
        rustix::fs::renameat_with(rustix::fs::CWD, &self.path, rustix::fs::CWD, target, RenameFlags::NOREPLACE)
            .with_context(|| format!("move {} to {}", self.path.display(), target.display()))?;
        self.armed = false;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.armed {
            let _ = remove_tree(&self.path);
        }
    }
}

/// Moves `path` to `trash/`: from now on it does not exist. Delete it with [`remove_tree`], or leave it to a sweep.
pub fn discard(paths: &Paths, path: &Path) -> Result<PathBuf> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("x");
    let target = paths.trash().join(format!("{name}.{:08x}", random_u32()));
    let moved = match rustix::fs::rename(path, &target) {
        Err(rustix::io::Errno::NOENT) if !paths.trash().exists() => {
            make_dirs(&paths.trash())?;
            rustix::fs::rename(path, &target)
        }
        other => other,
    };
    moved.with_context(|| format!("move {} to the trash", path.display()))?;
    Ok(target)
}

/// How long a download that broke off waits in `partial/` for its continuation.
pub const PARTIAL_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Files of `partial/` that no process is at and that have not grown for `age`.
pub fn partials(paths: &Paths, age: Duration) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(paths.partial()).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| file_is_free(path, age)).collect()
}

/// Entries of tmp/ and trash/ that nobody uses, and what is too old in partial/. Cheap when all are empty.
pub fn garbage(paths: &Paths) -> Vec<PathBuf> {
    let mut found = partials(paths, PARTIAL_AGE);
    for (dir, trash) in [(paths.trash(), true), (paths.tmp(), false)] {
        let Ok(entries) = std::fs::read_dir(dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            // Files in tmp/ are leased by their makers' locks on the file itself; those in trash/ have no maker.
            let free = if is_dir { Flock::try_dir(&path).is_some() } else { trash || file_is_free(&path, YOUNG) };
            if free {
                found.push(path);
            }
        }
    }
    found
}

/// A maker has its file locked from just after its creation; this age covers that moment.
const YOUNG: Duration = Duration::from_secs(60);

fn file_is_free(path: &Path, age: Duration) -> bool {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return false };
    if !meta.is_file() {
        return true;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
    let old = meta.modified().ok().and_then(|t| t.elapsed().ok()).is_some_and(|since| since >= age);
    old && rustix::fs::flock(&fd, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Deletes a tree as the plain user, following nothing and staying on one file system. Files that belong to
/// subordinate ids in directories of theirs can't be deleted this way: then the error is EACCES or EPERM and the
/// `remove-tree` job (mapped ids) has to do the rest.
pub fn remove_tree(path: &Path) -> Result<()> {
    let failed = |e: rustix::io::Errno| e.context(format!("remove {}", path.display()));
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::bug(format!("remove {}: NUL in the path", path.display())))?;
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(e) => return Err(failed(e)),
    };
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    remove_entry(rustix::fs::CWD, &name, is_dir, stat.st_dev, 0).map_err(failed)
}

/// Deeper trees than any real one: the recursion must not exhaust the stack.
const MAX_DEPTH: u32 = 4096;

fn remove_entry(parent: BorrowedFd, name: &CStr, is_dir: bool, device: u64, depth: u32) -> rustix::io::Result<()> {
    use rustix::io::Errno;
    if !is_dir {
        return match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => remove_entry(parent, name, true, device, depth),
            other => other,
        };
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(Errno::NOTDIR) => return rustix::fs::unlinkat(parent, name, AtFlags::empty()),
        Err(e) => return Err(e),
    }
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG);
    }
    let mut first = empty_dir(parent, name, device, depth);
    // Overlay's work directory has mode 0; a container may leave such directories too.
    if first == Err(Errno::ACCESS) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        rustix::fs::chmod(own, Mode::RWXU).map_err(|_| Errno::ACCESS)?;
        first = empty_dir(parent, name, device, depth);
    }
    // Several sweepers may be at the same tree.
    match first.and_then(|()| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn empty_dir(parent: BorrowedFd, name: &CStr, device: u64, depth: u32) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if rustix::fs::fstat(&fd)?.st_dev != device {
        // A mount point is not ours to empty.
        return Err(rustix::io::Errno::BUSY);
    }
    let mut refused = None;
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let is_dir = entry.file_type() == FileType::Directory;
        if let Err(e) = remove_entry(fd.as_fd(), entry.file_name(), is_dir, device, depth + 1) {
            refused.get_or_insert(e);
        }
    }
    refused.map_or(Ok(()), Err)
}

pub(super) fn random_u32() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &tempfile::TempDir) -> Paths {
        Paths::new(dir.path().join("data"), dir.path().join("run"))
    }

    #[test]
    fn staging_is_published_or_vanishes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        let staging = Staging::new(&paths, "one").unwrap();
        std::fs::write(staging.path().join("x"), "x").unwrap();
        assert!(garbage(&paths).is_empty(), "leased");
        let target = paths.data.join("done");
        staging.publish(&target).unwrap();
        assert!(target.join("x").exists());
        let staging = Staging::new(&paths, "two").unwrap();
        std::fs::create_dir(staging.path().join("d")).unwrap();
        let path = staging.path().to_path_buf();
        assert!(Staging::new(&paths, "three").unwrap().publish(&target).is_err(), "no replacement");
        drop(staging);
        assert!(!path.exists());
    }

    #[test]
    fn sweeps_only_what_nobody_uses() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        std::fs::create_dir_all(paths.data.join("victim")).unwrap();
        let trashed = discard(&paths, &paths.data.join("victim")).unwrap();
        std::fs::create_dir_all(paths.tmp().join("dead")).unwrap();
        let _live = Staging::new(&paths, "live").unwrap();
        std::fs::write(paths.tmp().join("young"), "").unwrap();
        let mut found = garbage(&paths);
        found.sort();
        assert_eq!(found, [paths.tmp().join("dead"), trashed]);
    }

    #[test]
    fn removes_closed_directories_and_follows_no_link() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        std::fs::create_dir(&keep).unwrap();
        std::fs::write(keep.join("precious"), "x").unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("work/work/deep")).unwrap();
        std::fs::write(tree.join("work/work/deep/f"), "x").unwrap();
        std::os::unix::fs::symlink(&keep, tree.join("link")).unwrap();
        std::fs::set_permissions(tree.join("work/work"), std::fs::Permissions::from_mode(0o0)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && keep.join("precious").exists());
        remove_tree(&tree).unwrap();
        remove_tree(&keep.join("precious")).unwrap();
        assert!(!keep.join("precious").exists());
    }
}
