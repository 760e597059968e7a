//! What goes over the monitor's two kinds of socket.
//!
//! The *start* channel (JSON frames, `stage::Channel`) carries one [`StartFrame`] (and a [`Mapped`]) down and one [`StartReply`] up.
//! The *attach* socket carries small binary frames, one a packet: a kind byte and its payload. Raw bytes of the
//! container travel there, so JSON would double them.

use crate::error::{Context, Error, IntoError, Result};
use crate::spec::model::VolumeAt;
use crate::state::container::State;
use crate::state::paths::Paths;
use crate::userns::IdMap;
use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Everything the monitor can't find out by itself: it never reads the environment. With it come, in this order, a user
/// namespace (unless `early` is none), the monitor's end of a connected attach socket (if `attached`), and fds 0, 1, 2 for the
/// container (if `passthrough`), and those of `listening` and `preserved`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartFrame {
    pub paths: Paths,
    pub id: String,
    /// Layer directories, top-most first.
    pub lowers: Vec<PathBuf>,
    pub idmap: IdMap,
    /// The same of the images mounted in it, by destination.
    pub images: BTreeMap<String, Vec<PathBuf>>,
    /// The spec's named volumes.
    pub volumes: BTreeMap<String, VolumeAt>,
    pub attached: bool,
    /// The maps of that user namespace are being written: a [`Mapped`] follows.
    pub early: EarlyKind,
    pub passthrough: bool,
    /// Names of listening sockets: for published ports, or for the program.
    pub listening: Vec<String>,
    /// How many further descriptors are the program's.
    pub preserved: usize,
    /// (rows, columns).
    pub window: Option<(u16, u16)>,
    pub trace: bool,
}

/// What a user namespace that comes with a [`StartFrame`] is to the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EarlyKind {
    /// There is none.
    None,
    /// Its own.
    Own,
    /// The one around its own.
    Outer,
}

/// Follows the [`StartFrame`] whose user namespace was begun early: its maps are written, or why they are not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mapped(pub Option<Error>);

/// The monitor's one answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StartReply {
    /// The container's program executes.
    Started {
        state: Box<State>,
        warnings: Vec<String>,
        /// Phase and microseconds since the monitor began.
        trace: Vec<(String, u64)>,
    },
    /// Nothing is left of it.
    Failed { error: Error, warnings: Vec<String> },
}

/// Largest payload of an attach frame: one pipe buffer. A packet must fit the socket's send buffer (212 992 bytes by
/// default, net.core.wmem_default).
pub const CHUNK: usize = 64 * 1024;

/// Bytes of stdin that a client may have on the way without an [`ACK`]. So the monitor can always read its clients'
/// frames (a resize behind megabytes of unread input would never arrive) and still holds little memory.
pub const STDIN_WINDOW: usize = 4 * CHUNK;

// Client to monitor.
/// First frame of every client: one byte of `HELLO_*` flags.
pub const HELLO: u8 = b'h';
pub const STDIN: u8 = b'i';
/// The client's stdin is at its end.
pub const STDIN_EOF: u8 = b'e';
/// Rows and columns, two little-endian u16.
pub const RESIZE: u8 = b'r';
/// The user left on purpose: stdin stays open.
pub const DETACH: u8 = b'd';
/// Nobody reads the client's stdout (0) or stderr (1) any more: one byte, which of them.
pub const OUTPUT_CLOSED: u8 = b'p';
/// The container's files have changed: networks, ports, limits, name, restart policy. The answer has the same kind: a `Result` as JSON.
pub const CHANGED: u8 = b'n';

// Monitor to client.
pub const STDOUT: u8 = b'o';
pub const STDERR: u8 = b'E';
/// Little-endian u32: so many bytes of stdin were taken.
pub const ACK: u8 = b'a';
/// The container reads no more stdin.
pub const STDIN_CLOSED: u8 = b'c';
/// Little-endian i32 exit code, then 1 if the container ended for good, 0 if its restart policy goes on.
pub const EXIT: u8 = b'x';

pub const HELLO_STDIN: u8 = 1;
pub const HELLO_STDOUT: u8 = 2;
pub const HELLO_STDERR: u8 = 4;
/// Gets every byte: the container waits when this client is slow.
pub const HELLO_LOSSLESS: u8 = 8;
/// The container's stdin ends with this client's.
pub const HELLO_ONCE: u8 = 16;

/// Sends one frame. With `wait` false a full socket is EAGAIN.
pub fn send(fd: BorrowedFd, kind: u8, payload: &[u8], wait: bool) -> rustix::io::Result<()> {
    let mut flags = SendFlags::NOSIGNAL;
    if !wait {
        flags |= SendFlags::DONTWAIT;
    }
    let parts = [IoSlice::new(std::slice::from_ref(&kind)), IoSlice::new(payload)];
    loop {
        match rustix::net::sendmsg(fd, &parts, &mut Default::default(), flags) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e),
        }
    }
}

/// Receives one frame into `buffer` (at least [`CHUNK`] + 1 bytes): kind and payload, or `None` at EOF. With `wait`
/// false an empty socket is EAGAIN.
pub fn recv<'a>(fd: BorrowedFd, buffer: &'a mut [u8], wait: bool) -> rustix::io::Result<Option<(u8, &'a [u8])>> {
    let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    let length = loop {
        match rustix::net::recv(fd, &mut *buffer, flags) {
            Ok((length, _)) => break length,
            Err(rustix::io::Errno::INTR) => continue,
            // A peer that closed with something of ours unread (a resize, say). The kernel tells it once, and before
            // what the peer had sent: its last word, the exit code, is still in our queue.
            Err(rustix::io::Errno::CONNRESET) => continue,
            Err(e) => return Err(e),
        }
    };
    Ok(buffer[..length].split_first().map(|(kind, payload)| (*kind, payload)))
}

/// Connects to the attach socket in `dir`. `NotFound` when no monitor listens there.
pub fn connect(dir: &std::path::Path) -> Result<std::os::fd::OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let fd =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).context("make a socket")?;
    let (address, _dir) = address(dir)?;
    rustix::net::connect(&fd, &address).map_err(|e| {
        let absent = matches!(e, rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED);
        let error = e.context(format!("connect to the monitor at {}", dir.display()));
        if absent { error.kind(crate::error::Kind::NotFound) } else { error }
    })?;
    Ok(fd)
}

/// The address of the attach socket in `dir`, and a descriptor to keep while it is used: sun_path holds 107 bytes, so
/// longer paths go through /proc/self/fd.
pub fn address(dir: &std::path::Path) -> Result<(rustix::net::SocketAddrUnix, Option<std::os::fd::OwnedFd>)> {
    use rustix::fs::{Mode, OFlags};
    let path = dir.join("attach");
    if path.as_os_str().len() < 108 {
        let address = rustix::net::SocketAddrUnix::new(&path).context("name a socket")?;
        return Ok((address, None));
    }
    let fd = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| {
        let error = e.context(format!("open {}", dir.display()));
        if e == rustix::io::Errno::NOENT { error.kind(crate::error::Kind::NotFound) } else { error }
    })?;
    let short = format!("/proc/self/fd/{}/attach", std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd()));
    Ok((rustix::net::SocketAddrUnix::new(short).context("name a socket")?, Some(fd)))
}

/// Decodes the payload of [`EXIT`].
pub fn parse_exit(payload: &[u8]) -> Option<(i32, bool)> {
    let (code, rest) = payload.split_first_chunk::<4>()?;
    Some((i32::from_le_bytes(*code), *rest.first()? == 1))
}

/// Encodes the payload of [`EXIT`].
pub fn exit(code: i32, last: bool) -> [u8; 5] {
    let c = code.to_le_bytes();
    [c[0], c[1], c[2], c[3], u8::from(last)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn frames_keep_their_borders() {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let data = vec![7u8; CHUNK];
        send(a.as_fd(), STDOUT, &data, true).unwrap();
        send(a.as_fd(), STDIN_EOF, &[], true).unwrap();
        send(a.as_fd(), EXIT, &exit(-1, true), true).unwrap();
        let mut buffer = vec![0; CHUNK + 1];
        let (kind, payload) = recv(b.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert!(kind == STDOUT && payload == data);
        assert_eq!(recv(b.as_fd(), &mut buffer, true).unwrap(), Some((STDIN_EOF, &[][..])));
        let (_, payload) = recv(b.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert_eq!(parse_exit(payload), Some((-1, true)));
        assert_eq!(recv(b.as_fd(), &mut buffer, false), Err(rustix::io::Errno::AGAIN));
        drop(a);
        assert_eq!(recv(b.as_fd(), &mut buffer, true).unwrap(), None);
        assert_eq!(parse_exit(b"12"), None);
    }

    #[test]
    fn the_last_word_survives_unread_frames() {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        send(b.as_fd(), RESIZE, &[1, 0, 1, 0], true).unwrap();
        send(a.as_fd(), EXIT, &exit(3, true), true).unwrap();
        drop(a);
        let mut buffer = vec![0; CHUNK + 1];
        let (kind, payload) = recv(b.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert_eq!((kind, parse_exit(payload)), (EXIT, Some((3, true))));
        assert_eq!(recv(b.as_fd(), &mut buffer, true).unwrap(), None);
    }

    #[test]
    fn long_paths_have_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(120));
        assert_eq!(connect(&long).unwrap_err().kind, crate::error::Kind::NotFound);
        std::fs::create_dir(&long).unwrap();
        assert_eq!(connect(&long).unwrap_err().kind, crate::error::Kind::NotFound);
        assert!(address(&long).unwrap().1.is_some());
        assert_eq!(connect(dir.path()).unwrap_err().kind, crate::error::Kind::NotFound);
    }
}
