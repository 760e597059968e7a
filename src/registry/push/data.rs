//! Where a blob's bytes come from, readable from any offset and any thread.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// A blob's bytes.
#[derive(Debug)]
pub struct Data(File);

impl Data {
    pub fn new(file: File) -> Data {
        Data(file)
    }

    /// The bytes from `start` to `end`.
    pub fn reader(&self, start: u64, end: u64) -> impl Read + '_ {
        Part { file: &self.0, at: start, end }
    }
}

/// A part of a file, read without its position.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buf.len());
        let n = self.file.read_at(&mut buf[..left], self.at)?;
        if n == 0 && left > 0 {
            // Shorter than announced: the request can't be completed.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        Ok(n)
    }
}
