//! The extracting end: a tar stream into the destination.

use super::Place;
use super::files::{Owner, Root, Style, as_path, is_kept, many_files, parts};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, TarReader, Time};
use crate::image::{Decoder, Limits, OVERRIDE_STAT};
use crate::sys::rooted;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fchmod, fstat, futimens, linkat, mkdirat, mknodat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

type Reader = TarReader<BufReader<Box<dyn Read>>>;

fn reader(input: impl Read + 'static) -> Reader {
    many_files();
    TarReader::new(BufReader::with_capacity(128 << 10, Box::new(input)))
}

/// Extracts a stream of our packing end, whose top entry goes where `place` and the disk say.
pub(super) fn tree(root: &Root, place: &Place, owner: Owner, input: File) -> Result<Vec<String>> {
    let mut stream = reader(input);
    let Some(top) = stream.next_entry()?.cloned() else {
        return Err(Error::bug("extract: the stream is empty"));
    };
    let is_dir = top.kind == Kind::Directory;
    let mut tree = match settle(root, place, is_dir)? {
        Settled::Through(file) => {
            overwrite(file, &top, &mut stream)?;
            return Ok(Vec::new());
        }
        Settled::At { parent, name, path } => {
            let mut tree = Tree::new(root, owner, path);
            if !is_dir {
                tree.put(parent.as_fd(), &name, &top, &mut stream)?;
                return Ok(tree.notes);
            }
            tree.make_dir(parent.as_fd(), &name, &top, Vec::new())?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // A symlink that was here before counts as the directory it leads to, inside a container's root.
            let opened = match root.is_confined() {
                true => root.open(&tree.path, flags),
                false => openat(&parent, name.as_slice(), flags | OFlags::NOFOLLOW, Mode::empty()),
            };
            tree.top = Some(opened.with_context(|| format!("open {}", tree.path.display()))?);
            tree
        }
        Settled::Into { dir, path } => {
            let mut tree = Tree::new(root, owner, path);
            tree.top = Some(dir);
            tree
        }
    };
    while let Some(entry) = stream.next_entry()?.cloned() {
        let rel: Vec<Vec<u8>> = parts(&entry.path)?.into_iter().skip(1).map(<[u8]>::to_vec).collect();
        let link: Vec<Vec<u8>> = match entry.kind {
            Kind::Link => parts(&entry.link)?.into_iter().skip(1).map(<[u8]>::to_vec).collect(),
            _ => Vec::new(),
        };
        tree.entry(rel, link, &entry, &mut stream)?;
    }
    tree.finish()
}

/// Extracts a user's stream below the directory `path`, which must exist.
pub(super) fn stream(root: &Root, path: &Path, owner: Owner, input: File) -> Result<Vec<String>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let dir = root.open(path, flags).with_context(|| format!("find directory {}", path.display()))?;
    let mut tree = Tree::new(root, owner, path.to_path_buf());
    tree.top = Some(dir);
    tree.lenient = true;
    let mut stream = reader(Decoder::new(input)?);
    while let Some(entry) = stream.next_entry()?.cloned() {
        let own =
            |bytes: &[u8]| -> Result<Vec<Vec<u8>>> { Ok(parts(bytes)?.into_iter().map(<[u8]>::to_vec).collect()) };
        let rel = own(&entry.path)?;
        let link = if entry.kind == Kind::Link { own(&entry.link)? } else { Vec::new() };
        if !rel.is_empty() {
            tree.entry(rel, link, &entry, &mut stream)?;
        }
    }
    // The writer must not get a broken pipe for the blocks that pad its archive.
    std::io::copy(&mut stream.into_inner(), &mut std::io::sink()).context("read the rest of the stream")?;
    tree.finish()
}

/// What an archive of a volume brought.
#[derive(Debug, Default)]
pub(in crate::engine) struct Unpacked {
    pub notes: Vec<String>,
    /// The directories that it lists, parts joined with slashes: their attributes are the archive's. The top is "".
    pub dirs: HashSet<Vec<u8>>,
}

/// Extracts the archive of a volume into the empty directory `top`.
pub(in crate::engine) fn volume(top: OwnedFd, one_id: bool, input: impl Read + 'static) -> Result<Unpacked> {
    let limits = Limits::of_disk(&top)?;
    let root = Root::Inside(top.try_clone().context("extract")?);
    let mut tree = Tree::new(&root, Owner::Recorded, PathBuf::from("/"));
    tree.top = Some(top);
    tree.lenient = true;
    tree.style = Style::Volume { one_id };
    let mut stream = reader(input);
    let (mut entries, mut stored) = (0u64, 0u64);
    while let Some(entry) = stream.next_entry()?.cloned() {
        let own =
            |bytes: &[u8]| -> Result<Vec<Vec<u8>>> { Ok(parts(bytes)?.into_iter().map(<[u8]>::to_vec).collect()) };
        entries += 1;
        stored = stored
            .saturating_add(entry.sparse.as_ref().map_or(entry.size, |map| map.iter().map(|(_, length)| length).sum()));
        if entries > limits.entries || stored > limits.bytes {
            return Err(Error::errno(libc::ENOSPC, "extract the archive: it holds more than there is room for"));
        }
        let rel = own(&entry.path)?;
        let link = if entry.kind == Kind::Link { own(&entry.link)? } else { Vec::new() };
        match (rel.is_empty(), entry.kind) {
            (false, _) => tree.entry(rel, link, &entry, &mut stream)?,
            (true, Kind::Directory) => tree.dirs.push(NewDir { rel, entry }),
            (true, _) => return Err(Error::user("extract the archive: its top is not a directory")),
        }
    }
    std::io::copy(&mut stream.into_inner(), &mut std::io::sink()).context("read the rest of the archive")?;
    let dirs = tree.dirs.iter().map(|dir| dir.rel.join(&b'/')).collect();
    Ok(Unpacked { notes: tree.finish()?, dirs })
}

/// Where the top of a tree goes.
enum Settled {
    /// Below this directory, under this name; the path is for messages and for resolving in the root.
    At { parent: OwnedFd, name: Vec<u8>, path: PathBuf },
    /// The contents of the top go into this directory.
    Into { dir: OwnedFd, path: PathBuf },
    /// Into the file behind a symlink.
    Through(File),
}

/// docker's table of destinations (docker cp, "Description").
fn settle(root: &Root, place: &Place, is_dir: bool) -> Result<Settled> {
    let shown = place.path.display();
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    match root.open(&place.path, OFlags::PATH) {
        Ok(found) if kind_of(&found)? == FileType::Directory => {
            if is_dir && (place.contents || place.base.is_empty()) {
                return Ok(Settled::Into { dir: found, path: place.path.clone() });
            }
            let path = place.path.join(&place.base);
            Ok(Settled::At { parent: found, name: place.base.clone().into_bytes(), path })
        }
        Ok(_) if is_dir => Err(Error::user(format!("copy a directory onto {shown}: it is a file"))),
        Ok(_) if place.slash => Err(Error::errno(libc::ENOTDIR, format!("open directory {shown}"))),
        Err(Errno::NOENT) if place.slash && !is_dir => {
            Err(Error::errno(libc::ENOENT, format!("find directory {shown}"))
                .hint("make it first, or leave the slash out"))
        }
        found @ (Ok(_) | Err(Errno::NOENT)) => {
            let (Some(name), parent) = (place.path.file_name(), place.path.parent().unwrap_or(Path::new("/"))) else {
                return Err(Error::user(format!("copy to {shown}: it is no name for a file")));
            };
            let opened = root.open(parent, directory);
            let opened = opened.with_context(|| format!("find directory {}", parent.display()))?;
            let is_link = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink);
            if found.is_ok() && is_link {
                let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = root.open(&place.path, flags).with_context(|| format!("write {shown}"))?;
                return Ok(Settled::Through(file.into()));
            }
            Ok(Settled::At { parent: opened, name: name.as_bytes().to_vec(), path: place.path.clone() })
        }
        Err(e) => Err(e).with_context(|| format!("find {shown}")),
    }
}

fn kind_of(fd: &OwnedFd) -> Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd).context("look at the destination")?.st_mode))
}

fn overwrite(mut file: File, entry: &Entry, stream: &mut Reader) -> Result<()> {
    while stream.data(|piece| file.write_all(piece).context("write the file"))? {}
    let _ = futimens(&file, &times(entry.mtime));
    Ok(())
}

/// A directory whose mode and time come last, when nothing more is written into it.
struct NewDir {
    rel: Vec<Vec<u8>>,
    entry: Entry,
}

struct Tree<'a> {
    root: &'a Root,
    owner: Owner,
    /// The destination's path, for messages and for resolving in the root.
    path: PathBuf,
    top: Option<OwnedFd>,
    /// Directories that the stream does not announce are made.
    lenient: bool,
    dirs: Vec<NewDir>,
    notes: Vec<String>,
    style: Style,
}

impl<'a> Tree<'a> {
    fn new(root: &'a Root, owner: Owner, path: PathBuf) -> Self {
        Tree { root, owner, path, top: None, lenient: false, dirs: Vec::new(), notes: Vec::new(), style: Style::Copy }
    }

    fn entry(&mut self, rel: Vec<Vec<u8>>, link: Vec<Vec<u8>>, entry: &Entry, stream: &mut Reader) -> Result<()> {
        let Some((name, above)) = rel.split_last() else {
            return Err(Error::user("extract: a second top entry"));
        };
        let what = || format!("extract {}", String::from_utf8_lossy(&rel.join(&b'/')));
        let parent = self.parent(above).with_context(what)?;
        match entry.kind {
            Kind::Directory => self.make_dir(parent.as_fd(), name, entry, rel.clone()).with_context(what),
            Kind::Link => {
                let Some((target, above)) = link.split_last() else {
                    return Err(Error::user(what() + ": the hard link has no target"));
                };
                let from = self.parent(above).with_context(what)?;
                clear(parent.as_fd(), name).with_context(what)?;
                linkat(&from, target.as_slice(), &parent, name.as_slice(), AtFlags::empty()).with_context(what)
            }
            _ => self.put(parent.as_fd(), name, entry, stream).with_context(what),
        }
    }

    /// The directory with these parts below the top.
    fn parent(&self, above: &[Vec<u8>]) -> Result<OwnedFd> {
        let path = above.join(&b'/');
        let rel = as_path(if path.is_empty() { b"." } else { &path });
        match (self.root, &self.top) {
            // Symlinks of the container lead to places in the container.
            (Root::Inside(root), _) => {
                let whole = self.path.join(rel);
                match rooted::open(root.as_fd(), &whole, OFlags::PATH | OFlags::DIRECTORY) {
                    Err(Errno::NOENT) if self.lenient => {
                        rooted::ensure(root.as_fd(), &whole, rooted::Want::Dir).context("make the directory above it")
                    }
                    other => other.context("open the directory above it"),
                }
            }
            // A container made this stream: it must not lead anywhere on the host.
            (Root::Host, Some(top)) => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                openat2(top, rel, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)
                    .context("open the directory above it")
            }
            (Root::Host, None) => Err(Error::user("there is a member below a file")),
        }
    }

    fn make_dir(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, rel: Vec<Vec<u8>>) -> Result<()> {
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {
                self.dirs.push(NewDir { rel, entry: entry.clone() });
                return Ok(());
            }
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e).context("make a directory"),
        }
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).context("look at what is there")?;
        match FileType::from_raw_mode(stat.st_mode) {
            // Only an archive that lists something twice has it here: the last one counts.
            FileType::Directory if self.style != Style::Copy => {
                self.dirs.push(NewDir { rel, entry: entry.clone() });
                Ok(())
            }
            // Merged; what was there keeps its mode and time.
            FileType::Directory => Ok(()),
            // `bin -> usr/bin` and the like.
            FileType::Symlink if self.root.is_confined() => Ok(()),
            _ => Err(Error::user(format!("replace '{}' with a directory: it is none", String::from_utf8_lossy(name)))),
        }
    }

    /// Makes anything but a directory or a hard link, replacing what is there.
    fn put(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, stream: &mut Reader) -> Result<()> {
        let in_place = match clear(parent, name) {
            // Something is mounted on it (/etc/hosts in a running container).
            Err(e) if e.is_errno(libc::EBUSY) && entry.kind == Kind::Regular => true,
            other => other.map(|()| false)?,
        };
        match entry.kind {
            Kind::Regular => return self.file(parent, name, entry, stream, in_place),
            Kind::Symlink => symlinkat(entry.link.as_slice(), parent, name).context("make a symlink")?,
            Kind::Fifo => {
                mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0).context("make a fifo")?;
            }
            // Overlays mark with it what is deleted; everybody may make it.
            Kind::Char if (entry.major, entry.minor) == (0, 0) && self.style != Style::Copy => {
                let mode = Mode::from_raw_mode(0o600);
                mknodat(parent, name, FileType::CharacterDevice, mode, 0).context("make a whiteout")?;
            }
            _ => {
                self.notes.push(format!("device {} is not copied: user namespaces can't make devices", entry.name()));
                return Ok(());
            }
        }
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        self.own(|uid, gid| chownat(parent, name, uid, gid, nofollow), entry)?;
        if entry.kind != Kind::Symlink {
            chmodat(parent, name, self.mode(entry), AtFlags::empty()).context("set its mode")?;
        }
        utimensat(parent, name, &times(entry.mtime), nofollow).context("set its time")
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        stream: &mut Reader,
        in_place: bool,
    ) -> Result<()> {
        let fresh = if in_place { OFlags::TRUNC } else { OFlags::CREATE | OFlags::EXCL };
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC | fresh;
        let file = openat(parent, name, flags, Mode::from_raw_mode(0o600)).context("make the file")?;
        let mut file = File::from(file);
        let mut sparse = entry.sparse.clone().map(|map| Sparse { map, at: 0, done: 0 });
        loop {
            let more = stream.data(|piece| match &mut sparse {
                None => file.write_all(piece).context("write it"),
                Some(sparse) => sparse.write(&file, piece),
            })?;
            if !more {
                break;
            }
        }
        if sparse.is_some() {
            file.set_len(entry.size).context("set its length")?;
        }
        if in_place {
            return Ok(());
        }
        self.own(|uid, gid| rustix::fs::fchown(&file, uid, gid), entry)?;
        fchmod(&file, self.mode(entry)).context("set its mode")?;
        self.attributes(file.as_fd(), entry)?;
        futimens(&file, &times(entry.mtime)).context("set its time")
    }

    /// The mode of a copy. Set-id bits of a container's file must not give its user's rights to others on the host.
    fn mode(&self, entry: &Entry) -> Mode {
        let kept = if self.root.is_confined() || self.owner == Owner::Recorded { 0o7777 } else { 0o1777 };
        Mode::from_raw_mode(entry.mode & kept)
    }

    fn own(
        &mut self,
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
        entry: &Entry,
    ) -> Result<()> {
        if self.owner == Owner::Extractor || self.style == (Style::Volume { one_id: true }) {
            return Ok(());
        }
        match chown(Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))) {
            Ok(()) => Ok(()),
            // Users can't give files away, and containers have no other ids than mapped ones: cp -a does the same.
            Err(Errno::PERM | Errno::INVAL) => {
                if self.root.is_confined() {
                    let (uid, gid) = (entry.uid, entry.gid);
                    self.notes.push(format!("owner {uid}:{gid} of {} has no id in the container", entry.name()));
                }
                Ok(())
            }
            Err(e) => Err(e).context("set its owner"),
        }
    }

    fn attributes(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        for (name, value) in &entry.xattrs {
            if is_kept(name, self.style) && (name != b"security.capability" || self.root.is_confined()) {
                // File systems without them, or with smaller ones, are no reason to fail.
                let set = rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty());
                if let (Err(e), true) = (set, self.style != Style::Copy) {
                    let attribute = String::from_utf8_lossy(name);
                    self.notes.push(format!("attribute {attribute} of {} is not kept: {e}", entry.name()));
                }
            }
        }
        if self.style == (Style::Volume { one_id: true }) && (entry.uid, entry.gid) != (0, 0) {
            let value = format!("{}:{}:0{:o}", entry.uid, entry.gid, entry.mode);
            let _ = rustix::fs::fsetxattr(fd, OVERRIDE_STAT, value.as_bytes(), XattrFlags::empty());
        }
        Ok(())
    }

    /// Sets the modes and times of new directories, the deepest first.
    fn finish(mut self) -> Result<Vec<String>> {
        for dir in std::mem::take(&mut self.dirs).into_iter().rev() {
            let opened = self.parent(&dir.rel)?;
            let opened = openat(&opened, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .context("open a new directory")?;
            self.own(|uid, gid| rustix::fs::fchown(&opened, uid, gid), &dir.entry)?;
            self.attributes(opened.as_fd(), &dir.entry)?;
            fchmod(&opened, self.mode(&dir.entry)).context("set a directory's mode")?;
            futimens(&opened, &times(dir.entry.mtime)).context("set a directory's time")?;
        }
        Ok(self.notes)
    }
}

/// Where in a sparse file the stored bytes go.
struct Sparse {
    map: Vec<(u64, u64)>,
    at: usize,
    /// Bytes of the present segment that are written.
    done: u64,
}

impl Sparse {
    fn write(&mut self, file: &File, mut piece: &[u8]) -> Result<()> {
        use std::os::unix::fs::FileExt;
        while !piece.is_empty() {
            let Some((offset, length)) = self.map.get(self.at).copied() else {
                return Err(Error::user("extract a sparse file: it has more data than its map"));
            };
            let n = piece.len().min(usize::try_from(length - self.done).unwrap_or(usize::MAX));
            file.write_all_at(&piece[..n], offset + self.done).context("write it")?;
            piece = &piece[n..];
            self.done += n as u64;
            if self.done == length {
                (self.at, self.done) = (self.at + 1, 0);
            }
        }
        Ok(())
    }
}

/// Removes what has the name, unless it is a directory.
fn clear(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            let name = Path::new(OsStr::from_bytes(name)).display();
            Err(Error::user(format!("replace directory '{name}' with a file")))
        }
        Err(e) => Err(e).context("remove what is there"),
    }
}

fn times(time: Time) -> Timestamps {
    let spec = Timespec { tv_sec: time.secs, tv_nsec: time.nanos.into() };
    Timestamps { last_access: spec, last_modification: spec }
}
