//! One archive member.

use super::{Applier, DirMeta, Owners, clean, printable, split};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, TarReader};
use crate::image::tree::{Content, Hasher};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Marks what lower layers have as deleted (OCI layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// Hides everything that lower layers have in the directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names of aufs's own, of no meaning outside it.
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE_XATTR: &str = "user.overlay.opaque";

impl Applier {
    /// Extracts the reader's present member.
    pub(super) fn entry<R: BufRead>(&mut self, tar: &mut TarReader<R>) -> Result<()> {
        let path = clean(&tar.entry().path)?;
        if path.is_empty() {
            if tar.entry().kind != Kind::Directory {
                return Err(Error::user("extract the layer: its root is not a directory"));
            }
            self.remember(path, tar.entry());
            return Ok(());
        }
        self.named(&path, tar).map_err(|e| e.context(format!("extract {}", printable(&path))))
    }

    fn named<R: BufRead>(&mut self, path: &[u8], tar: &mut TarReader<R>) -> Result<()> {
        let (above, name) = split(path);
        let parent = self.parent(above)?;
        if name.starts_with(WHITEOUT) {
            return self.whiteout(parent.as_fd(), above, name);
        }
        match tar.entry().kind {
            Kind::Regular => self.regular(parent.as_fd(), name, tar),
            Kind::Directory => self.directory(parent.as_fd(), path, name, tar.entry()),
            Kind::Symlink => {
                let entry = tar.entry();
                self.create(parent.as_fd(), name, |at, name| rustix::fs::symlinkat(&entry.link[..], at, name))?;
                self.special_meta(parent.as_fd(), name, entry)
            }
            Kind::Link => self.hard_link(parent.as_fd(), name, tar.entry()),
            Kind::Fifo => self.node(parent.as_fd(), name, tar.entry(), FileType::Fifo),
            Kind::Char => self.node(parent.as_fd(), name, tar.entry(), FileType::CharacterDevice),
            Kind::Block => self.node(parent.as_fd(), name, tar.entry(), FileType::BlockDevice),
        }
    }

    /// Runs `make`; if the name is taken, by an earlier entry, that makes way and `make` runs again.
    fn create<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        make: impl Fn(BorrowedFd<'_>, &[u8]) -> std::result::Result<T, Errno>,
    ) -> Result<T> {
        match make(parent, name) {
            Err(Errno::EXIST) => {
                self.remove(parent, name)?;
                make(parent, name).context("create it")
            }
            other => other.context("create it"),
        }
    }

    fn regular<R: BufRead>(&mut self, parent: BorrowedFd<'_>, name: &[u8], tar: &mut TarReader<R>) -> Result<()> {
        let entry = tar.entry();
        // Attributes are set through the descriptor, which needs write permission when they are the user's.
        let created = if entry.xattrs.is_empty() { entry.mode & 0o777 } else { 0o600 };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            self.create(parent, name, |at, name| rustix::fs::openat(at, name, flags, Mode::from_raw_mode(created)))?;
        let hash = match entry.sparse.clone() {
            None => {
                let mut hash = Hasher::default();
                let mut both = |chunk: &[u8]| {
                    hash.update(chunk);
                    write_all(&file, chunk, None)
                };
                while tar.data(&mut both)? {}
                Some(hash.finish())
            }
            Some(map) => {
                write_sparse(&file, &map, tar)?;
                None
            }
        };
        self.file_meta(&file, tar.entry(), created)?;
        let attributes = !tar.entry().xattrs.is_empty() || self.owners == Owners::Record;
        let inode = rustix::fs::fstat(&file).context("look at it")?.st_ino;
        self.contents.insert(inode, Content::new(hash, attributes));
        Ok(())
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, path: &[u8], name: &[u8], entry: &Entry) -> Result<()> {
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => match file_type(parent, name)? {
                // Made by an earlier entry, or implied by one: only the attributes are news.
                Some(FileType::Directory) => {}
                kind => {
                    self.remove(parent, name)?;
                    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)).context("create it")?;
                    // A whiteout of the name in the same layer: this directory must not merge with a lower one.
                    if kind == Some(FileType::CharacterDevice) {
                        self.opaque(parent, name)?;
                    }
                }
            },
            Err(e) => return Err(e).context("create it"),
        }
        self.remember(path.to_vec(), entry);
        Ok(())
    }

    fn remember(&mut self, path: Vec<u8>, entry: &Entry) {
        self.implied.remove(&path);
        let meta = DirMeta {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs.clone(),
        };
        if self.directories.insert(path.clone(), meta).is_none() {
            self.order.push(path);
        }
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let target = clean(&entry.link)?;
        let (above, last) = split(&target);
        if last.is_empty() {
            return Err(Error::user("link it: its target is the root directory"));
        }
        let link = || format!("link it to {}", printable(&target));
        let from = self.parent(above).with_context(link)?;
        let stat = |at: BorrowedFd<'_>, name: &[u8]| rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let source = stat(from.as_fd(), last).with_context(link).map_err(|e| {
            if e.is_errno(libc::ENOENT) { e.hint("a hard link's target must be in the same layer") } else { e }
        })?;
        if FileType::from_raw_mode(source.st_mode) == FileType::Directory {
            return Err(Error::user(format!("{}: it is a directory", link())));
        }
        // A file listed twice, as a link to itself: it must not be removed to make way.
        if stat(parent, name).is_ok_and(|s| (s.st_dev, s.st_ino) == (source.st_dev, source.st_ino)) {
            return Ok(());
        }
        self.create(parent, name, |at, name| rustix::fs::linkat(&*from, last, at, name, AtFlags::empty()))
            .with_context(link)
    }

    fn node(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, kind: FileType) -> Result<()> {
        let device = rustix::fs::makedev(entry.major, entry.minor);
        let what = || format!("{kind:?} {}:{} {}", entry.major, entry.minor, entry.name());
        if kind == FileType::CharacterDevice && device == 0 {
            // It would read as a whiteout.
            self.note(|| format!("{} skipped", what()));
            return Ok(());
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let made = self.create(parent, name, |at, name| match rustix::fs::mknodat(at, name, kind, mode, device) {
            // Devices are refused in user namespaces, as they are to ordinary users.
            Err(Errno::PERM | Errno::ACCESS) if kind != FileType::Fifo => Ok(false),
            other => other.map(|()| true),
        })?;
        if !made {
            self.note(|| format!("{} skipped: not permitted", what()));
            return Ok(());
        }
        self.special_meta(parent, name, entry)
    }

    fn whiteout(&mut self, parent: BorrowedFd<'_>, above: &[u8], name: &[u8]) -> Result<()> {
        if name == OPAQUE {
            if above.is_empty() {
                // overlayfs ignores the mark on a layer's root: the layers below are left out of the mount instead.
                self.report.opaque_root = true;
                return Ok(());
            }
            return self.opaque(parent, b".");
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        let hidden = &name[WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Error::user("apply the whiteout: it names no file"));
        }
        match rustix::fs::mknodat(parent, hidden, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => Ok(()),
            // The layer has a new entry of that name itself, which hides a lower one anyway; a directory must be
            // kept from merging with it.
            Err(Errno::EXIST) => match file_type(parent, hidden)? {
                Some(FileType::Directory) => self.opaque(parent, hidden),
                _ => Ok(()),
            },
            Err(e) => Err(e).context("make a whiteout").map_err(|e| {
                e.hint("the file system of the data directory, or the kernel, refuses whiteout devices to users; use --root DIR")
            }),
        }
    }

    fn opaque(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A new descriptor: that of a parent is O_PATH, which takes no attributes.
        let dir = rustix::fs::openat(parent, name, flags, Mode::empty()).context("mark it opaque")?;
        rustix::fs::fsetxattr(&dir, OPAQUE_XATTR, b"y", XattrFlags::empty()).context("mark it opaque").map_err(|e| {
            e.hint("the data directory's file system has no user extended attributes; use --root DIR on another one")
        })
    }
}

/// The type of what `name` is, links not followed; `None` when there is nothing.
fn file_type(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<FileType>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e).context("look at it"),
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8], mut offset: Option<u64>) -> Result<()> {
    while !bytes.is_empty() {
        let written = match offset {
            None => rustix::io::write(file, bytes),
            Some(at) => rustix::io::pwrite(file, bytes, at),
        };
        match written {
            Ok(n) => {
                bytes = &bytes[n..];
                offset = offset.map(|at| at + n as u64);
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).context("write it"),
        }
    }
    Ok(())
}

fn write_sparse<R: BufRead>(file: &OwnedFd, map: &[(u64, u64)], tar: &mut TarReader<R>) -> Result<()> {
    // Too large for the file system (EFBIG), or beyond what offsets hold: refused by the kernel with its own errno.
    rustix::fs::ftruncate(file, tar.entry().size).context("set its size")?;
    let mut segments = map.iter().copied().filter(|(_, n)| *n > 0);
    let mut segment = segments.next();
    loop {
        let more = tar.data(|mut chunk| {
            // The reader checked that the segments add up to the stored data.
            while let Some((offset, length)) = segment
                && !chunk.is_empty()
            {
                let n = chunk.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                write_all(file, &chunk[..n], Some(offset))?;
                chunk = &chunk[n..];
                segment =
                    if n as u64 == length { segments.next() } else { Some((offset + n as u64, length - n as u64)) };
            }
            Ok(())
        })?;
        if !more {
            return Ok(());
        }
    }
}
