//! gzip on all cores (RFC 1952, RFC 1951), as one member.
//!
//! The input is cut every [`CHUNK`] bytes whatever the number of threads, each piece ends at a byte border by an empty
//! stored block (a "sync flush"), and the pieces are put together in order: the same input gives the same bytes on
//! every machine.

use crate::error::{Context, Error, Result};
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Bytes compressed at once: large enough that the lost history costs less than a percent.
const CHUNK: usize = 1 << 20;
/// No name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty last block, where the last piece's flush left off.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// The level of layers that are made here, 1 to 9: 1 % more bytes than level 6 (of programs and documentation), sooner.
pub const LEVEL: i32 = 4;

struct Piece {
    data: Vec<u8>,
    level: u32,
    answer: SyncSender<Result<Packed>>,
}

struct Packed {
    bytes: Vec<u8>,
    crc: Crc,
}

/// Compresses what is written to it. [`ParallelGzip::finish`] writes the end; without it the output is cut short.
pub struct ParallelGzip<W: Write> {
    out: W,
    level: u32,
    buffer: Vec<u8>,
    /// Pieces under way, in order.
    pending: VecDeque<Receiver<Result<Packed>>>,
    workers: Option<SyncSender<Piece>>,
    threads: usize,
    crc: Crc,
}

impl<W: Write> ParallelGzip<W> {
    /// Starts threads when the second piece comes: call it after all forks.
    pub fn new(out: W) -> Result<ParallelGzip<W>> {
        ParallelGzip::with_level(out, LEVEL.unsigned_abs())
    }

    /// The same at one of gzip's levels, 1 to 9.
    pub fn with_level(mut out: W, level: u32) -> Result<ParallelGzip<W>> {
        out.write_all(&HEADER).context("write compressed data")?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let buffer = Vec::with_capacity(CHUNK);
        Ok(ParallelGzip { out, level, buffer, pending: VecDeque::new(), workers: None, threads, crc: Crc::new() })
    }

    /// Compresses what is left and writes the trailer.
    pub fn finish(mut self) -> Result<W> {
        if self.workers.is_none() {
            // Little data is done sooner than a thread is started.
            let data = std::mem::take(&mut self.buffer);
            self.put(deflate(&data, self.level)?)?;
        } else {
            self.send()?;
        }
        while let Some(next) = self.pending.pop_front() {
            self.receive(&next)?;
        }
        let mut end = LAST_BLOCK.to_vec();
        end.extend(self.crc.sum().to_le_bytes());
        end.extend(self.crc.amount().to_le_bytes());
        self.out.write_all(&end).context("write compressed data")?;
        Ok(self.out)
    }

    /// Gives the full buffer to a worker.
    fn send(&mut self) -> Result<()> {
        if self.workers.is_none() {
            self.workers = Some(start(self.threads)?);
        }
        let data = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        let (answer, answered) = sync_channel(1);
        let gone = || Error::bug("compress: the threads are gone");
        let workers = self.workers.as_ref().ok_or_else(gone)?;
        workers.send(Piece { data, level: self.level, answer }).map_err(|_| gone())?;
        self.pending.push_back(answered);
        if self.pending.len() > self.threads + 2 {
            let oldest = self.pending.pop_front().ok_or_else(gone)?;
            self.receive(&oldest)?;
        }
        Ok(())
    }

    fn receive(&mut self, answered: &Receiver<Result<Packed>>) -> Result<()> {
        let packed = answered.recv().map_err(|_| Error::bug("compress: a thread died"))??;
        self.put(packed)
    }

    fn put(&mut self, packed: Packed) -> Result<()> {
        self.crc.combine(&packed.crc);
        self.out.write_all(&packed.bytes).context("write compressed data")
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let n = buf.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&buf[..n]);
        if self.buffer.len() == CHUNK {
            self.send()?;
        }
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Threads that end when the sender is dropped.
fn start(threads: usize) -> Result<SyncSender<Piece>> {
    // Pieces are allocated here and freed elsewhere, by other threads for each layer.
    crate::sys::memory::return_large_buffers();
    let (send, receive) = sync_channel::<Piece>(threads);
    let receive = Arc::new(Mutex::new(receive));
    for _ in 0..threads {
        let receive = Arc::clone(&receive);
        let work = move || {
            loop {
                let next = receive.lock().ok().and_then(|r| r.recv().ok());
                let Some(Piece { data, level, answer }) = next else { return };
                // Nobody waits for it after a failure elsewhere.
                let _ = answer.send(deflate(&data, level));
            }
        };
        std::thread::Builder::new().name("deflate".into()).spawn(work).context("start a thread")?;
    }
    Ok(send)
}

fn deflate(data: &[u8], level: u32) -> Result<Packed> {
    let mut crc = Crc::new();
    crc.update(data);
    let mut stream = Compress::new(Compression::new(level), false);
    let mut bytes = Vec::with_capacity(data.len() / 2 + 1024);
    loop {
        let done = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let room = bytes.capacity() - bytes.len();
        stream
            .compress_vec(&data[done..], &mut bytes, FlushCompress::Sync)
            .map_err(|e| Error::bug(format!("compress: {e}")))?;
        // The flush is complete when it leaves room in the output.
        if stream.total_in() == data.len() as u64 && bytes.len() < bytes.capacity() && room > 0 {
            return Ok(Packed { bytes, crc });
        }
        bytes.reserve(64 << 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pack(data: &[u8], threads: usize, step: usize) -> Vec<u8> {
        let mut writer = ParallelGzip { threads, ..ParallelGzip::new(Vec::new()).unwrap() };
        data.chunks(step).for_each(|c| writer.write_all(c).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn the_same_bytes_whoever_makes_them() {
        let noise: Vec<u8> = (0u32..3_300_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 17) as u8).collect();
        for data in [&b""[..], b"short", &noise, &noise[..CHUNK], &noise[..2 * CHUNK]] {
            let one = pack(data, 1, 1 << 20);
            assert_eq!(one, pack(data, 3, 77_777));
            let mut back = Vec::new();
            // A decoder for a single member: nothing may follow it.
            let mut decoder = flate2::bufread::GzDecoder::new(&one[..]);
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == data && decoder.into_inner().is_empty(), "{} bytes", data.len());
        }
    }
}
