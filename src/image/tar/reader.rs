//! The stream reader: headers, extensions, data.

use super::header::{BLOCK, Flag, Header};
use super::pax::Pax;
use super::sparse;
use super::{Entry, Kind, MAX_PATH};
use crate::error::{Context, Error, Result};
use std::io::{BufRead, ErrorKind};

/// Longest extension header (pax records, long names), in bytes. Extended attributes are at most 64 KiB each.
const MAX_EXTENSION: u64 = 1 << 20;

/// Iterates over the members of a tar stream. A member's data need not be read to its end: the next call
/// skips what is left.
pub struct TarReader<R> {
    input: R,
    entry: Entry,
    /// Bytes of the present member's data that are still in the stream, and the padding after them.
    left: u64,
    padding: u64,
    block: [u8; BLOCK],
    extension: Vec<u8>,
}

impl<R: BufRead> TarReader<R> {
    pub fn new(input: R) -> Self {
        TarReader { input, entry: Entry::default(), left: 0, padding: 0, block: [0; BLOCK], extension: Vec::new() }
    }

    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next member; `None` at the end of the archive. What follows in the stream stays unread.
    pub fn next_entry(&mut self) -> Result<Option<&Entry>> {
        self.skip(self.left)?;
        self.skip_padding(self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut pax = Pax::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            if !self.read_block(true)? {
                return Ok(None);
            }
            let block = self.block;
            let header = Header(&block);
            if header.is_zero() {
                // One zero block ends an archive as well as two: GNU tar warns, everybody accepts.
                return Ok(None);
            }
            header.check()?;
            let flag = header.flag()?;
            match flag {
                Flag::Pax => {
                    self.read_extension(header.size()?)?;
                    pax.parse(&self.extension)?;
                }
                // Global headers carry comments (git archive); nothing in them may change entries behind our back.
                Flag::PaxGlobal => self.read_extension(header.size()?)?,
                Flag::GnuLongName => long_name = Some(self.long(header.size()?)?),
                Flag::GnuLongLink => long_link = Some(self.long(header.size()?)?),
                Flag::Entry(kind) => {
                    self.fill(&header, kind, pax, long_name, long_link)?;
                    return Ok(Some(&self.entry));
                }
                Flag::GnuSparse => {
                    self.fill(&header, Kind::Regular, pax, long_name, long_link)?;
                    self.gnu_sparse(&block)?;
                    return Ok(Some(&self.entry));
                }
            }
        }
    }

    /// The member that [`Self::next_entry`] returned last.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Passes the next piece of the member's stored data to `take`; `false` at its end.
    pub fn data(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let chunk = fill_buf(&mut self.input)?;
        if chunk.is_empty() {
            return Err(truncated());
        }
        let n = chunk.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        take(&chunk[..n])?;
        self.input.consume(n);
        self.left -= n as u64;
        Ok(true)
    }

    fn fill(
        &mut self,
        header: &Header,
        kind: Kind,
        pax: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<()> {
        let stored = pax.size.map_or_else(|| header.size(), Ok)?;
        let entry = &mut self.entry;
        entry.path.clear();
        match (pax.sparse.name, pax.path, long_name) {
            (Some(name), _, _) | (None, Some(name), _) | (None, None, Some(name)) => entry.path = name,
            (None, None, None) => header.path_into(&mut entry.path),
        }
        entry.link.clear();
        match (pax.link, long_link) {
            (Some(link), _) | (None, Some(link)) => entry.link = link,
            (None, None) => entry.link.extend_from_slice(header.link()),
        }
        if entry.path.is_empty() || entry.path.len() > MAX_PATH || entry.path.contains(&0) {
            return Err(Error::user("read tar: an entry's name is empty or too long"));
        }
        if matches!(kind, Kind::Link | Kind::Symlink) && (entry.link.is_empty() || entry.link.len() > MAX_PATH) {
            return Err(Error::user(format!("read tar entry {}: its link is empty or too long", entry.name())));
        }
        // A v7 tar marks directories by a trailing slash only, in the whole name.
        let stores = kind == Kind::Regular;
        let kind = if stores && entry.path.ends_with(b"/") { Kind::Directory } else { kind };
        let name = || format!("read tar entry {}", super::super::apply::printable(&entry.path));
        entry.kind = kind;
        entry.mode = header.mode().with_context(name)?;
        entry.uid = pax.uid.map_or_else(|| header.uid(), Ok).with_context(name)?;
        entry.gid = pax.gid.map_or_else(|| header.gid(), Ok).with_context(name)?;
        entry.mtime = pax.mtime.map_or_else(|| header.mtime(), Ok).with_context(name)?;
        let device = matches!(kind, Kind::Char | Kind::Block);
        entry.major = if device { header.major().with_context(name)? } else { 0 };
        entry.minor = if device { header.minor().with_context(name)? } else { 0 };
        entry.xattrs = pax.xattrs;
        entry.sparse = None;
        // POSIX allows a size on links and directories without data behind it; GNU tar and Go skip none either.
        let has_data = kind == Kind::Regular;
        entry.size = if has_data { stored } else { 0 };
        self.left = if stores { stored } else { 0 };
        self.padding = padding(self.left);
        if has_data && (pax.sparse.major.is_some() || !pax.sparse.map.is_empty()) {
            self.pax_sparse(pax.sparse.major, pax.sparse.minor, &pax.sparse.map, pax.sparse.size)?;
        }
        Ok(())
    }

    fn pax_sparse(&mut self, major: Option<u32>, minor: Option<u32>, map: &[u64], size: Option<u64>) -> Result<()> {
        let bad = || Error::user("read tar: malformed sparse file");
        let mut map = match (major.unwrap_or(0), minor.unwrap_or(0)) {
            (0, _) => sparse::pairs(map)?,
            (1, 0) => {
                let mut lines = sparse::Lines::default();
                loop {
                    self.left = self.left.checked_sub(BLOCK as u64).ok_or_else(bad)?;
                    self.read_block(false)?;
                    if let Some(map) = lines.block(&self.block)? {
                        break map;
                    }
                }
            }
            (major, minor) => return Err(Error::unsupported(format!("read tar: sparse format {major}.{minor}"))),
        };
        self.entry.size = size.ok_or_else(bad)?;
        // GNU tar ends maps with an empty segment at the file's end.
        map.retain(|(_, length)| *length > 0);
        sparse::check(&map, self.entry.size, self.left)?;
        self.entry.sparse = Some(map);
        Ok(())
    }

    fn gnu_sparse(&mut self, header: &[u8; BLOCK]) -> Result<()> {
        let mut map = Vec::new();
        let mut more = sparse::gnu_segments(header, true, &mut map)?;
        while more {
            self.read_block(false)?;
            more = sparse::gnu_segments(&self.block, false, &mut map)?;
        }
        let size = super::header::number(&header[483..495]).and_then(|n| u64::try_from(n).ok());
        self.entry.size = size.ok_or_else(|| Error::user("read tar: malformed sparse file"))?;
        // GNU tar ends maps with an empty segment at the file's end.
        map.retain(|(_, length)| *length > 0);
        sparse::check(&map, self.entry.size, self.left)?;
        self.entry.sparse = Some(map);
        Ok(())
    }

    fn long(&mut self, size: u64) -> Result<Vec<u8>> {
        self.read_extension(size)?;
        let name = super::header::cut(&self.extension);
        if name.is_empty() || name.len() > MAX_PATH {
            return Err(Error::user("read tar: an entry's name is empty or too long"));
        }
        Ok(name.to_vec())
    }

    /// Reads an extension header's data and its padding.
    fn read_extension(&mut self, size: u64) -> Result<()> {
        if size > MAX_EXTENSION {
            return Err(
                Error::user(format!("read tar: extension header of {size} bytes")).hint("at most 1 MiB is read")
            );
        }
        self.extension.resize(size as usize, 0);
        let mut at = 0;
        while at < self.extension.len() {
            let chunk = fill_buf(&mut self.input)?;
            if chunk.is_empty() {
                return Err(truncated());
            }
            let n = chunk.len().min(self.extension.len() - at);
            self.extension[at..at + n].copy_from_slice(&chunk[..n]);
            self.input.consume(n);
            at += n;
        }
        self.skip(padding(size))
    }

    /// Reads one block; `false` at the end of the stream, which must be at a border between members.
    fn read_block(&mut self, may_end: bool) -> Result<bool> {
        let mut at = 0;
        while at < BLOCK {
            let chunk = fill_buf(&mut self.input)?;
            if chunk.is_empty() {
                return if at == 0 && may_end { Ok(false) } else { Err(truncated()) };
            }
            let n = chunk.len().min(BLOCK - at);
            self.block[at..at + n].copy_from_slice(&chunk[..n]);
            self.input.consume(n);
            at += n;
        }
        Ok(true)
    }

    /// umoci and other Go tools end some layers with the last byte of data: no padding, no zero blocks.
    fn skip_padding(&mut self, bytes: u64) -> Result<()> {
        match fill_buf(&mut self.input)?.is_empty() {
            true => Ok(()),
            false => self.skip(bytes),
        }
    }

    fn skip(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let chunk = fill_buf(&mut self.input)?;
            if chunk.is_empty() {
                return Err(truncated());
            }
            let n = chunk.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.input.consume(n);
            bytes -= n as u64;
        }
        Ok(())
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn truncated() -> Error {
    Error::user("read tar: the archive ends in the middle of an entry").hint("it is truncated")
}

fn fill_buf<R: BufRead>(input: &mut R) -> Result<&[u8]> {
    // The borrow checker can't see that the loop ends with the borrow, hence the second call.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e).context("read tar"),
        }
    }
    input.fill_buf().context("read tar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_may_end_with_the_last_byte_of_data_but_not_before() {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(5);
        let mut builder = ::tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "a", &b"hello"[..]).unwrap();
        let whole = builder.into_inner().unwrap();
        for (end, good) in [(BLOCK + 5, true), (BLOCK + 4, false), (2 * BLOCK, true), (BLOCK + 100, false)] {
            let mut reader = TarReader::new(&whole[..end]);
            assert!(reader.next_entry().unwrap().is_some());
            assert_eq!(reader.next_entry().is_ok(), good, "cut at {end}");
        }
    }
}
