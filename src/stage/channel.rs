//! Frames between our processes: JSON and file descriptors over a SOCK_SEQPACKET pair.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One end of a socket pair. Close-on-exec, so that the peer sees EOF when this process executes a program or dies.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

impl Channel {
    pub fn pair() -> Result<(Channel, Channel)> {
        Err(Error::unsupported("make a channel: not built yet"))
    }
    /// Takes over an inherited descriptor (a stage's fd 3) and makes it close-on-exec again.
    pub fn from_fd(fd: OwnedFd) -> Channel {
        Channel { fd }
    }
    /// The descriptor that [`super::spawn`] passed as number `n` (3 is the first).
    pub fn inherited(_n: i32) -> Result<Channel> {
        Err(Error::unsupported("take a channel: not built yet"))
    }
    /// Sends one frame; blocks while the socket is full. Oversized frames travel in a memfd.
    pub fn send<T: Serialize + ?Sized>(&self, _frame: &T, _fds: &[BorrowedFd<'_>]) -> Result<()> {
        Err(Error::unsupported("send a frame: not built yet"))
    }
    /// The next frame; `None` at EOF (the peer exited, or executed a program).
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        Err(Error::unsupported("receive a frame: not built yet"))
    }
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
