//! Finding and making directories below the layer's root.

use super::{Applier, split};
use crate::error::{Context, Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// How many parent directories stay open: archives come in depth-first order, so the recent ones are the likely ones.
const OPEN: usize = 16;

/// Recently used parents by cleaned path, the latest last.
#[derive(Default)]
pub(super) struct Parents {
    open: Vec<(Vec<u8>, Rc<OwnedFd>)>,
}

impl Parents {
    fn get(&mut self, path: &[u8]) -> Option<Rc<OwnedFd>> {
        let at = self.open.iter().rposition(|(p, _)| p == path)?;
        let hit = self.open.remove(at);
        let fd = Rc::clone(&hit.1);
        self.open.push(hit);
        Some(fd)
    }
    fn put(&mut self, path: &[u8], fd: Rc<OwnedFd>) {
        if self.open.len() >= OPEN {
            self.open.remove(0);
        }
        self.open.push((path.to_vec(), fd));
    }
    /// Forgets everything: something that may be part of a path was removed.
    pub fn forget(&mut self) {
        self.open.clear();
    }
}

/// Opens what `path` leads to, resolving links as if `root` were the root directory.
fn in_root(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b".".as_slice() } else { path };
    loop {
        match rustix::fs::openat2(
            root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        ) {
            // The kernel could not rule out a race with a rename elsewhere on the system (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => continue,
            other => return other,
        }
    }
}

/// Opens the directory at `path`, not following a link in its last component; `None` when there is none (any more).
pub(super) fn open_dir(root: BorrowedFd<'_>, path: &[u8]) -> Result<Option<OwnedFd>> {
    match in_root(root, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(e) => Err(e).context("open it"),
    }
}

impl Applier {
    /// The directory `path`, made with its parents if need be.
    pub(super) fn parent(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>> {
        if let Some(fd) = self.parents.get(path) {
            return Ok(fd);
        }
        let fd = match in_root(self.root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => self.make_parents(path)?,
            Err(e) => return Err(e).context("open its directory"),
        };
        let fd = Rc::new(fd);
        self.parents.put(path, Rc::clone(&fd));
        Ok(fd)
    }

    /// Makes the missing components of `path`: they get the attributes of lower layers later.
    fn make_parents(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let mut end = 0;
        while end < path.len() {
            end = path[end + 1..].iter().position(|b| *b == b'/').map_or(path.len(), |n| end + 1 + n);
            let prefix = &path[..end];
            match in_root(self.root.as_fd(), prefix, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(e) => return Err(e).context("open its directory"),
            }
            let (above, name) = split(prefix);
            let parent =
                in_root(self.root.as_fd(), above, OFlags::PATH | OFlags::DIRECTORY).context("open its directory")?;
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => {
                    self.implied.insert(prefix.to_vec());
                }
                // There, and yet not found: a link that leads nowhere within this layer.
                Err(Errno::EXIST) => {
                    return Err(Error::user(format!("go through {}: it is a dangling link", super::printable(prefix))));
                }
                Err(e) => return Err(e).context("make its directory"),
            }
        }
        in_root(self.root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY).context("open its directory")
    }

    /// Removes whatever is called `name`, a directory with all it holds.
    pub(super) fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        self.parents.forget();
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR) => {}
            Err(e) => return Err(e).context("replace it"),
        }
        remove_tree(parent, name, 0)
    }
}

/// Deeper trees can't come from paths of at most PATH_MAX bytes, except through links.
const MAX_DEPTH: usize = 4096;

fn remove_tree(parent: BorrowedFd<'_>, name: &[u8], depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::user("replace it: its directories are nested too deeply"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty()).context("replace it")?;
    // Names are collected first: removing entries while reading a directory may skip some.
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&dir).context("replace it")? {
        let entry = entry.context("replace it")?;
        let bytes = entry.file_name().to_bytes();
        if bytes != b"." && bytes != b".." {
            names.push(bytes.to_vec());
        }
    }
    for child in names {
        match rustix::fs::unlinkat(&dir, &child[..], AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::ISDIR) => remove_tree(dir.as_fd(), &child, depth + 1)?,
            Err(e) => return Err(e).context("replace it"),
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).context("replace it")
}
