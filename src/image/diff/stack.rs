//! Directories that lie over each other at one path, as overlayfs merges them.

use crate::error::{Context, Error, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What fuse-overlayfs writes where it can't mark things otherwise; also the form of whiteouts in layer tars.
pub(super) const WHITEOUT: &[u8] = b".wh.";
/// Marks a directory opaque, in the same two places.
const OPAQUE_FILE: &CStr = c".wh..wh..opq";

/// The directories with one path, top-most first; those that an opaque directory or a file hides are not among them.
#[derive(Debug, Default)]
pub(super) struct Stack {
    pub dirs: Vec<Layer>,
}

/// One directory of a stack.
#[derive(Debug)]
pub(super) struct Layer {
    pub fd: OwnedFd,
    /// fuse-overlayfs may have left its marks here. Layers of the store have none.
    pub marks: bool,
}

impl AsFd for Layer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The top-most thing with a name.
pub(super) struct Found {
    /// Index of its directory in the stack.
    pub at: usize,
    pub stat: Stat,
}

impl Found {
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

impl Stack {
    /// The top-level stack of the writable directory `upper` and the layers `lowers`.
    pub fn open(upper: Option<&Path>, lowers: &[PathBuf]) -> Result<Stack> {
        let open = |path: &Path, marks: bool| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::open(path, flags, Mode::empty());
            fd.map(|fd| Layer { fd, marks }).with_context(|| format!("open {}", path.display()))
        };
        let upper = upper.map(|p| open(p, true));
        Ok(Stack { dirs: upper.into_iter().chain(lowers.iter().map(|p| open(p, false))).collect::<Result<_>>()? })
    }

    /// What `name` is here; `None` when it is nowhere, or deleted by a whiteout.
    pub fn find(&self, name: &CStr) -> Result<Option<Found>> {
        for (at, dir) in self.dirs.iter().enumerate() {
            match look(dir, name)? {
                Look::Absent => {}
                Look::Whiteout => return Ok(None),
                Look::There(stat) => return Ok(Some(Found { at, stat })),
            }
        }
        Ok(None)
    }

    /// The stack of the directory `name`; empty when it is none.
    pub fn enter(&self, name: &CStr) -> Result<Stack> {
        let mut below = Stack::default();
        for dir in &self.dirs {
            match open_dir(dir.as_fd(), name) {
                Ok(fd) => {
                    let sub = Layer { fd, marks: dir.marks };
                    let opaque = sub.is_opaque()?;
                    below.dirs.push(sub);
                    if opaque {
                        break;
                    }
                }
                Err(Errno::NOENT) if !covered(dir, name) => {}
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => break,
                Err(e) => return Err(e).context("open a directory"),
            }
        }
        Ok(below)
    }

    /// All names, those of whiteouts too, sorted.
    pub fn names(&self) -> Result<BTreeSet<CString>> {
        let mut names = BTreeSet::new();
        for dir in &self.dirs {
            names.extend(names_of(dir.as_fd())?);
        }
        Ok(names)
    }
}

/// What one directory says about a name.
pub(super) enum Look {
    Absent,
    Whiteout,
    There(Stat),
}

pub(super) fn look(dir: &Layer, name: &CStr) -> Result<Look> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_whiteout(dir.as_fd(), name, &stat) => Ok(Look::Whiteout),
        Ok(stat) => Ok(Look::There(stat)),
        Err(Errno::NOENT) if covered(dir, name) => Ok(Look::Whiteout),
        Err(Errno::NOENT) => Ok(Look::Absent),
        Err(e) => Err(e).context("look at it"),
    }
}

/// A device 0:0, or an empty file with the attribute that stands for one (overlayfs.rst, "Whiteouts and opaque
/// directories").
fn is_whiteout(dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => stat.st_rdev == 0,
        FileType::RegularFile if stat.st_size == 0 => {
            openat(dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
                .is_ok_and(|file| attribute(file.as_fd(), c"user.overlay.whiteout").is_some())
        }
        _ => false,
    }
}

/// fuse-overlayfs's `.wh.NAME` beside it.
fn covered(dir: &Layer, name: &CStr) -> bool {
    if !dir.marks {
        return false;
    }
    let mark = CString::new([WHITEOUT, name.to_bytes()].concat()).unwrap_or_default();
    statat(dir, mark.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|s| is_mark(&s))
}

/// Marks are empty files, or devices 0:0 (`.wh..opq`, which fuse-overlayfs 1.10 leaves in each directory that it makes);
/// anything else with such a name is a user's.
pub(super) fn is_mark(stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => stat.st_size == 0,
        FileType::CharacterDevice => stat.st_rdev == 0,
        _ => false,
    }
}

impl Layer {
    /// Whether the directory hides what is below it.
    pub fn is_opaque(&self) -> Result<bool> {
        let yes = |name| attribute(self.as_fd(), name).is_some_and(|v| v == b"y");
        if attribute(self.as_fd(), c"user.overlay.redirect").is_some() {
            return Err(Error::unsupported("read a renamed directory: mounts without privilege make no such thing"));
        }
        Ok(yes(c"user.overlay.opaque")
            || (self.marks
                && (yes(c"user.fuseoverlayfs.opaque") || statat(self, OPAQUE_FILE, AtFlags::SYMLINK_NOFOLLOW).is_ok())))
    }
}

pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

fn names_of(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).context("read a directory")? {
        let entry = entry.context("read a directory")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// An extended attribute, if it is there.
pub(super) fn attribute(fd: BorrowedFd<'_>, name: &CStr) -> Option<Vec<u8>> {
    let mut value = [0u8; 4096];
    let length = rustix::fs::fgetxattr(fd, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

/// Opens the content of the regular file `name` of `dir`. A file that only carries attributes (`metacopy`) has it in a
/// lower layer: below `data`, where its redirect leads, or under the same name in `lower`.
pub(super) fn content(dir: BorrowedFd<'_>, name: &CStr, lower: &Stack, data: Option<BorrowedFd<'_>>) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut at = openat(dir, name, flags, Mode::empty()).context("open it")?;
    let mut next = 0;
    while attribute(at.as_fd(), c"user.overlay.metacopy").is_some() {
        let leads = attribute(at.as_fd(), c"user.overlay.redirect").filter(|r| r.first() == Some(&b'/'));
        if let (Some(data), Some(place)) = (data, leads) {
            let place = std::ffi::OsStr::from_bytes(&place[1..]);
            let found = crate::sys::rooted::open(data, Path::new(place), flags).context("open its content")?;
            return Ok(File::from(found));
        }
        let below = lower.dirs[next..]
            .iter()
            .position(|d| openat(d, name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).is_ok());
        let Some(below) = below.map(|n| n + next) else {
            return Err(Error::not_found("open its content: no lower layer has it"));
        };
        at = openat(&lower.dirs[below], name, flags, Mode::empty()).context("open its content")?;
        next = below + 1;
    }
    Ok(File::from(at))
}
