//! One direction of a connection: bytes move from socket to socket through a kernel pipe, never through this process.

use rustix::io::Errno;
use rustix::net::Shutdown;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::os::fd::OwnedFd;

/// Wanted size of a pipe in bytes; the kernel gives less to users who have many.
const PIPE_SIZE: usize = 256 * 1024;
/// Idle pipes kept for the next burst.
const POOL: usize = 16;

#[derive(Debug)]
struct Pipe {
    reading: OwnedFd,
    writing: OwnedFd,
}

/// Empty pipes. A direction holds one only while bytes are on their way, so that idle connections cost none.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<Pipe>);

impl Pipes {
    fn take(&mut self) -> Result<Pipe, Errno> {
        if let Some(pipe) = self.0.pop() {
            return Ok(pipe);
        }
        let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused beyond the user's share (pipe-user-pages-soft): the small one works too.
        let _ = rustix::pipe::fcntl_setpipe_size(&writing, PIPE_SIZE);
        Ok(Pipe { reading, writing })
    }

    fn give(&mut self, pipe: Pipe) {
        if self.0.len() < POOL {
            self.0.push(pipe);
        }
    }
}

/// A socket and what epoll last said of it: edge-triggered, so a flag holds until a call says otherwise.
#[derive(Debug)]
pub(super) struct Peer {
    pub fd: OwnedFd,
    pub readable: bool,
    pub writable: bool,
}

impl Peer {
    pub(super) fn new(fd: OwnedFd) -> Peer {
        Peer { fd, readable: false, writable: false }
    }
}

#[derive(Debug, Default)]
pub(super) struct Direction {
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    held: usize,
    /// The source has sent its last byte.
    pub ended: bool,
    /// The target has been told so.
    pub shut: bool,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing to do until the next event.
    Waiting,
    /// The share is used up.
    More,
}

impl Direction {
    /// Moves up to `share` bytes. An error means that one of the sockets is dead.
    pub(super) fn turn(
        &mut self,
        from: &mut Peer,
        to: &mut Peer,
        share: usize,
        pipes: &mut Pipes,
    ) -> Result<Turn, Errno> {
        let mut moved = 0;
        while moved < share {
            if self.held == 0 {
                if self.ended {
                    self.release(pipes);
                    if !self.shut {
                        self.shut = true;
                        // The half-close passes on; ENOTCONN: the other side is gone already.
                        match rustix::net::shutdown(&to.fd, Shutdown::Write) {
                            Ok(()) | Err(Errno::NOTCONN) => {}
                            Err(e) => return Err(e),
                        }
                    }
                    return Ok(Turn::Waiting);
                }
                if !from.readable {
                    self.release(pipes);
                    return Ok(Turn::Waiting);
                }
                self.fill(from, pipes)?;
                continue;
            }
            if !to.writable {
                return Ok(Turn::Waiting);
            }
            moved += self.drain(to)?;
        }
        Ok(Turn::More)
    }

    /// Reads into the empty pipe: "would block" then can only mean that the socket is empty.
    fn fill(&mut self, from: &mut Peer, pipes: &mut Pipes) -> Result<(), Errno> {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take()?,
        };
        let result = splice(&from.fd, &pipe.writing, PIPE_SIZE);
        self.pipe = Some(pipe);
        match result {
            Ok(0) => self.ended = true,
            Ok(n) => self.held = n,
            Err(Errno::AGAIN) => from.readable = false,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn drain(&mut self, to: &mut Peer) -> Result<usize, Errno> {
        let Some(pipe) = &self.pipe else {
            return Err(Errno::PIPE);
        };
        match splice(&pipe.reading, &to.fd, self.held) {
            Ok(n) => {
                self.held -= n;
                Ok(n)
            }
            Err(Errno::AGAIN) => {
                to.writable = false;
                Ok(0)
            }
            Err(Errno::INTR) => Ok(0),
            Err(e) => Err(e),
        }
    }

    fn release(&mut self, pipes: &mut Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.give(pipe);
        }
    }
}

fn splice(from: &OwnedFd, to: &OwnedFd, length: usize) -> Result<usize, Errno> {
    rustix::pipe::splice(from, None, to, None, length, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, Peer) {
        let (a, b) = UnixStream::pair().unwrap();
        b.set_nonblocking(true).unwrap();
        let mut peer = Peer::new(b.into());
        (peer.readable, peer.writable) = (true, true);
        (a, peer)
    }

    #[test]
    fn moves_everything_and_passes_the_end_on() {
        let (mut client, mut from) = pair();
        let (mut server, mut to) = pair();
        let (mut direction, mut pipes) = (Direction::default(), Pipes::default());
        client.write_all(b"hello").unwrap();
        assert_eq!(direction.turn(&mut from, &mut to, 1 << 20, &mut pipes), Ok(Turn::Waiting));
        assert!(!from.readable && pipes.0.len() == 1);
        drop(client);
        from.readable = true;
        assert_eq!(direction.turn(&mut from, &mut to, 1 << 20, &mut pipes), Ok(Turn::Waiting));
        assert!(direction.shut);
        let mut got = String::new();
        server.read_to_string(&mut got).unwrap();
        assert_eq!(got, "hello");
    }

    #[test]
    fn a_slow_target_bounds_what_is_held() {
        let (client, mut from) = pair();
        let (server, mut to) = pair();
        client.set_nonblocking(true).unwrap();
        let (mut direction, mut pipes) = (Direction::default(), Pipes::default());
        let mut sent = 0;
        for _ in 0..10_000 {
            match (&client).write(&[7; 65536]) {
                Ok(n) => sent += n,
                Err(_) => {
                    from.readable = true;
                    if direction.turn(&mut from, &mut to, 1 << 20, &mut pipes).unwrap() == Turn::Waiting && !to.writable
                    {
                        break;
                    }
                }
            }
        }
        assert!(!to.writable && sent < 8 << 20, "{sent}");
        drop(client);
        let mut got = 0;
        let mut buffer = vec![0; 1 << 20];
        server.set_nonblocking(true).unwrap();
        while !direction.shut {
            got += (&server).read(&mut buffer).unwrap_or(0);
            (from.readable, to.writable) = (true, true);
            direction.turn(&mut from, &mut to, 1 << 20, &mut pipes).unwrap();
        }
        drop(to);
        while let Ok(n @ 1..) = (&server).read(&mut buffer) {
            got += n;
        }
        assert_eq!(got, sent);
    }
}
