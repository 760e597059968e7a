//! Walks a layer and makes it again with the owners of another id map.

use crate::error::{Context, Result};
use crate::userns::{IdMap, Range};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fsetxattr, mkdirat,
    mknodat, open, openat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Marks a directory that hides what lower layers have in it.
const OPAQUE: &str = "user.overlay.opaque";

/// One walk.
pub(super) struct Reown<'a> {
    usual: &'a IdMap,
    map: &'a IdMap,
    /// Where the content of files is, as the overlay's data-only layer sees it; `None` copies it.
    prefix: Option<PathBuf>,
    /// Over the content of a lower layer: whiteouts and opaque marks act instead of being copied.
    merge: bool,
    /// Files with several names: (device, inode) → the first name, below the target.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<'a> Reown<'a> {
    pub fn new(usual: &'a IdMap, map: &'a IdMap, prefix: Option<PathBuf>) -> Self {
        Reown { usual, map, prefix, merge: false, linked: HashMap::new() }
    }

    /// Puts one layer over those below it, which are in the target already.
    pub fn merging(self) -> Self {
        Reown { merge: true, ..self }
    }

    /// Makes `source` again as the existing directory `target`: an empty one, unless layers are merged.
    pub fn tree(&mut self, source: &Path, target: &Path) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let from = open(source, flags, Mode::empty()).with_context(|| format!("open {}", source.display()))?;
        let to = open(target, flags, Mode::empty()).with_context(|| format!("open {}", target.display()))?;
        let top = to.try_clone().with_context(|| format!("open {}", target.display()))?;
        self.directory(&from, &to, Path::new(""), top.as_fd())
    }

    /// The content of one directory, then its own attributes: its times last.
    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, at: &Path, top: BorrowedFd<'_>) -> Result<()> {
        for entry in Dir::read_from(from).with_context(|| format!("read /{}", at.display()))? {
            let entry = entry.with_context(|| format!("read /{}", at.display()))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = at.join(OsStr::from_bytes(name.to_bytes()));
            self.entry(from, to, name, &path, top).with_context(|| format!("make /{} again", path.display()))?;
        }
        let stat = rustix::fs::fstat(from).context("look at a directory")?;
        self.copy_xattrs(from.as_fd(), to.as_fd()).context("copy the attributes of a directory")?;
        let (uid, gid) = self.owner(&stat);
        rustix::fs::fchown(to, Some(uid), Some(gid)).context("set the owner of a directory")?;
        rustix::fs::fchmod(to, mode(&stat)).context("set the mode of a directory")?;
        rustix::fs::futimens(to, &times(&stat)).context("set the times of a directory")
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, path: &Path, top: BorrowedFd<'_>) -> Result<()> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW).context("look at it")?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let dir_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.merge && !self.keep_below(from, to, name, kind)? {
            super::jobs::remove_entry(to.as_fd(), name).context("replace it")?;
        }
        if self.merge && kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return Ok(());
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) {
                return rustix::fs::linkat(top, first, to, name, AtFlags::empty()).context("link it");
            }
            self.linked.insert((stat.st_dev, stat.st_ino), path.to_path_buf());
        }
        match kind {
            FileType::Directory => {
                match mkdirat(to, name, Mode::from_raw_mode(0o700)) {
                    Err(Errno::EXIST) if self.merge => {}
                    other => other.context("make it")?,
                }
                let below = openat(from, name, dir_flags, Mode::empty()).context("open it")?;
                let made = openat(to, name, dir_flags, Mode::empty()).context("open it")?;
                return self.directory(&below, &made, path, top);
            }
            FileType::RegularFile => return self.file(from, to, name, path, &stat),
            FileType::Symlink => {
                let link = readlinkat(from, name, Vec::new()).context("read the link")?;
                symlinkat(link.as_c_str(), to, name).context("make the link")?;
            }
            // 0:0 is a whiteout, which anybody may make. Real devices are none in a user namespace anyway.
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                mknodat(to, name, FileType::CharacterDevice, mode(&stat), 0).context("make the whiteout")?;
            }
            FileType::Fifo | FileType::Socket => mknodat(to, name, kind, mode(&stat), 0).context("make it")?,
            _ => return Ok(()),
        }
        let (uid, gid) = self.owner(&stat);
        rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).context("set its owner")?;
        utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW).context("set its times")
    }

    /// Whether what a lower layer left under `name` stays: only directories melt together, unless this one is opaque.
    fn keep_below(&self, from: &OwnedFd, to: &OwnedFd, name: &CStr, kind: FileType) -> Result<bool> {
        let old = match statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(Errno::NOENT) => return Ok(true),
            Err(e) => return Err(e).context("look at it"),
        };
        if kind != FileType::Directory || old != FileType::Directory {
            return Ok(false);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(from, name, flags, Mode::empty()).context("open it")?;
        let mut value = [0u8; 8];
        let opaque = matches!(rustix::fs::fgetxattr(&dir, OPAQUE, &mut value[..]), Ok(1..)) && value[0] == b'y';
        Ok(!opaque)
    }

    fn file(&self, from: &OwnedFd, to: &OwnedFd, name: &CStr, path: &Path, stat: &Stat) -> Result<()> {
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let source = File::from(openat(from, name, read, Mode::empty()).context("open it")?);
        let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = File::from(openat(to, name, write, Mode::from_raw_mode(0o600)).context("make it")?);
        if stat.st_size > 0 {
            match &self.prefix {
                Some(prefix) => {
                    made.set_len(stat.st_size as u64).context("set its size")?;
                    lead(&made, &prefix.join(path)).context("lead it to its content")?;
                }
                None => copy(&source, &made).context("copy it")?,
            }
        }
        let (uid, gid) = self.owner(stat);
        rustix::fs::fchown(&made, Some(uid), Some(gid)).context("set its owner")?;
        rustix::fs::fchmod(&made, mode(stat)).context("set its mode")?;
        // After chown, which takes security.capability away.
        self.copy_xattrs(source.as_fd(), made.as_fd()).context("copy its attributes")?;
        rustix::fs::futimens(&made, &times(stat)).context("set its times")
    }

    /// Copies the attributes that mean something in a layer: the user's own, the overlay's opaque mark, and file
    /// capabilities. Access control lists name ids of the other map and are left out.
    fn copy_xattrs(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let mut names = vec![0u8; 4096];
        let length = loop {
            match rustix::fs::flistxattr(from, &mut names[..]) {
                Ok(length) => break length,
                Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
                Err(Errno::OPNOTSUPP) => return Ok(()),
                Err(e) => return Err(e),
            }
        };
        for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
            let overlay = name.starts_with(b"user.overlay.");
            let wanted = (name.starts_with(b"user.") && !overlay)
                || (name == OPAQUE.as_bytes() && !self.merge)
                || name == b"security.capability";
            if !wanted {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let mut value = vec![0u8; 64 << 10];
            let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
            value.truncate(length);
            if name == "security.capability" {
                value = plain_capability(value);
            }
            fsetxattr(to, name, &value, XattrFlags::empty())?;
        }
        Ok(())
    }

    /// The owner inside the new map who is the same number that the file has under the usual map.
    fn owner(&self, stat: &Stat) -> (Uid, Gid) {
        let uid = translate(&self.map.uids, &self.usual.uids, stat.st_uid);
        let gid = translate(&self.map.gids, &self.usual.gids, stat.st_gid);
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }
}

/// What `id`, as seen under `map`, is called under `usual`; ids of neither are root's.
fn translate(map: &[Range], usual: &[Range], id: u32) -> u32 {
    let outside = map.iter().find(|r| id >= r.inside && id - r.inside < r.count).map(|r| r.outside + (id - r.inside));
    let inside = outside.and_then(|out| {
        usual.iter().find(|r| out >= r.outside && out - r.outside < r.count).map(|r| r.inside + (out - r.outside))
    });
    inside.unwrap_or(0)
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o7777)
}

fn times(stat: &Stat) -> Timestamps {
    let at = |sec: i64, nsec: i64| Timespec { tv_sec: sec, tv_nsec: nsec as _ };
    Timestamps {
        last_access: at(stat.st_atime, stat.st_atime_nsec as i64),
        last_modification: at(stat.st_mtime, stat.st_mtime_nsec as i64),
    }
}

/// Marks an empty file as one whose content is at `place` of a data-only layer (overlayfs.rst, "Metadata only copy up"
/// and "Data-only lower layers").
pub(super) fn lead(file: &File, place: &Path) -> rustix::io::Result<()> {
    fsetxattr(file, "user.overlay.redirect", place.as_os_str().as_bytes(), XattrFlags::empty())?;
    fsetxattr(file, "user.overlay.metacopy", b"", XattrFlags::empty())
}

fn copy(source: &File, target: &File) -> std::io::Result<()> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    std::io::copy(&mut &*source, &mut &*target).map(drop)
}

/// struct vfs_ns_cap_data names the root it counts for, who is another here: without the name (version 2) the kernel
/// puts in ours (capabilities(7), "File capability versioning").
fn plain_capability(mut value: Vec<u8>) -> Vec<u8> {
    if value.len() == 24 && value[3] == 3 {
        value.truncate(20);
        value[3] = 2;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_same_number() {
        let r = |inside, outside, count| Range { inside, outside, count };
        let usual = [r(0, 1500, 1), r(1, 100_000, 65536)];
        let keep = [r(0, 100_000, 1000), r(1000, 1500, 1), r(1001, 101_000, 64536)];
        // Root's files (1500 outside) are 1000 under keep-id, and have to be 0 again.
        assert_eq!(translate(&keep, &usual, 1000), 0);
        assert_eq!(translate(&keep, &usual, 0), 1);
        assert_eq!(translate(&keep, &usual, 32), 33);
        assert_eq!(translate(&keep, &usual, 65536), 65536);
        assert_eq!(translate(&keep, &usual, 70_000), 0);
    }

    #[test]
    fn unties_capabilities_from_their_root() {
        let v3: Vec<u8> = [1, 0, 0, 3].into_iter().chain([9; 16]).chain([1, 2, 3, 4]).collect();
        let v2 = plain_capability(v3);
        assert_eq!((v2.len(), v2[3], v2[0]), (20, 2, 1));
        assert_eq!(plain_capability(v2.clone()), v2);
    }

    #[test]
    fn makes_a_copy_that_is_the_same() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir_all(a.join("sub")).unwrap();
        std::fs::create_dir(&b).unwrap();
        std::fs::write(a.join("sub/f"), "text").unwrap();
        std::fs::set_permissions(a.join("sub/f"), std::fs::Permissions::from_mode(0o4751)).unwrap();
        std::fs::hard_link(a.join("sub/f"), a.join("g")).unwrap();
        std::os::unix::fs::symlink("sub/f", a.join("l")).unwrap();
        let (uid, gid) = (std::fs::metadata(&a).unwrap().uid(), std::fs::metadata(&a).unwrap().gid());
        let one = |id| vec![Range { inside: id, outside: id, count: 1 }];
        let map = IdMap { level: crate::userns::Level::Full, uids: one(uid), gids: one(gid), reason: None };
        Reown::new(&map, &map, None).tree(&a, &b).unwrap();
        let (f, g) = (std::fs::metadata(b.join("sub/f")).unwrap(), std::fs::metadata(b.join("g")).unwrap());
        assert_eq!((f.ino(), f.mode() & 0o7777, f.len()), (g.ino(), 0o4751, 4));
        assert_eq!(f.mtime_nsec(), std::fs::metadata(a.join("g")).unwrap().mtime_nsec());
        assert_eq!(std::fs::read_link(b.join("l")).unwrap(), Path::new("sub/f"));
    }
}
