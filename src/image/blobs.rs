//! Blobs: staged in `tmp/` (downloads: in `partial/`), verified, renamed.

use super::{Digest, MAX_JSON, Store};
use crate::error::{Context, Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the names of blobs in `tmp/` begin with.
pub(super) const STAGED: &str = "blob-";

/// A blob on its way into the store. Dropping it uncommitted leaves nothing, or what a later download goes on with
/// ([`Store::claim`]).
#[derive(Debug)]
pub struct BlobWriter {
    /// Flocked until it is in place, so that no sweeper and no other download takes it.
    file: File,
    target: Target,
    blobs: PathBuf,
    hash: Sha256,
    written: u64,
    expect: Option<Digest>,
    size: Option<u64>,
    unsynced: Arc<AtomicBool>,
    handled: Arc<Mutex<HashSet<String>>>,
}

/// Where a blob is until it is complete.
#[derive(Debug)]
pub(super) struct Target {
    pub temp: PathBuf,
    /// It stays there when the writer is dropped.
    pub keep: bool,
}

/// Hashed at once.
const CHUNK: usize = 256 << 10;

impl BlobWriter {
    pub(super) fn new(store: &Store, file: File, target: Target, expect: Option<&Digest>, size: Option<u64>) -> Self {
        BlobWriter {
            file,
            target,
            blobs: store.paths.blobs(),
            hash: Sha256::new(),
            written: 0,
            expect: expect.cloned(),
            size,
            unsynced: Arc::clone(&store.unsynced),
            handled: Arc::clone(&store.handled),
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Hashes what an earlier download has written; returns how much that is. To be called before the first write.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut buffer = vec![0u8; CHUNK];
        loop {
            let n = self.file.read(&mut buffer).with_context(|| format!("read {}", self.target.temp.display()))?;
            if n == 0 {
                return Ok(self.written);
            }
            self.hash.update(&buffer[..n]);
            self.written += n as u64;
        }
    }

    /// Throws away what was written.
    pub fn discard(mut self) {
        self.target.keep = false;
    }

    /// Verifies digest and size and makes the blob visible. Only [`Store::tag`] guarantees that it is on disk. A blob
    /// with another digest is thrown away.
    pub fn commit(mut self) -> Result<Digest> {
        let keep = std::mem::replace(&mut self.target.keep, false);
        if let Some(size) = self.size
            && size != self.written
        {
            return Err(Error::denied(format!("store the blob: {} bytes came, {size} were announced", self.written)));
        }
        let digest = Digest::from_hash(self.hash.clone());
        if let Some(expect) = &self.expect
            && *expect != digest
        {
            return Err(Error::denied(format!("store blob {expect}: the data's digest is {digest}"))
                .hint("the data was damaged or changed on the way"));
        }
        self.target.keep = keep;
        rustix::fs::rename(&self.target.temp, self.blobs.join(digest.hex()))
            .with_context(|| format!("store blob {digest}"))?;
        // The name is free now, and may be another's soon.
        self.target.keep = true;
        self.unsynced.store(true, Ordering::Release);
        if let Ok(mut handled) = self.handled.lock() {
            handled.insert(digest.hex().to_string());
        }
        Ok(digest)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(buf)?;
        self.written += n as u64;
        if self.size.is_some_and(|size| self.written > size) {
            return Err(Error::denied("store the blob: more data than announced").into());
        }
        self.hash.update(&buf[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        let empty = || self.file.metadata().is_ok_and(|m| m.len() == 0 && m.nlink() == 1);
        if !self.target.keep || (self.written == 0 && empty()) {
            let _ = std::fs::remove_file(&self.target.temp);
        }
    }
}

impl Store {
    /// Where the blob is, or would be.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.paths.blobs().join(digest.hex())
    }

    /// The directory of all blobs, which are named by their hex digests.
    pub fn blob_dir(&self) -> PathBuf {
        self.paths.blobs()
    }

    /// Hex digests of all blobs, with the bytes of their allocated blocks.
    pub fn blob_sizes(&self) -> HashMap<String, u64> {
        let entries = std::fs::read_dir(self.paths.blobs()).into_iter().flatten().flatten();
        let size = |e: &std::fs::DirEntry| e.metadata().map_or(0, |m| m.blocks() * 512);
        entries.map(|e| (e.file_name().to_string_lossy().into_owned(), size(&e))).collect()
    }

    /// Whether the whole blob is there; with `size` a truncated one (power loss) does not count.
    pub fn has_blob(&self, digest: &Digest, size: Option<u64>) -> bool {
        std::fs::metadata(self.blob(digest)).is_ok_and(|m| size.is_none_or(|size| m.len() == size))
    }

    /// Starts a blob. With `expect` and `size`, anything else is refused by `commit`.
    pub fn writer(&self, expect: Option<&Digest>, size: Option<u64>) -> Result<BlobWriter> {
        self.lease()?;
        let name = format!("{STAGED}{:08x}{:08x}", random()?, random()?);
        let temp = self.paths.tmp().join(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let named = || format!("create {}", temp.display());
        let fd = rustix::fs::open(&temp, flags, Mode::RUSR | Mode::WUSR).with_context(named)?;
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).with_context(named)?;
        Ok(BlobWriter::new(self, File::from(fd), Target { temp, keep: false }, expect, size))
    }

    /// Stores a small blob (manifest, config).
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        // One that a power cut spoiled is replaced.
        if self.has_blob(&digest, Some(bytes.len() as u64))
            && std::fs::read(self.blob(&digest)).is_ok_and(|b| b == bytes)
        {
            self.lease()?;
            return Ok(digest);
        }
        let mut writer = self.writer(Some(&digest), Some(bytes.len() as u64))?;
        writer.write_all(bytes).with_context(|| format!("store blob {digest}"))?;
        writer.commit()
    }

    /// Reads a small blob (at most [`MAX_JSON`] bytes) and verifies it.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob(digest);
        let named = || format!("read blob {digest}");
        let file = File::open(&path).with_context(named).map_err(|e| match e.errno {
            Some(libc::ENOENT) => e.kind(crate::error::Kind::NotFound),
            _ => e,
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_JSON + 1).read_to_end(&mut bytes).with_context(named)?;
        if bytes.len() as u64 > MAX_JSON {
            return Err(Error::user(format!("{}: it has more than {MAX_JSON} bytes", named())));
        }
        if Digest::of(&bytes) != *digest {
            return Err(Error::denied(format!("{}: {} is damaged", named(), path.display()))
                .hint("remove the image and pull it again"));
        }
        Ok(bytes)
    }

    /// Brings everything written so far to disk, if anything was.
    pub fn sync(&self) -> Result<()> {
        if self.unsynced.swap(false, Ordering::AcqRel) {
            let dir = File::open(&self.paths.data).context("open the data directory")?;
            rustix::fs::syncfs(&dir).context("sync the data directory")?;
        }
        Ok(())
    }
}

pub(super) fn random() -> Result<u32> {
    getrandom::u32().map_err(|e| Error::new(crate::error::Kind::Io, format!("get random numbers: {e}")))
}
