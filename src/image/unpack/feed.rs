//! The socket between whoever downloads and the extractor.
//!
//! A SOCK_SEQPACKET pair: frames are small and never torn, and either side's death is the other's end of file.

use crate::error::{Context, Error, Kind, Result};
use crate::sys::signal::interrupted;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// News about a blob that is being downloaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// It grows in the file `temp`, which is renamed to `blob` when it is complete. `doubtful`: what is there comes from
    /// an earlier download and may be spoiled, so that an error means nothing before the blob is verified.
    Start { index: usize, temp: PathBuf, blob: PathBuf, doubtful: bool },
    /// There is more to read.
    Grow { index: usize },
    /// It is complete, with this many bytes, and verified.
    End { index: usize, size: u64 },
    /// It won't become complete; another `Start` may follow.
    Abort { index: usize },
}

/// Progress of the extraction; may be lost when nobody reads.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    Consumed { index: usize, bytes: u64 },
    Done { index: usize },
}

/// Longest frame: a path and its JSON.
const FRAME: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub fn pair() -> Result<(Socket, Socket)> {
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("make a socket pair")?;
        Ok((Socket(a), Socket(b)))
    }

    /// Sends a frame, waiting while the socket is full. A peer that is gone is no error here: its answer tells more.
    pub fn send<T: Serialize>(&self, frame: &T) {
        self.put(frame, SendFlags::NOSIGNAL);
    }

    /// Sends a frame that may be lost.
    pub fn try_send<T: Serialize>(&self, frame: &T) {
        self.put(frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    fn put<T: Serialize>(&self, frame: &T, flags: SendFlags) {
        if let Ok(bytes) = serde_json::to_vec(frame) {
            while rustix::net::send(&self.0, &bytes, flags) == Err(rustix::io::Errno::INTR) {}
        }
    }

    /// The next frame; `None` when the peer is done.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let mut buffer = [0u8; FRAME];
        let n = loop {
            match rustix::net::recv(&self.0, &mut buffer, RecvFlags::empty()) {
                Ok((n, _)) => break n,
                Err(rustix::io::Errno::INTR) if interrupted() => {
                    return Err(Error::new(Kind::Interrupted, "extract the layers: interrupted"));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => break 0,
                Err(e) => return Err(e).context("receive from the extractor"),
            }
        };
        if n == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&buffer[..n]).context("receive from the extractor").map(Some)
    }

    /// Tells the peer that nothing more will come.
    pub fn no_more(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Write);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(s: Socket) -> OwnedFd {
        s.0
    }
}

impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Socket {
        Socket(fd)
    }
}
