//! One layer's blob as a source: a file that may still grow.

use super::feed::{FromWorker, Socket};
use crate::error::{Context, Error, Kind, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What is known about a growing file.
#[derive(Debug, Default)]
pub(super) struct Growth {
    state: Mutex<GrowthState>,
    changed: Condvar,
    doubtful: bool,
}

#[derive(Debug, Default)]
struct GrowthState {
    /// Final size.
    end: Option<u64>,
    aborted: bool,
    /// Counts the news, so that none is missed between looking at the file and waiting.
    news: u64,
}

impl GrowthState {
    /// After a read that gave nothing at `position`: whether that is the end, or there is more to wait for. `news` are
    /// those counted before the read: what came since may be the rest of the bytes.
    fn complete(&self, position: u64, news: u64) -> Result<bool> {
        if self.aborted {
            return Err(Error::new(Kind::Interrupted, "extract the layer: its download ended"));
        }
        match self.end {
            Some(end) if position >= end => Ok(true),
            Some(end) if self.news == news => {
                Err(Error::denied(format!("extract the layer: {position} of {end} bytes are there")))
            }
            _ => Ok(false),
        }
    }
}

impl Growth {
    pub fn new(doubtful: bool) -> Growth {
        Growth { doubtful, ..Growth::default() }
    }
    /// After an error: whether it is of no interest, because the download was given up. Waits for that to be known where
    /// the data is doubtful.
    pub fn given_up(&self) -> bool {
        let mut state = self.lock();
        while self.doubtful && state.end.is_none() && !state.aborted {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.aborted
    }
    fn lock(&self) -> MutexGuard<'_, GrowthState> {
        // A panic elsewhere ends the job anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change(&self, change: impl FnOnce(&mut GrowthState)) {
        let mut state = self.lock();
        change(&mut state);
        state.news += 1;
        self.changed.notify_all();
    }
    pub fn grow(&self) {
        self.change(|_| {});
    }
    pub fn end(&self, size: u64) {
        self.change(|s| s.end = Some(size));
    }
    pub fn abort(&self) {
        self.change(|s| s.aborted = true);
    }
    /// The download is broken off, unless it is complete.
    pub fn close(&self) {
        self.change(|s| s.aborted |= s.end.is_none());
    }
}

/// Reads a blob, waiting for more until it is complete.
pub(super) struct Follow<'a> {
    file: File,
    growth: Arc<Growth>,
    position: u64,
    reported: u64,
    index: usize,
    socket: &'a Socket,
    stop: &'a AtomicBool,
}

/// Progress is reported at this step.
const REPORT: u64 = 256 << 10;

impl<'a> Follow<'a> {
    /// Opens the first of `paths` that exists. None does when a download was broken off before we came to it; then the
    /// growth is marked so.
    pub fn open(
        paths: &[PathBuf],
        growth: Arc<Growth>,
        index: usize,
        socket: &'a Socket,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for path in paths {
            match rustix::fs::open(path, flags, Mode::empty()) {
                Ok(fd) => {
                    return Ok(Follow { file: File::from(fd), growth, position: 0, reported: 0, index, socket, stop });
                }
                Err(Errno::NOENT) => {}
                Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
            }
        }
        growth.abort();
        Err(Error::not_found("open the layer's blob: it is gone"))
    }
}

impl Read for Follow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Interrupted, "extract the layer: another layer failed").into());
            }
            // Looked up before reading: bytes that come later bring news.
            let news = self.growth.lock().news;
            let n = self.file.read(buf)?;
            self.position += n as u64;
            if self.position - self.reported >= REPORT || n == 0 {
                self.reported = self.position;
                self.socket.try_send(&FromWorker::Consumed { index: self.index, bytes: self.position });
            }
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            let mut state = self.growth.lock();
            if state.complete(self.position, news)? {
                return Ok(0);
            }
            while state.news == news {
                state = self.growth.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_read_is_read_first() {
        let growth = Growth::new(false);
        let before = growth.lock().news;
        assert!(!growth.lock().complete(0, before).unwrap());
        growth.end(9);
        // The bytes 5 to 9 and their end came between the read and the look.
        assert!(!growth.lock().complete(5, before).unwrap());
        let now = growth.lock().news;
        assert!(growth.lock().complete(9, now).unwrap());
        assert!(growth.lock().complete(5, now).unwrap_err().to_string().contains("5 of 9 bytes"));
        growth.abort();
        assert_eq!(growth.lock().complete(9, now).unwrap_err().kind, Kind::Interrupted);
    }
}
