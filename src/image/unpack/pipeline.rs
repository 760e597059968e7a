//! The two threads of one layer: one inflates and hashes, the other extracts.

use crate::error::{Error, Result};
use crate::image::decompress::Decoder;
use crate::image::{Digest, apply};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Buffers between the threads: enough to even out bursts, few enough to stay in the cache.
const BUFFERS: usize = 8;
const BUFFER: usize = 128 << 10;

/// Held by the one layer that may take 128 MiB for its zstd window.
static WIDE: Mutex<()> = Mutex::new(());

/// What may follow the end of a tar: padding, a few kilobytes in practice. A bomb would have us inflate zeros for hours.
const MAX_TRAILING: u64 = if cfg!(test) { 1 << 20 } else { 1 << 30 };

/// What a stream is, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inflated {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// Decompresses `source`, passes it through `use_it` as a stream, and returns what all is that was decompressed.
/// What `use_it` leaves unread is hashed all the same.
pub fn run<S: Read + Send, T>(source: S, use_it: impl FnOnce(&mut ChunkReader) -> Result<T>) -> Result<(T, Inflated)> {
    let (full, filled) = sync_channel(BUFFERS);
    let (give_back, empty) = sync_channel(BUFFERS);
    std::thread::scope(|scope| {
        let inflater = std::thread::Builder::new()
            .name("inflate".into())
            .spawn_scoped(scope, move || inflate(source, &full, &empty))
            .map_err(|e| crate::error::IntoError::context(e, "start a thread"))?;
        let mut reader = ChunkReader { filled, give_back, chunk: Vec::new(), at: 0, ended: false };
        let used = use_it(&mut reader).and_then(|value| reader.drain().map(|()| value));
        // Hanging up makes the inflater stop early after a failure.
        drop(reader);
        let inflated = inflater.join().map_err(|_| Error::bug("decompress the layer: the thread panicked"))?;
        match (used, inflated) {
            (Ok(value), Some(inflated)) => Ok((value, inflated)),
            (Ok(_), None) => Err(Error::bug("decompress the layer: it ended early")),
            (Err(e), _) => Err(e),
        }
    })
}

type Chunk = std::result::Result<Vec<u8>, std::io::Error>;

/// `None` when the reader hung up or the data was bad (the reader has the error then).
fn inflate<S: Read>(source: S, full: &SyncSender<Chunk>, empty: &Receiver<Vec<u8>>) -> Option<Inflated> {
    let mut decoder = match Decoder::new(source) {
        Ok(decoder) => decoder,
        Err(e) => {
            let _ = full.send(Err(e.into()));
            return None;
        }
    };
    let _turn = decoder.is_wide().then(|| WIDE.lock());
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let mut chunk = empty.try_recv().unwrap_or_default();
        chunk.resize(BUFFER, 0);
        let mut at = 0;
        // Whole buffers only, except the last: tar blocks then never straddle two.
        while at < BUFFER {
            match decoder.read(&mut chunk[at..]) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let _ = full.send(Err(e));
                    return None;
                }
            }
        }
        chunk.truncate(at);
        hash.update(&chunk);
        size += at as u64;
        if full.send(Ok(chunk)).is_err() {
            return None;
        }
        if at == 0 {
            return Some(Inflated { digest: Digest::from_hash(hash), size });
        }
    }
}

/// The extracting side: a buffered reader over the chunks.
pub struct ChunkReader {
    filled: Receiver<Chunk>,
    give_back: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
}

impl ChunkReader {
    fn drain(&mut self) -> Result<()> {
        let mut left = MAX_TRAILING;
        loop {
            let n = self.fill_buf().map_err(|e| crate::error::IntoError::context(e, "decompress the layer"))?.len();
            if n == 0 {
                return Ok(());
            }
            left = left.checked_sub(n as u64).ok_or_else(|| {
                Error::denied(format!("decompress the layer: more than {MAX_TRAILING} bytes follow the end of its tar"))
            })?;
            self.consume(n);
        }
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.chunk.len() && !self.ended {
            let _ = self.give_back.try_send(std::mem::take(&mut self.chunk));
            self.at = 0;
            // The sender hangs up without an end mark only after having sent its error.
            self.chunk = self.filled.recv().map_err(|_| std::io::Error::other("the decompressor stopped"))??;
            self.ended = self.chunk.is_empty();
        }
        Ok(&self.chunk[self.at..])
    }
    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let chunk = self.fill_buf()?;
        let n = chunk.len().min(buf.len());
        buf[..n].copy_from_slice(&chunk[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Extracts one layer from `source` into the directory `root`.
pub(super) fn extract<S: Read + Send>(
    source: S,
    root: std::os::fd::OwnedFd,
    owners: apply::Owners,
) -> Result<((apply::Report, crate::image::tree::Contents), Inflated)> {
    run(source, |reader| {
        let mut tar = crate::image::tar::TarReader::new(reader);
        let limits = apply::Limits::of_disk(&root)?;
        apply::apply(root, &mut tar, owners, limits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_tar_is_bounded() {
        let read_one = |reader: &mut ChunkReader| {
            let n = reader.fill_buf().map_or(0, <[u8]>::len).min(1);
            reader.consume(n);
            Ok(())
        };
        assert!(run(&[0u8; 1000][..], read_one).is_ok());
        let e = run(std::io::repeat(0).take(MAX_TRAILING + 2), read_one).err().unwrap();
        assert!(e.to_string().contains("follow the end of its tar"), "{e}");
    }
}
