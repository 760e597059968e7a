//! The packing end: a file or a tree as a tar stream.

use super::files::{MAX_DEPTH, Root, Style, is_kept, many_files};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, TarWriter, Time};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, Stat, fstat, fstatfs, openat, readlinkat, seek, statat,
};
use std::collections::HashMap;
use std::ffi::CString;
use std::io::{BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Name of the top entry in streams between our own ends, which strip it.
const TOP: &[u8] = b"x";
/// File systems that show the kernel, not files (magic numbers of statfs(2)): their contents are not copied.
const KERNEL: &[u64] = &[
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x1cd1,      // devpts
    0x1980_0202, // mqueue
    0xcafe_4a11, // bpf
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
];

/// Writes what is at `path`; returns what could not be packed. `own_names`: the top entry has the source's own name
/// (or none for `SRC/.`) as users expect of a stream, else a fixed one.
pub(super) fn pack(root: &Root, path: &Path, follow: bool, own_names: bool, out: impl Write) -> Result<Vec<String>> {
    many_files();
    let text = path.to_string_lossy();
    let contents = super::is_contents(&text);
    let as_directory = contents || text.ends_with('/');
    let nofollow = if follow || as_directory { OFlags::empty() } else { OFlags::NOFOLLOW };
    let missing = || format!("find {}", path.display());
    let top = root.open(path, OFlags::PATH | nofollow).with_context(missing)?;
    let stat = fstat(&top).with_context(missing)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if as_directory && kind != FileType::Directory {
        return Err(Error::errno(libc::ENOTDIR, missing()));
    }
    let name: Vec<u8> = match own_names {
        false => TOP.to_vec(),
        true if contents => b".".to_vec(),
        true => path.file_name().map(|n| n.as_encoded_bytes().to_vec()).unwrap_or_else(|| b".".to_vec()),
    };
    let mut packer = Packer::new(out, Style::Copy);
    match kind {
        FileType::Directory => {
            let dir = openat(&top, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .with_context(|| format!("read {}", path.display()))?;
            packer.directory(dir, &stat, &name, 0)?;
        }
        FileType::RegularFile => {
            let file = root.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | nofollow);
            packer.file(&file.with_context(|| format!("read {}", path.display()))?, &name)?;
        }
        FileType::Symlink => {
            let target = readlinkat(&top, "", Vec::new()).with_context(missing)?;
            packer.symlink(&stat, &name, target.into_bytes())?;
        }
        _ => packer.special(&stat, &name, kind)?,
    }
    packer.finish()
}

/// Writes the files of a volume, the directory `top` itself first (as `./`); returns what could not be packed.
pub(in crate::engine) fn volume(top: OwnedFd, one_id: bool, out: impl Write) -> Result<Vec<String>> {
    many_files();
    let stat = fstat(&top).context("look at the volume")?;
    let mut packer = Packer::new(out, Style::Volume { one_id });
    packer.directory(top, &stat, b".", 0)?;
    packer.finish()
}

struct Packer<W: Write> {
    out: TarWriter<BufWriter<W>>,
    /// First path of each file with several names.
    links: HashMap<(u64, u64), Vec<u8>>,
    notes: Vec<String>,
    buffer: Vec<u8>,
    style: Style,
}

/// Holes smaller than this in all are not worth a map.
const SPARSE: u64 = 64 << 10;
/// Segments of one file; one that has more is packed whole (the reader's bound is far above).
const MAX_SEGMENTS: usize = 1 << 16;

fn entry(stat: &Stat, path: &[u8], kind: Kind) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) },
        ..Entry::default()
    }
}

impl<W: Write> Packer<W> {
    fn new(out: W, style: Style) -> Packer<W> {
        let out = TarWriter::new(BufWriter::with_capacity(128 << 10, out));
        Packer { out, links: HashMap::new(), notes: Vec::new(), buffer: vec![0; 128 << 10], style }
    }

    fn finish(self) -> Result<Vec<String>> {
        self.out.finish()?.flush().context("write the stream")?;
        Ok(self.notes)
    }

    /// The attributes of an open file or directory, and its owner where only an attribute tells it.
    fn attributes(&self, fd: BorrowedFd<'_>, stat: &Stat, entry: &mut Entry) {
        if self.style == (Style::Volume { one_id: true }) {
            (entry.uid, entry.gid) = crate::image::diff::owner(stat, Some(fd));
        }
        entry.xattrs = attributes(fd, self.style);
    }

    fn directory(&mut self, dir: OwnedFd, stat: &Stat, path: &[u8], depth: usize) -> Result<()> {
        let mut top = entry(stat, path, Kind::Directory);
        if self.style != Style::Copy {
            top.path.push(b'/');
        }
        self.attributes(dir.as_fd(), stat, &mut top);
        self.out.start(&top)?;
        if depth == MAX_DEPTH {
            return Err(Error::user(format!("copy {}: nested too deeply", shown(path))));
        }
        if is_kernels(&dir) {
            return Ok(());
        }
        for name in names(&dir).with_context(|| format!("read {}", shown(path)))? {
            let child = [path, b"/", name.as_bytes()].concat();
            self.member(dir.as_fd(), &name, &child, depth)
                .with_context(|| format!("copy {}", String::from_utf8_lossy(&child[TOP.len()..])))?;
        }
        Ok(())
    }

    fn member(&mut self, dir: BorrowedFd<'_>, name: &CString, path: &[u8], depth: usize) -> Result<()> {
        let stat = match statat(dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            // It was removed since the directory was read.
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            other => other.context("look at it")?,
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let kind = FileType::from_raw_mode(stat.st_mode);
        // A link to a device would lead nowhere: those are not made at the other end.
        let linked = matches!(kind, FileType::RegularFile | FileType::Symlink | FileType::Fifo);
        if linked && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)).cloned() {
                return self.out.start(&Entry { link: first, ..entry(&stat, path, Kind::Link) });
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        match kind {
            FileType::Directory => {
                let sub = openat(dir, name.as_c_str(), flags | OFlags::DIRECTORY, Mode::empty()).context("read it")?;
                self.directory(sub, &stat, path, depth + 1)
            }
            FileType::RegularFile => {
                let file = openat(dir, name.as_c_str(), flags, Mode::empty()).context("read it")?;
                self.file(&file, path)
            }
            FileType::Symlink => {
                let target = readlinkat(dir, name.as_c_str(), Vec::new()).context("read it")?;
                self.symlink(&stat, path, target.into_bytes())
            }
            kind => self.special(&stat, path, kind),
        }
    }

    /// Exactly as many bytes as announced, even of a file that shrinks or grows meanwhile.
    fn file(&mut self, file: &OwnedFd, path: &[u8]) -> Result<()> {
        let stat = fstat(file).context("look at it")?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::errno(libc::EAGAIN, "it changed while it was read"));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = entry(&stat, path, Kind::Regular);
        header.size = size;
        self.attributes(file.as_fd(), &stat, &mut header);
        let file = std::fs::File::from(file.try_clone().context("read it")?);
        header.sparse = segments(&file, &stat);
        self.out.start(&header)?;
        match &header.sparse {
            None => self.copy(&file, 0, size),
            Some(map) => map.iter().try_for_each(|(offset, length)| self.copy(&file, *offset, *length)),
        }
    }

    /// Exactly `left` bytes from `offset`.
    fn copy(&mut self, mut file: &std::fs::File, offset: u64, mut left: u64) -> Result<()> {
        if offset > 0 {
            seek(file, SeekFrom::Start(offset)).context("read it")?;
        }
        while left > 0 {
            let want = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut got = file.read(&mut self.buffer[..want]).context("read it")?;
            if got == 0 {
                self.buffer[..want].fill(0);
                got = want;
            }
            self.out.write_all(&self.buffer[..got]).context("write the stream")?;
            left -= got as u64;
        }
        Ok(())
    }

    fn symlink(&mut self, stat: &Stat, path: &[u8], target: Vec<u8>) -> Result<()> {
        self.out.start(&Entry { link: target, ..entry(stat, path, Kind::Symlink) })
    }

    fn special(&mut self, stat: &Stat, path: &[u8], kind: FileType) -> Result<()> {
        let kind = match kind {
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::Char,
            FileType::BlockDevice => Kind::Block,
            _ => {
                self.notes.push(format!("socket {} is not copied", shown(path)));
                return Ok(());
            }
        };
        let mut made = entry(stat, path, kind);
        (made.major, made.minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        self.out.start(&made)
    }
}

fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    match text.strip_prefix("x/") {
        Some(rest) => format!("/{rest}"),
        None => text.into_owned(),
    }
}

fn is_kernels(dir: &OwnedFd) -> bool {
    fstatfs(dir).is_ok_and(|s| KERNEL.contains(&(s.f_type as u64 & 0xffff_ffff)))
}

/// The names in a directory, sorted, so that the same tree gives the same stream.
fn names(dir: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The user's attributes and the file capabilities; none where the file system has none.
fn attributes(fd: BorrowedFd<'_>, style: Style) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0u8; 16 << 10];
    let Ok(len) = rustix::fs::flistxattr(fd, &mut list[..]) else { return Vec::new() };
    let names = list[..len].split(|b| *b == 0).filter(|n| is_kept(n, style));
    names
        .filter_map(|name| {
            let mut value = vec![0u8; 64 << 10];
            let len = rustix::fs::fgetxattr(fd, name, &mut value[..]).ok()?;
            value.truncate(len);
            Some((name.to_vec(), value))
        })
        .collect()
}

/// Where the data of a file with large holes is, as its file system tells; `None` for one to be packed whole.
fn segments(file: &std::fs::File, stat: &Stat) -> Option<Vec<(u64, u64)>> {
    let size = u64::try_from(stat.st_size).ok()?;
    if u64::try_from(stat.st_blocks).ok()?.saturating_mul(512).saturating_add(SPARSE) > size {
        return None;
    }
    let (mut map, mut at) = (Vec::new(), 0);
    while at < size && map.len() < MAX_SEGMENTS {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) if start < size => start,
            // No more data.
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            Err(_) => return None,
        };
        at = seek(file, SeekFrom::Hole(start)).ok()?.min(size);
        if at <= start {
            return None;
        }
        map.push((start, at - start));
    }
    seek(file, SeekFrom::Start(0)).ok()?;
    (map.len() < MAX_SEGMENTS).then_some(map)
}
