//! Differences as a layer tar (OCI image-spec 1.1, layer.md).

use super::meta::{attributes, entry, owner};
use super::stack::{WHITEOUT, content};
use super::walk::{Change, Node, Sink};
use crate::error::{Context, Error, Result};
use crate::image::apply::printable;
use crate::image::tar::{Entry, Kind, TarWriter};
use rustix::fs::{FileType, SeekFrom, Stat, fstat, readlinkat};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A file is written with its holes left out when they save this much: other tools' support for that is thin.
const SPARSE: u64 = 1 << 20;
/// Holes are looked for in this step.
const STEP: usize = 4096;

pub(super) struct Packer<W: Write> {
    pub out: TarWriter<W>,
    /// Directories that are entered but not written yet: nothing in them has changed so far.
    pending: Vec<Option<Entry>>,
    /// First path of each file with several names.
    links: HashMap<(u64, u64), Vec<u8>>,
    pub notes: Vec<String>,
    /// Times are not later than this, in seconds since 1970.
    newest: Option<i64>,
    /// Where `redirect` attributes lead.
    data: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl<W: Write> Packer<W> {
    pub fn new(out: W, newest: Option<i64>, data: Option<OwnedFd>) -> Packer<W> {
        Packer {
            out: TarWriter::new(out),
            pending: Vec::new(),
            links: HashMap::new(),
            notes: Vec::new(),
            newest,
            data,
            buffer: vec![0; 256 << 10],
        }
    }

    /// Writes the directories above what comes now.
    fn parents(&mut self) -> Result<()> {
        for entry in self.pending.iter_mut().filter_map(Option::take) {
            self.out.start(&entry)?;
        }
        Ok(())
    }

    fn made(&self, node: &Node<'_>, kind: Kind, fd: Option<BorrowedFd<'_>>) -> Entry {
        let mut made = entry(node.stat, node.path, kind, owner(node.stat, fd), self.newest);
        if let Some(fd) = fd {
            made.xattrs = attributes(fd);
        }
        made
    }

    fn file(&mut self, node: &Node<'_>) -> Result<()> {
        use rustix::fs::{Mode, OFlags};
        if node.stat.st_nlink > 1 {
            let id = (node.stat.st_dev, node.stat.st_ino);
            if let Some(first) = self.links.get(&id) {
                let link = first.clone();
                let made = self.made(node, Kind::Link, None);
                return self.out.start(&Entry { link, ..made });
            }
            self.links.insert(id, node.path.to_vec());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let own = rustix::fs::openat(node.dir, node.name, flags, Mode::empty()).context("open it")?;
        let mut made = self.made(node, Kind::Regular, Some(own.as_fd()));
        let copied = rustix::fs::fgetxattr(&own, c"user.overlay.metacopy", &mut [0u8; 64][..]).is_ok();
        let file = match copied {
            true => content(node.dir, node.name, node.lower, self.data.as_ref().map(AsFd::as_fd))?,
            false => File::from(own),
        };
        let stat = fstat(&file).context("look at it")?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::errno(libc::EAGAIN, "it changed while it was read"));
        }
        made.size = u64::try_from(stat.st_size).unwrap_or(0);
        made.sparse = self.holes(&file, &stat)?;
        self.out.start(&made)?;
        match &made.sparse {
            None => self.copy(&file, 0, made.size),
            Some(map) => map.iter().try_for_each(|(offset, length)| self.copy(&file, *offset, *length)),
        }
    }

    /// Exactly `left` bytes from `offset`, even of a file that shrinks meanwhile.
    fn copy(&mut self, mut file: &File, offset: u64, mut left: u64) -> Result<()> {
        if offset > 0 {
            rustix::fs::seek(file, SeekFrom::Start(offset)).context("read it")?;
        }
        while left > 0 {
            let want = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut got = file.read(&mut self.buffer[..want]).context("read it")?;
            if got == 0 {
                self.buffer[..want].fill(0);
                got = want;
            }
            self.out.write_all(&self.buffer[..got]).context("write the layer")?;
            left -= got as u64;
        }
        Ok(())
    }

    /// The data segments of a file with large holes. They follow from the content alone: file systems differ in how
    /// they lay out the same file.
    fn holes(&mut self, mut file: &File, stat: &Stat) -> Result<Option<Vec<(u64, u64)>>> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let stored = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if stored.saturating_add(SPARSE) > size {
            return Ok(None);
        }
        let mut map: Vec<(u64, u64)> = Vec::new();
        let mut at = 0;
        while at < size {
            // ENXIO: no more data.
            let Ok(data) = rustix::fs::seek(file, SeekFrom::Data(at)) else { break };
            at = data / STEP as u64 * STEP as u64;
            let end = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(size).min(size);
            rustix::fs::seek(file, SeekFrom::Start(at)).context("read it")?;
            while at < end {
                let got = file.read(&mut self.buffer).context("read it")?;
                if got == 0 {
                    return Ok(Some(map));
                }
                for block in self.buffer[..got].chunks(STEP) {
                    let length = (block.len() as u64).min(size.saturating_sub(at));
                    if block.iter().any(|b| *b != 0) {
                        match map.last_mut() {
                            Some((offset, n)) if *offset + *n == at => *n += length,
                            _ => map.push((at, length)),
                        }
                    }
                    at += length;
                }
            }
        }
        rustix::fs::seek(file, SeekFrom::Start(0)).context("read it")?;
        Ok(Some(map))
    }
}

impl<W: Write> Sink for Packer<W> {
    fn enter(&mut self, node: &Node<'_>) -> Result<()> {
        let mut made = self.made(node, Kind::Directory, node.own);
        if node.path.is_empty() {
            made.path = b".".to_vec();
        }
        made.path.push(b'/');
        // The root's own entry tells nothing to who only adds files.
        let idle = matches!(node.change, Change::Same | Change::Touched) && !node.replaced;
        self.pending.push(Some(made));
        if idle {
            if node.path.is_empty() {
                self.pending.pop();
                self.pending.push(None);
            }
            return Ok(());
        }
        self.parents()
    }

    fn leave(&mut self) -> Result<()> {
        self.pending.pop();
        Ok(())
    }

    fn entry(&mut self, node: &Node<'_>) -> Result<()> {
        let kind = match FileType::from_raw_mode(node.stat.st_mode) {
            FileType::RegularFile => {
                self.parents()?;
                return self.file(node);
            }
            FileType::Symlink => {
                self.parents()?;
                let link = readlinkat(node.dir, node.name, Vec::new()).context("read the link")?.into_bytes();
                let made = self.made(node, Kind::Symlink, None);
                return self.out.start(&Entry { link, ..made });
            }
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::Char,
            FileType::BlockDevice => Kind::Block,
            _ => {
                self.note(format!("socket /{} is left out", printable(node.path)));
                return Ok(());
            }
        };
        self.parents()?;
        let mut made = self.made(node, kind, None);
        if kind != Kind::Fifo {
            made.major = rustix::fs::major(node.stat.st_rdev);
            made.minor = rustix::fs::minor(node.stat.st_rdev);
        }
        self.out.start(&made)
    }

    fn removed(&mut self, path: &[u8]) -> Result<()> {
        self.parents()?;
        let split = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let mark = [&path[..split], WHITEOUT, &path[split..]].concat();
        self.out.start(&Entry { path: mark, mode: 0o600, ..Entry::default() })
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}
