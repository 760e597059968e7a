//! First use of a volume: what the image has at the destination is copied into the empty volume.
//!
//! The copy of a named volume is made beside its files and moved in when it is whole, so that a start that is killed
//! half-way leaves no volume that looks filled: `filling/` is a copy under way, `filled/` a whole one whose entries are
//! still to be moved.

use crate::error::{Context, Error, IntoError, Result};
use crate::state::hook;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deeper trees than any real one: the recursion must not exhaust the stack.
const MAX_DEPTH: u32 = 1024;
const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Copies the content, owner and mode of the directory `source` into the empty directory `volume`; a volume that has
/// any entry is left alone. Both are directories opened in the container's user namespace (PID 1 calls it after the
/// root file system is mounted, before the volume is bound over `source`). Nothing is followed: symlinks are copied.
///
/// # Errors
/// Names the entry; what was copied until then stays.
pub fn copy_up(source: BorrowedFd<'_>, volume: BorrowedFd<'_>) -> Result<()> {
    if !is_empty(volume)? {
        return Ok(());
    }
    let mut copy = Copy { root: volume, links: HashMap::new() };
    copy.directory(source, volume, "", 0)?;
    let stat = rustix::fs::fstat(source).context("stat the image's directory")?;
    finish(source, volume, &stat, "the volume")
}

/// [`copy_up`] for the directory `_data` of a named volume: all or nothing, whenever it is interrupted, and once when
/// several containers start at the same time.
///
/// # Errors
/// Names the entry. The next start tries again.
pub fn fill_volume(source: BorrowedFd<'_>, data: BorrowedFd<'_>) -> Result<()> {
    let volume = rustix::fs::openat(data, "..", DIR_FLAGS, Mode::empty()).context("open the volume's directory")?;
    // Nearly always: it was filled long ago.
    if !is_empty(data)? && !exists(&volume, FILLED)? {
        return Ok(());
    }
    if is_empty(source)? && !exists(&volume, FILLED)? {
        return copy_up(source, data);
    }
    lock(&volume)?;
    if !exists(&volume, FILLED)? {
        if !is_empty(data)? {
            return Ok(());
        }
        remove(volume.as_fd(), FILLING, 0).context("remove what an interrupted start copied")?;
        rustix::fs::mkdirat(&volume, FILLING, Mode::RWXU).context("make room for the volume's content")?;
        let copy = rustix::fs::openat(&volume, FILLING, DIR_FLAGS, Mode::empty()).context("open the copy")?;
        copy_up(source, copy.as_fd())?;
        hook::dies_at("init:volume-copied");
        rustix::fs::renameat(&volume, FILLING, &volume, FILLED).context("complete the copy")?;
    }
    move_in(&volume, data)
}

/// Makes the directory `name` of `dir`, whole and synced, the content of the volume whose `_data` is `data`, in the
/// manner of [`fill_volume`]. Gives false, and changes nothing, when the volume has files already; true when it is
/// done.
pub fn adopt(dir: BorrowedFd<'_>, name: &CStr, data: BorrowedFd<'_>) -> Result<bool> {
    let volume = rustix::fs::openat(data, "..", DIR_FLAGS, Mode::empty()).context("open the volume's directory")?;
    lock(&volume)?;
    if exists(&volume, FILLED)? {
        move_in(&volume, data)?;
    }
    if !is_empty(data)? {
        return Ok(false);
    }
    rustix::fs::renameat(dir, name, &volume, FILLED).context("move the files to the volume")?;
    hook::dies_at("volume:adopted");
    move_in(&volume, data)?;
    Ok(true)
}

/// Completes what an interrupted [`fill_volume`] or [`adopt`] began. A descriptor opened with O_PATH will do.
pub fn settle(data: BorrowedFd<'_>) -> Result<()> {
    let volume = rustix::fs::openat(data, "..", DIR_FLAGS, Mode::empty()).context("open the volume's directory")?;
    if !exists(&volume, FILLED)? {
        return Ok(());
    }
    lock(&volume)?;
    let data = rustix::fs::openat(data, ".", DIR_FLAGS, Mode::empty()).context("open the volume")?;
    if exists(&volume, FILLED)? { move_in(&volume, data.as_fd()) } else { Ok(()) }
}

/// Ends with the descriptor, at the latest with the process.
fn lock(volume: &OwnedFd) -> Result<()> {
    rustix::fs::flock(volume, rustix::fs::FlockOperation::LockExclusive).context("lock the volume")
}

/// The last part: what is in `filled/` becomes the volume's.
fn move_in(volume: &OwnedFd, data: BorrowedFd<'_>) -> Result<()> {
    let copy = rustix::fs::openat(volume, FILLED, DIR_FLAGS, Mode::empty()).context("open the copy")?;
    let stat = rustix::fs::fstat(&copy).context("stat the copy")?;
    for name in names(copy.as_fd())? {
        match rustix::fs::renameat_with(&copy, &name, data, &name, RenameFlags::NOREPLACE) {
            // A container that uses the volume already has made its own.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e.context(format!("move {} into the volume", name.to_string_lossy()))),
        }
        hook::dies_at("init:volume-moving");
    }
    finish(copy.as_fd(), data, &stat, "the volume")?;
    remove(volume.as_fd(), FILLED, 0).context("remove the emptied copy")
}

/// Names in the volume's own directory, beside `_data`.
const FILLING: &CStr = c"filling";
const FILLED: &CStr = c"filled";

fn exists(dir: &OwnedFd, name: &CStr) -> Result<bool> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e.context("look at the volume's directory")),
    }
}

fn names(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(dir).context("read the copy")? {
        let entry = entry.context("read the copy")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(entry.file_name().to_owned());
        }
    }
    Ok(found)
}

/// Removes `name` and all below it; what is not there is no error.
fn remove(dir: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) if depth < MAX_DEPTH => {}
        Err(e) => return Err(e.context("remove")),
    }
    let inner = rustix::fs::openat(dir, name, DIR_FLAGS, Mode::empty()).context("open")?;
    for entry in names(inner.as_fd())? {
        remove(inner.as_fd(), &entry, depth + 1)?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).context("remove")
}

pub fn is_empty(dir: BorrowedFd<'_>) -> Result<bool> {
    for entry in Dir::read_from(dir).context("read the volume")? {
        let entry = entry.context("read the volume")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

struct Copy<'a> {
    root: BorrowedFd<'a>,
    /// (device, inode) of files with several names → path of the first copy below `root`.
    links: HashMap<(u64, u64), CString>,
}

impl Copy<'_> {
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &str, depth: u32) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::errno(libc::ENAMETOOLONG, format!("copy {path} into the volume")));
        }
        for entry in Dir::read_from(from).with_context(|| format!("read {path}/"))? {
            let entry = entry.with_context(|| format!("read {path}/"))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let child = format!("{path}/{}", name.to_string_lossy());
            let relative = match path {
                "" => name.to_owned(),
                _ => join(path, name)?,
            };
            self.entry(from, to, name, &relative, &child, depth)
                .map_err(|e| e.context(format!("copy {child} into the volume")))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        relative: &CStr,
        path: &str,
        depth: u32,
    ) -> Result<()> {
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).context("stat")?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                return rustix::fs::linkat(self.root, first, to, name, AtFlags::empty()).context("link");
            }
            self.links.insert(key, relative.to_owned());
        }
        match kind {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::RWXU).context("create directory")?;
                let source = rustix::fs::openat(from, name, DIR_FLAGS, Mode::empty()).context("open")?;
                let target = rustix::fs::openat(to, name, DIR_FLAGS, Mode::empty()).context("open copy")?;
                self.directory(source.as_fd(), target.as_fd(), path, depth + 1)?;
                finish(source.as_fd(), target.as_fd(), &stat, "directory")
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = rustix::fs::openat(from, name, flags, Mode::empty()).context("open")?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let target = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR).context("create")?;
                copy_data(&source, &target)?;
                finish(source.as_fd(), target.as_fd(), &stat, "file")
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, name, Vec::new()).context("read link")?;
                rustix::fs::symlinkat(&link, to, name).context("create symlink")?;
                owner_at(to, name, &stat)?;
                times_at(to, name, &stat)
            }
            FileType::Fifo | FileType::Socket => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::mknodat(to, name, kind, mode, 0).context("create special file")?;
                owner_at(to, name, &stat)?;
                rustix::fs::chmodat(to, name, mode, AtFlags::empty()).context("chmod")?;
                times_at(to, name, &stat)
            }
            // Device nodes can't be made in a user namespace, and would not work on a volume's file system.
            _ => Ok(()),
        }
    }
}

fn join(path: &str, name: &CStr) -> Result<CString> {
    // `path` starts with a slash, which would leave the volume.
    let mut joined = path.trim_start_matches('/').as_bytes().to_vec();
    joined.push(b'/');
    joined.extend(name.to_bytes());
    CString::new(joined).map_err(|_| Error::bug("join paths: NUL in a name"))
}

fn copy_data(source: &OwnedFd, target: &OwnedFd) -> Result<()> {
    // A clone shares the blocks where the file system can (btrfs, xfs).
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    loop {
        match rustix::fs::copy_file_range(source, None, target, None, 1 << 30) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            // Across file systems on older kernels, or out of overlays.
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => break,
            Err(e) => return Err(e.context("write")),
        }
    }
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        let read = match rustix::io::read(source, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.context("read")),
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            match rustix::io::write(target, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.context("write")),
            }
        }
    }
}

/// Gives the directory `target` owner, mode, attributes and time of `source`.
pub fn liken(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let stat = rustix::fs::fstat(source).context("stat the directory")?;
    finish(source, target, &stat, "the directory")
}

/// Owner before mode (chown clears setuid bits), xattrs after the owner (chown clears capabilities), times last.
fn finish(source: BorrowedFd<'_>, target: BorrowedFd<'_>, stat: &Stat, what: &str) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::fchown(target, Some(uid), Some(gid)).with_context(|| format!("chown {what}"))?;
    rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode & 0o7777)).with_context(|| format!("chmod {what}"))?;
    copy_xattrs(source, target)?;
    rustix::fs::futimens(target, &times(stat)).with_context(|| format!("set times of {what}"))
}

fn copy_xattrs(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let mut names = vec![0u8; 4096];
    let len = loop {
        match rustix::fs::flistxattr(source, &mut names) {
            Ok(len) => break len,
            Err(Errno::RANGE) if names.len() < 1 << 20 => names.resize(names.len() * 4, 0),
            // A file system without them.
            Err(Errno::OPNOTSUPP) => return Ok(()),
            Err(e) => return Err(e.context("list xattrs")),
        }
    };
    let mut value = vec![0u8; 64 << 10];
    for name in names[..len].split_inclusive(|b| *b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        // Labels are the host's business.
        if name.to_bytes() == b"security.selinux" {
            continue;
        }
        let Ok(size) = rustix::fs::fgetxattr(source, name, &mut value) else { continue };
        match rustix::fs::fsetxattr(target, name, &value[..size], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
            Err(e) => return Err(e.context(format!("set xattr {}", name.to_string_lossy()))),
        }
    }
    Ok(())
}

fn owner_at(dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).context("chown")
}

fn times_at(dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
    rustix::fs::utimensat(dir, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW).context("set times")
}

fn times(stat: &Stat) -> Timestamps {
    let at = |seconds: i64, nanos: u64| Timespec { tv_sec: seconds, tv_nsec: nanos as _ };
    Timestamps {
        last_access: at(stat.st_atime, stat.st_atime_nsec),
        last_modification: at(stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn open(path: &std::path::Path) -> OwnedFd {
        rustix::fs::open(path, DIR_FLAGS, Mode::empty()).unwrap()
    }

    #[test]
    fn copies_a_tree_once() {
        let dir = tempfile::tempdir().unwrap();
        let (image, volume) = (dir.path().join("image"), dir.path().join("volume"));
        std::fs::create_dir_all(image.join("sub/deep")).unwrap();
        std::fs::create_dir(&volume).unwrap();
        std::fs::write(image.join("sub/f"), "hello").unwrap();
        std::fs::hard_link(image.join("sub/f"), image.join("sub/deep/g")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", image.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, image.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::fs::set_permissions(image.join("sub/f"), std::fs::Permissions::from_mode(0o4711)).unwrap();
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o1777)).unwrap();
        copy_up(open(&image).as_fd(), open(&volume).as_fd()).unwrap();
        let meta = |p: &str| std::fs::symlink_metadata(volume.join(p)).unwrap();
        assert_eq!(std::fs::read_to_string(volume.join("sub/deep/g")).unwrap(), "hello");
        assert_eq!(meta("sub/f").mode() & 0o7777, 0o4711);
        assert_eq!((meta("sub/f").ino(), meta("sub/f").nlink()), (meta("sub/deep/g").ino(), 2));
        assert_eq!(std::fs::read_link(volume.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        assert_eq!(meta("fifo").mode() & libc::S_IFMT, libc::S_IFIFO);
        assert_eq!(std::fs::metadata(&volume).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(meta("sub").mtime(), std::fs::metadata(image.join("sub")).unwrap().mtime());
        // A second use leaves it alone.
        std::fs::write(image.join("new"), "x").unwrap();
        copy_up(open(&image).as_fd(), open(&volume).as_fd()).unwrap();
        assert!(!volume.join("new").exists());
    }

    #[test]
    fn an_interrupted_fill_is_completed_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (image, volume) = (dir.path().join("image"), dir.path().join("volume"));
        let data = volume.join("_data");
        std::fs::create_dir_all(image.join("sub")).unwrap();
        std::fs::write(image.join("sub/a"), "a").unwrap();
        std::fs::write(image.join("b"), "b").unwrap();
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let fill = || {
            fill_volume(open(&image).as_fd(), open(&data).as_fd()).unwrap();
            let mut left: Vec<_> = std::fs::read_dir(&volume).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, ["_data"]);
            assert_eq!(std::fs::read_to_string(data.join("sub/a")).unwrap(), "a");
            assert_eq!(std::fs::metadata(&data).unwrap().mode() & 0o7777, 0o1777);
        };
        // Killed while it copied: begun anew.
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(volume.join("filling/old/deep")).unwrap();
        fill();
        assert!(data.join("b").exists() && !data.join("old").exists());
        // Killed while it moved: the rest follows, and what a container wrote meanwhile stays.
        std::fs::create_dir_all(volume.join("filled")).unwrap();
        std::fs::rename(data.join("sub"), volume.join("filled/sub")).unwrap();
        std::fs::set_permissions(volume.join("filled"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        std::fs::write(volume.join("filled/b"), "image's").unwrap();
        std::fs::write(data.join("b"), "mine").unwrap();
        fill();
        assert_eq!(std::fs::read_to_string(data.join("b")).unwrap(), "mine");
        // A used volume is left alone, even if an older copy never came to its end.
        std::fs::create_dir(volume.join("filling")).unwrap();
        std::fs::remove_file(data.join("sub/a")).unwrap();
        fill_volume(open(&image).as_fd(), open(&data).as_fd()).unwrap();
        assert!(!data.join("sub/a").exists());
    }
}
