//! Where the walk's entries go: into a tar, or into a hash.

use crate::build::filehash::FileHashes;
use crate::error::{Context, Result};
use crate::image::tar::{Entry, TarWriter};
use rustix::fs::Stat;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Passes the next piece of a member's data on; false at its end.
pub(super) type Pull<'a> = dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> + 'a;

/// What follows an entry's header.
pub(super) enum Content<'a> {
    None,
    Bytes(&'a [u8]),
    /// A file of the context, whose hash may be known.
    Known(File, &'a Stat),
    /// Any other file.
    File(File),
    /// The present member of an archive.
    Member(&'a mut Pull<'a>),
}

pub(super) trait Sink {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()>;
    /// What is left out.
    fn note(&mut self, text: String);
}

pub(super) struct Tar<W: Write> {
    out: TarWriter<W>,
    notes: Vec<String>,
}

impl<W: Write> Tar<W> {
    pub fn new(out: W) -> Tar<W> {
        Tar { out: TarWriter::new(out), notes: Vec::new() }
    }

    pub fn finish(self) -> Result<Vec<String>> {
        self.out.finish()?.flush().context("write the layer")?;
        Ok(self.notes)
    }
}

impl<W: Write> Sink for Tar<W> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        self.out.start(entry)?;
        match content {
            Content::None => Ok(()),
            Content::Bytes(bytes) => self.out.write_all(bytes).context("write the layer"),
            Content::Known(mut file, _) | Content::File(mut file) => super::pump(&mut file, entry.size, &mut self.out),
            Content::Member(pull) => {
                while pull(&mut |chunk| self.out.write_all(chunk).context("write the layer"))? {}
                Ok(())
            }
        }
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

pub(super) struct Digest {
    hash: Sha256,
    files: FileHashes,
    notes: Vec<String>,
}

impl Digest {
    pub fn new(hashes: &Path) -> Digest {
        Digest { hash: Sha256::new(), files: FileHashes::load(hashes), notes: Vec::new() }
    }

    pub fn finish(self) -> (String, Vec<String>) {
        self.files.save();
        (crate::image::Digest::from_hash(self.hash).hex().to_string(), self.notes)
    }

    /// One field, with its length so that fields can't run into each other.
    fn field(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }
}

impl Sink for Digest {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        self.field(&entry.path);
        self.field(&entry.link);
        let kind = format!("{:?} {:o} {}:{}", entry.kind, entry.mode, entry.uid, entry.gid);
        let rest = format!("{kind} {:?} {} {}:{}", entry.mtime, entry.size, entry.major, entry.minor);
        self.field(format!("{rest} {:?} {:?}", entry.xattrs, entry.sparse).as_bytes());
        match content {
            Content::None => {}
            Content::Bytes(bytes) => self.field(bytes),
            Content::Known(mut file, stat) => {
                let hash = self.files.of(&mut file, stat)?;
                self.hash.update(hash);
            }
            Content::File(mut file) => {
                let mut hash = HashWriter(Sha256::new());
                super::pump(&mut file, entry.size, &mut hash)?;
                self.hash.update(hash.0.finalize());
            }
            Content::Member(pull) => {
                let mut hash = Sha256::new();
                while pull(&mut |chunk| {
                    hash.update(chunk);
                    Ok(())
                })? {}
                self.hash.update(hash.finalize());
            }
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
