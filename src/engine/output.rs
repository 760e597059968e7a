//! Writing to the caller's standard streams without being held up by a slow reader.

use crate::error::{IntoError, Result};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// One of the caller's standard streams, to write to.
#[derive(Debug)]
pub(super) struct Output {
    pub fd: BorrowedFd<'static>,
    kind: FileType,
    /// The kernel knows RWF_NOWAIT for this file.
    nowait: bool,
    /// Nobody reads it any more: what is for it is dropped, the container goes on.
    pub broken: bool,
}

impl Output {
    pub fn new(fd: BorrowedFd<'static>) -> Output {
        let kind = rustix::fs::fstat(fd).map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode));
        Output { fd, kind, nowait: kind == FileType::Fifo, broken: false }
    }

    /// Writes what goes without waiting; poll said that some does.
    pub fn write(&mut self, data: &[u8]) -> Result<usize> {
        let result = match self.kind {
            // The file description may be shared with others, so O_NONBLOCK is not ours to set.
            FileType::Fifo if self.nowait => {
                match rustix::io::pwritev2(self.fd, &[IoSlice::new(data)], u64::MAX, ReadWriteFlags::NOWAIT) {
                    Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::SPIPE) => {
                        self.nowait = false;
                        Ok(0)
                    }
                    other => other,
                }
            }
            FileType::Socket => {
                rustix::net::send(self.fd, data, rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL)
            }
            // POSIX: a pipe that is writable takes PIPE_BUF bytes without blocking (pipe(7)). A terminal that is
            // stopped with ^S holds us after one such piece.
            FileType::Fifo | FileType::CharacterDevice => rustix::io::write(self.fd, &data[..data.len().min(4096)]),
            _ => rustix::io::write(self.fd, data),
        };
        match result {
            Ok(written) => Ok(written),
            Err(Errno::INTR | Errno::AGAIN) => Ok(0),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::IO | Errno::BADF) => {
                self.broken = true;
                Ok(data.len())
            }
            Err(e) => Err(e.context("write to standard output")),
        }
    }
}
