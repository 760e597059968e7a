//! The comparison of two trees, in one walk.

use super::meta::{attributes, owner};
use super::stack::{Found, Layer, Look, Stack, WHITEOUT, is_mark, look};
use crate::error::{Context, Error, Result};
use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use std::collections::{BTreeSet, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

/// How something relates to what was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Changed,
    /// A directory whose time alone is new, because the engine made mount points in it.
    Touched,
    /// A directory that is there because something below it changed.
    Same,
}

/// What a sink is told about.
pub(super) struct Node<'a> {
    /// Without a leading slash; empty for the top.
    pub path: &'a [u8],
    pub name: &'a CStr,
    /// The directory that it was found in.
    pub dir: BorrowedFd<'a>,
    /// The directory itself, for directories.
    pub own: Option<BorrowedFd<'a>>,
    pub stat: &'a Stat,
    pub change: Change,
    /// A directory that was removed and made anew.
    pub replaced: bool,
    /// Where content is looked for that is not in the file itself.
    pub lower: &'a Stack,
}

/// Gets the differences, sorted by path, parents first.
pub(super) trait Sink {
    /// A directory; its content follows until [`Sink::leave`].
    fn enter(&mut self, node: &Node<'_>) -> Result<()>;
    fn leave(&mut self) -> Result<()>;
    /// Anything else that is new or changed.
    fn entry(&mut self, node: &Node<'_>) -> Result<()>;
    /// Gone, with all below it.
    fn removed(&mut self, path: &[u8]) -> Result<()>;
    /// What can't be told apart or taken along.
    fn note(&mut self, text: String);
}

/// How the new tree of a level relates to the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It is the writable directory of an overlay over the old one: what it has is changed, the rest is as it was.
    Upper,
    /// It stands in the place of the old one: what it has is changed, the rest is gone.
    Replaced,
    /// It is a whole tree: what looks alike is the same.
    Whole,
}

/// Directories may nest this deep; each level costs descriptors.
const MAX_DEPTH: usize = 500;

pub(super) struct Walk<'a, S> {
    pub sink: &'a mut S,
    /// Paths that the engine makes itself, left out where they are new and empty.
    pub own: &'a HashSet<Vec<u8>>,
}

impl<S: Sink> Walk<'_, S> {
    /// Compares the two trees from their tops.
    pub fn top(&mut self, new: &Stack, old: &Stack, how: How) -> Result<()> {
        let Some(root) = new.dirs.first() else { return Ok(()) };
        let stat = statat(root, ".", AtFlags::empty()).context("look at the top")?;
        let change = match old.dirs.first() {
            None => Change::Added,
            Some(was) => {
                let before = statat(was, ".", AtFlags::empty()).context("look at the top")?;
                // Its time changes with every start.
                if self.same_but_time(&stat, root.as_fd(), &before, was.as_fd()) {
                    Change::Same
                } else {
                    Change::Changed
                }
            }
        };
        let node = Node {
            path: b"",
            name: c".",
            dir: root.as_fd(),
            own: Some(root.as_fd()),
            stat: &stat,
            change,
            replaced: false,
            lower: old,
        };
        self.sink.enter(&node)?;
        self.level(new, old, how, &mut Vec::new(), 0)?;
        self.sink.leave()
    }

    fn level(&mut self, new: &Stack, old: &Stack, how: How, path: &mut Vec<u8>, depth: usize) -> Result<()> {
        let shown = |path: &[u8]| format!("compare /{}", String::from_utf8_lossy(path));
        if depth > MAX_DEPTH {
            return Err(Error::user(format!("{}: nested too deeply", shown(path))));
        }
        let length = path.len();
        for name in self.names(new, old, how).with_context(|| shown(path))? {
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            let done = self.name(new, old, how, path, &name, depth);
            done.with_context(|| if depth == 0 { shown(path) } else { String::new() }).map_err(without_blank)?;
            path.truncate(length);
        }
        Ok(())
    }

    /// The names to look at. Whiteout marks stand for the names they hide.
    fn names(&mut self, new: &Stack, old: &Stack, how: How) -> Result<BTreeSet<CString>> {
        let mut names = new.names()?;
        let mut marks = Vec::new();
        if new.dirs.first().is_some_and(|d| d.marks) {
            let top = &new.dirs[0];
            for name in names.iter().filter(|n| n.to_bytes().starts_with(WHITEOUT)) {
                let Ok(stat) = statat(top, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
                if !is_mark(&stat) {
                    self.sink.note(format!(
                        "{} is left out: layers can't hold names that begin with .wh.",
                        name.to_string_lossy()
                    ));
                }
                marks.push(name.clone());
            }
        }
        for mark in marks {
            names.remove(&mark);
            let hidden = &mark.to_bytes()[WHITEOUT.len()..];
            if !hidden.is_empty() && !hidden.starts_with(WHITEOUT) {
                names.insert(CString::new(hidden).unwrap_or_default());
            }
        }
        if how != How::Upper {
            names.extend(old.names()?);
        }
        Ok(names)
    }

    fn name(
        &mut self,
        new: &Stack,
        old: &Stack,
        how: How,
        path: &mut Vec<u8>,
        name: &CStr,
        depth: usize,
    ) -> Result<()> {
        let was = old.find(name)?;
        let Some(now) = new.find(name)? else {
            // A name that is in neither was made and removed again.
            return if was.is_some() { self.sink.removed(path) } else { Ok(()) };
        };
        let layer = &new.dirs[now.at];
        if was.is_none() && self.is_own(layer, name, &now, path)? {
            return Ok(());
        }
        if now.kind() == FileType::Directory {
            return self.directory(new, old, how, path, name, depth, &now, was.as_ref());
        }
        let change = if was.is_some() { Change::Changed } else { Change::Added };
        if how == How::Whole
            && let Some(before) = &was
            && self.is_same(layer, name, &now.stat, &old.dirs[before.at], &before.stat)
        {
            return Ok(());
        }
        self.sink.entry(&Node {
            path,
            name,
            dir: layer.as_fd(),
            own: None,
            stat: &now.stat,
            change,
            replaced: false,
            lower: old,
        })
    }

    #[allow(clippy::too_many_arguments)] // One step of the walk above, cut out for its length.
    fn directory(
        &mut self,
        new: &Stack,
        old: &Stack,
        how: How,
        path: &mut Vec<u8>,
        name: &CStr,
        depth: usize,
        now: &Found,
        was: Option<&Found>,
    ) -> Result<()> {
        let below = new.enter(name)?;
        let Some(top) = below.dirs.first() else {
            return Err(Error::conflict("it changed while it was read"));
        };
        let was = was.filter(|w| w.kind() == FileType::Directory);
        let before = if was.is_some() { old.enter(name)? } else { Stack::default() };
        let replaced = how == How::Upper && was.is_some() && top.is_opaque()?;
        let change = match (was, before.dirs.first()) {
            (Some(was), Some(other)) => {
                let same = self.same_but_time(&now.stat, top.as_fd(), &was.stat, other.as_fd());
                match same {
                    false => Change::Changed,
                    true if mtime(&now.stat) == mtime(&was.stat) => Change::Same,
                    true if self.holds_own(top, &before, path)? => Change::Touched,
                    true => Change::Changed,
                }
            }
            _ if old.find(name)?.is_some() => Change::Changed,
            _ => Change::Added,
        };
        self.sink.enter(&Node {
            path,
            name,
            dir: new.dirs[now.at].as_fd(),
            own: Some(top.as_fd()),
            stat: &now.stat,
            change,
            replaced,
            lower: &before,
        })?;
        let how = if replaced { How::Replaced } else { how };
        self.level(&below, &before, how, path, depth + 1)?;
        self.sink.leave()
    }

    /// Whether this is a mount point of the engine: new, empty and in the list.
    fn is_own(&self, layer: &Layer, name: &CStr, now: &Found, path: &[u8]) -> Result<bool> {
        if !self.own.contains(path) {
            return Ok(false);
        }
        Ok(match now.kind() {
            FileType::RegularFile => now.stat.st_size == 0,
            FileType::Symlink => path == b"etc/mtab",
            FileType::Directory => {
                let dir = Layer { fd: super::stack::open_dir(layer.as_fd(), name).context("open it")?, marks: false };
                let names = Stack { dirs: vec![dir] }.names()?;
                // fuse-overlayfs marks each directory that it makes.
                let mark = |n: &CStr| layer.marks && n.to_bytes().starts_with(WHITEOUT);
                // A directory of nothing but mount points, as /run of /run/.containerenv.
                names.iter().all(|n| mark(n) || self.own.contains(&[path, b"/", n.to_bytes()].concat()))
            }
            _ => false,
        })
    }

    /// Whether the engine made something in the directory `path`, which changed its time.
    fn holds_own(&self, dir: &Layer, before: &Stack, path: &[u8]) -> Result<bool> {
        for own in self.own {
            let Some(name) = own.strip_prefix(path).and_then(|rest| rest.strip_prefix(b"/")) else { continue };
            let Ok(name) = CString::new(name) else { continue };
            if !name.to_bytes().contains(&b'/')
                && matches!(look(dir, &name)?, Look::There(_))
                && before.find(&name)?.is_none()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn same_but_time(&self, a: &Stat, a_fd: BorrowedFd<'_>, b: &Stat, b_fd: BorrowedFd<'_>) -> bool {
        a.st_mode == b.st_mode && owner(a, Some(a_fd)) == owner(b, Some(b_fd)) && attributes(a_fd) == attributes(b_fd)
    }

    /// By all that stat(2) tells; the content of files of the same size and time is taken for the same.
    fn is_same(&self, layer: &Layer, name: &CStr, a: &Stat, other: &Layer, b: &Stat) -> bool {
        let alike = a.st_mode == b.st_mode && (a.st_uid, a.st_gid) == (b.st_uid, b.st_gid) && mtime(a) == mtime(b);
        alike
            && match FileType::from_raw_mode(a.st_mode) {
                // One more name, and both have to be in one layer to stay one file.
                FileType::RegularFile => a.st_size == b.st_size && a.st_nlink <= b.st_nlink,
                FileType::Symlink => {
                    readlinkat(layer, name, Vec::new()).ok() == readlinkat(other, name, Vec::new()).ok()
                }
                _ => a.st_rdev == b.st_rdev,
            }
    }
}

fn mtime(stat: &Stat) -> (i64, i64) {
    (stat.st_mtime, stat.st_mtime_nsec as i64)
}

/// The path is named once, by the outermost level.
fn without_blank(mut e: Error) -> Error {
    e.context.retain(|c| !c.is_empty());
    e
}
