//! Frames between our processes: JSON and file descriptors over a SOCK_SEQPACKET pair.

use crate::error::{Context, Error, Result};
use crate::sys::launcher::REFUSED;
use crate::sys::process;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Frames up to this many bytes travel in the socket itself; the kernel's limit is its send buffer (net.core.wmem_*).
const INLINE: usize = 48 << 10;
/// A memfd frame beyond this is not one of ours.
const LIMIT: u64 = 64 << 20;
/// Descriptors of one frame, the memfd included.
const MAX_FDS: usize = 33;
/// First byte of a frame: its JSON follows, or is in the memfd that comes as the first descriptor.
const HERE: u8 = b'=';
const MEMFD: u8 = b'@';

/// What came over a channel.
#[derive(Debug)]
pub enum Heard<T> {
    Frame(T, Vec<OwnedFd>),
    /// The launcher could not execute the program that it was given.
    Refused(Errno),
    /// The peer exited, or executed a program.
    End,
}

/// One end of a socket pair. Close-on-exec, so that the peer sees EOF when this process executes a program or dies.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
    /// See [`Channel::was_reset`].
    reset: AtomicBool,
}

impl Channel {
    pub fn pair() -> Result<(Channel, Channel)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("make a channel")?;
        Ok((Channel::from_fd(a), Channel::from_fd(b)))
    }

    /// Takes over a descriptor that is an end of [`Channel::pair`].
    pub fn from_fd(fd: OwnedFd) -> Channel {
        Channel { fd, reset: AtomicBool::new(false) }
    }

    /// The descriptor that [`super::spawn`] passed as number `n` (3 is the first); once for each number.
    pub fn inherited(n: i32) -> Result<Channel> {
        Ok(Channel::from_fd(process::take_fd(n).with_context(|| format!("take over descriptor {n}"))?))
    }

    /// The same end under a number from `first` on.
    pub fn aside(&self, first: i32) -> Result<Channel> {
        Ok(Channel::from_fd(rustix::io::fcntl_dupfd_cloexec(&self.fd, first).context("copy a channel")?))
    }

    /// Sends one frame; blocks while the socket is full. Oversized frames travel in a memfd. EPIPE when the peer is gone.
    pub fn send<T: Serialize + ?Sized>(&self, frame: &T, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let mut bytes = vec![HERE];
        serde_json::to_writer(&mut bytes, frame).context("encode a frame")?;
        let mut all = Vec::with_capacity(fds.len() + 1);
        let memfd;
        if bytes.len() > INLINE {
            memfd = memfd_create("frame", MemfdFlags::CLOEXEC).context("make a memfd")?;
            let mut at = 1;
            while at < bytes.len() {
                at += rustix::io::pwrite(&memfd, &bytes[at..], at as u64 - 1).context("write a memfd")?;
            }
            bytes = vec![MEMFD];
            all.push(memfd.as_fd());
        }
        all.extend_from_slice(fds);
        if all.len() > MAX_FDS {
            return Err(Error::bug(format!("send a frame with {} descriptors", all.len())));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !all.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&all)) {
            return Err(Error::bug("send a frame: too many descriptors"));
        }
        loop {
            match sendmsg(&self.fd, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e).context("send a frame"),
            }
        }
    }

    /// The next frame; `None` at EOF (the peer exited, or executed a program).
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        match self.hear()? {
            Heard::Frame(frame, fds) => Ok(Some((frame, fds))),
            Heard::End => Ok(None),
            Heard::Refused(errno) => Err(errno).context("execute the program"),
        }
    }

    /// As [`Channel::recv`], from a peer that may execute a program through the launcher.
    pub fn hear<T: DeserializeOwned>(&self) -> Result<Heard<T>> {
        let mut bytes = vec![0; self.next_length()?];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            match recvmsg(&self.fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(message) => break message,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => {
                    self.reset.store(true, Ordering::Relaxed);
                    return Ok(Heard::End);
                }
                Err(e) => return Err(e).context("receive a frame"),
            }
        };
        if message.bytes == 0 {
            return Ok(Heard::End);
        }
        if message.flags.intersects(rustix::net::ReturnFlags::CTRUNC | rustix::net::ReturnFlags::TRUNC) {
            return Err(Error::bug("receive a frame: truncated"));
        }
        let mut fds: Vec<OwnedFd> = control
            .drain()
            .filter_map(|m| match m {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect();
        if bytes[0] == HERE {
            let frame = serde_json::from_slice(&bytes[1..message.bytes]).context("decode a frame")?;
            return Ok(Heard::Frame(frame, fds));
        }
        if let [REFUSED, errno @ ..] = &bytes[..message.bytes] {
            let errno = errno.first_chunk::<4>().map_or(0, |e| i32::from_le_bytes(*e));
            return Ok(Heard::Refused(Errno::from_raw_os_error(errno)));
        }
        if fds.is_empty() {
            return Err(Error::bug("receive a frame: its memfd is missing"));
        }
        let mut file = std::fs::File::from(fds.remove(0));
        std::io::Seek::rewind(&mut file).context("read a memfd")?;
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).context("read a memfd")?;
        Ok(Heard::Frame(serde_json::from_slice(&text).context("decode a frame")?, fds))
    }

    /// Waits for a frame; its length, so that no buffer need be made for the longest (16 pages).
    fn next_length(&self) -> Result<usize> {
        loop {
            let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
            match rustix::net::recv(&self.fd, &mut [0u8; 1][..], flags) {
                Ok((_, length)) => return Ok(length.clamp(1, INLINE + 1)),
                Err(Errno::INTR) => {}
                // The error is gone once it is told.
                Err(Errno::CONNRESET) => {
                    self.reset.store(true, Ordering::Relaxed);
                    return Ok(1);
                }
                Err(e) => return Err(e).context("receive a frame"),
            }
        }
    }

    /// The EOF that [`Channel::recv`] reported came from a peer that had not read all our frames: it died.
    pub fn was_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_small_and_large_frames_with_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        for size in [1, INLINE - 10, INLINE + 10, 3 << 20] {
            let text = "x".repeat(size);
            a.send(&text, &[write.as_fd()]).unwrap();
            let (got, fds) = b.recv::<String>().unwrap().unwrap();
            assert_eq!((got == text, fds.len()), (true, 1), "{size}");
            rustix::io::write(&fds[0], b"!").unwrap();
            assert_eq!(rustix::io::read(&read, &mut [0; 8]).unwrap(), 1);
        }
    }

    #[test]
    fn sees_the_end() {
        let (a, b) = Channel::pair().unwrap();
        a.send(&1, &[]).unwrap();
        drop(a);
        assert_eq!(b.recv::<i32>().unwrap().unwrap().0, 1);
        assert!(b.recv::<i32>().unwrap().is_none());
        assert!(b.send(&1, &[]).unwrap_err().is_errno(libc::EPIPE));
    }
}
