//! Layers in another compression. The result depends on the content, the algorithm and the level alone.

use super::data::Data;
use super::{Algorithm, Compressor};
use crate::error::{Context, Error, Result};
use crate::image::{Digest, ParallelGzip, inflate_through};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A layer made for a push. The file has no name: nothing of it is left, however this process ends.
#[derive(Debug)]
pub struct Made {
    pub data: Data,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// Held by a layer whose compression takes all cores, or much memory.
static TURN: Mutex<()> = Mutex::new(());
/// Levels of zstd above this take tens of megabytes.
const ROOMY: i32 = 9;

/// Compresses the blob `source` into a nameless file in `dir`; its content must be `diff_id`.
pub fn compress(source: File, diff_id: &Digest, compressor: Compressor, dir: &Path, stop: &AtomicBool) -> Result<Made> {
    let alone = compressor.algorithm == Algorithm::Gzip || compressor.level > ROOMY;
    let _turn = alone.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    let out = nameless(dir)?;
    let mut sink = Sink::new(out);
    let mut encoder = Encoder::new(&mut sink, compressor)?;
    // One thread inflates and hashes, this one (and for gzip one for each core) compresses.
    let ((), content) = inflate_through(source, |tar| {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::new(crate::error::Kind::Interrupted, "compress the layer"));
            }
            let chunk = tar.fill_buf().context("read the layer")?;
            if chunk.is_empty() {
                return Ok(());
            }
            let n = chunk.len();
            encoder.write_all(chunk).context("compress the layer")?;
            tar.consume(n);
        }
    })?;
    encoder.finish()?;
    let found = content.digest;
    if found != *diff_id {
        return Err(Error::denied(format!("compress the layer: its content is {found}, not {diff_id}"))
            .hint("the store is damaged: remove the image and pull it again"));
    }
    let (file, digest, size) = sink.finish();
    Ok(Made { data: Data::new(file), digest, size })
}

pub fn nameless(dir: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        // Some network file systems can't.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            tempfile::tempfile_in(dir).with_context(|| format!("create a file in {}", dir.display()))
        }
        Err(e) => Err(e).with_context(|| format!("create a file in {}", dir.display())),
    }
}

/// Counts and hashes what is written.
pub struct Sink {
    file: File,
    hash: Sha256,
    written: u64,
}

impl Sink {
    pub fn new(file: File) -> Sink {
        Sink { file, hash: Sha256::new(), written: 0 }
    }

    /// The file, the digest of its content and its length in bytes.
    pub fn finish(self) -> (File, Digest, u64) {
        (self.file, Digest::from_hash(self.hash), self.written)
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(buf)?;
        self.hash.update(&buf[..n]);
        self.written += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Encoder<'a> {
    Gzip(Box<ParallelGzip<&'a mut Sink>>),
    Zstd(zstd::Encoder<'static, &'a mut Sink>),
}

impl<'a> Encoder<'a> {
    fn new(sink: &'a mut Sink, compressor: Compressor) -> Result<Encoder<'a>> {
        Ok(match compressor.algorithm {
            // No name and no time in the header.
            Algorithm::Gzip => {
                Encoder::Gzip(Box::new(ParallelGzip::with_level(sink, compressor.level.unsigned_abs())?))
            }
            Algorithm::Zstd => {
                let mut encoder = zstd::Encoder::new(sink, compressor.level).context("start the zstd encoder")?;
                encoder.include_checksum(true).context("start the zstd encoder")?;
                Encoder::Zstd(encoder)
            }
        })
    }

    fn finish(self) -> Result<()> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish().map(drop),
            Encoder::Zstd(encoder) => encoder.finish().map(drop).context("compress the layer"),
        }
    }
}

impl Write for Encoder<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self {
            Encoder::Gzip(encoder) => encoder.write(buf),
            Encoder::Zstd(encoder) => encoder.write(buf),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Decoder;
    use std::io::Read;

    #[test]
    fn same_content_same_bytes_and_no_file_left() {
        let dir = tempfile::tempdir().unwrap();
        let content = b"some bytes, again some bytes".repeat(50_000);
        let path = dir.path().join("layer");
        std::fs::write(&path, &content).unwrap();
        let stop = AtomicBool::new(false);
        for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
            let make = || {
                compress(
                    File::open(&path).unwrap(),
                    &Digest::of(&content),
                    Compressor::new(algorithm),
                    dir.path(),
                    &stop,
                )
            };
            let (a, b) = (make().unwrap(), make().unwrap());
            assert_eq!((&a.digest, a.size), (&b.digest, b.size));
            let mut bytes = Vec::new();
            a.data.reader(0, a.size).read_to_end(&mut bytes).unwrap();
            assert_eq!(Digest::of(&bytes), a.digest);
            let mut back = Vec::new();
            Decoder::new(bytes.as_slice()).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == content);
        }
        let source = File::open(&path).unwrap();
        let wrong = compress(source, &Digest::of(b"x"), Compressor::new(Algorithm::Gzip), dir.path(), &stop);
        assert!(wrong.unwrap_err().to_string().contains("damaged"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
