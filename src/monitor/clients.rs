//! The attach socket and its clients: terminals, the foreground `run`, and `wait`.

use super::proto;
use crate::error::{Context, Error, IntoError, Result};
use crate::state::atomic::make_dirs;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// More clients than this are refused: each costs a descriptor and a buffer.
const MAX_CLIENTS: usize = 128;

/// A terminal that does not read loses its connection when this much output waits for it (bytes); the log and the
/// container never wait for it.
const MAX_QUEUED: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub struct Client {
    pub fd: OwnedFd,
    pub number: u64,
    /// `HELLO_*`; 0 until the first frame.
    flags: u8,
    greeted: bool,
    /// Encoded frames that the socket had no room for.
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// Bytes of stdin taken but not yet acknowledged.
    pub unacked: usize,
    dead: bool,
}

/// What clients asked for, for the monitor's loop to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Stdin {
        client: u64,
        data: Vec<u8>,
    },
    /// The container's stdin is to be closed.
    StdinEof,
    Resize {
        rows: u16,
        columns: u16,
    },
    /// The container is to be what its files say now.
    Changed {
        client: u64,
    },
    /// The foreground client's reader has gone, and nobody else takes this output.
    OutputClosed {
        stderr: bool,
    },
}

/// All connections and the listening socket.
#[derive(Debug, Default)]
pub struct Clients {
    listener: Option<OwnedFd>,
    dir: PathBuf,
    list: Vec<Client>,
    next: u64,
}

impl Clients {
    /// Listens at `dir`/attach.
    pub fn listen(&mut self, dir: &Path) -> Result<()> {
        make_dirs(dir)?;
        own(dir)?;
        let kind = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, kind, None)
            .context("make the attach socket")?;
        let _ = std::fs::remove_file(dir.join("attach"));
        let (address, _keep) = proto::address(dir)?;
        rustix::net::bind(&fd, &address).with_context(|| format!("bind {}/attach", dir.display()))?;
        rustix::net::listen(&fd, 64).with_context(|| format!("listen at {}/attach", dir.display()))?;
        self.listener = Some(fd);
        self.dir = dir.to_path_buf();
        Ok(())
    }

    /// Takes the socket out of the file system; those connected stay so.
    pub fn stop_listening(&mut self) {
        if self.listener.take().is_some() {
            let _ = std::fs::remove_file(self.dir.join("attach"));
            let _ = std::fs::remove_dir(&self.dir);
        }
    }

    pub fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Takes a new connection, if one waits.
    pub fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let Ok(fd) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else { return };
        if self.list.len() < MAX_CLIENTS {
            self.adopt(fd);
        }
    }

    /// Adds a connected socket. A greeting that waits in it is taken at once: the container's output may come up in the
    /// same round of the loop, before the socket's turn, and must not miss the client.
    pub fn adopt(&mut self, fd: OwnedFd) {
        self.next += 1;
        let mut client = Client {
            fd,
            number: self.next,
            flags: 0,
            greeted: false,
            queue: VecDeque::new(),
            queued: 0,
            unacked: 0,
            dead: false,
        };
        client.greet();
        self.list.push(client);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.list.iter()
    }

    /// A lossless client is behind: the container's output is to wait.
    pub fn hold_output(&self) -> bool {
        self.list.iter().any(|c| c.flags & proto::HELLO_LOSSLESS != 0 && !c.queue.is_empty())
    }

    /// Nothing is left to send.
    pub fn flushed(&self) -> bool {
        self.list.iter().all(|c| c.queue.is_empty())
    }

    /// Output of the container, to all who want it.
    pub fn output(&mut self, stderr: bool, data: &[u8]) {
        let (kind, wanted) =
            if stderr { (proto::STDERR, proto::HELLO_STDERR) } else { (proto::STDOUT, proto::HELLO_STDOUT) };
        for client in self.list.iter_mut().filter(|c| c.flags & wanted != 0) {
            client.post(kind, data);
        }
    }

    /// A frame for everybody (exit, stdin closed).
    pub fn broadcast(&mut self, kind: u8, payload: &[u8]) {
        for client in &mut self.list {
            client.post(kind, payload);
        }
    }

    /// Tells a client that so much of its stdin was taken.
    pub fn acknowledge(&mut self, number: u64, bytes: usize) {
        if let Some(client) = self.list.iter_mut().find(|c| c.number == number) {
            client.unacked = client.unacked.saturating_sub(bytes);
            client.post(proto::ACK, &(bytes as u32).to_le_bytes());
        }
    }

    /// A frame for one client.
    pub fn send(&mut self, number: u64, kind: u8, payload: &[u8]) {
        if let Some(client) = self.list.iter_mut().find(|c| c.number == number) {
            client.post(kind, payload);
        }
    }

    /// Sends what waits for client `number` as far as its socket has room.
    pub fn writable(&mut self, number: u64) {
        if let Some(client) = self.list.iter_mut().find(|c| c.number == number) {
            client.flush();
        }
    }

    /// Reads all frames that client `number` has sent.
    pub fn readable(&mut self, number: u64, buffer: &mut [u8], requests: &mut Vec<Request>) {
        if let Some(client) = self.list.iter_mut().find(|c| c.number == number) {
            client.read(buffer, requests);
        }
        requests.retain(|request| match request {
            Request::OutputClosed { stderr } => !self.wanted(*stderr),
            _ => true,
        });
    }

    fn wanted(&self, stderr: bool) -> bool {
        let flag = if stderr { proto::HELLO_STDERR } else { proto::HELLO_STDOUT };
        self.list.iter().any(|c| c.flags & flag != 0 && !c.dead)
    }

    /// Forgets the dead. A foreground client that died takes the container's stdin with it.
    pub fn bury(&mut self, requests: &mut Vec<Request>) {
        self.list.retain(|client| {
            if client.dead && client.flags & proto::HELLO_ONCE != 0 && client.flags & proto::HELLO_STDIN != 0 {
                requests.push(Request::StdinEof);
            }
            !client.dead
        });
    }
}

impl Client {
    /// Whether the loop is to wait for room in the socket.
    pub fn pending(&self) -> bool {
        !self.queue.is_empty()
    }

    fn post(&mut self, kind: u8, payload: &[u8]) {
        if self.dead {
            return;
        }
        if self.queue.is_empty() {
            match proto::send(self.fd.as_fd(), kind, payload, false) {
                Ok(()) => return,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(_) => return self.dead = true,
            }
        }
        if self.flags & proto::HELLO_LOSSLESS == 0 && self.queued + payload.len() > MAX_QUEUED {
            self.dead = true;
            return;
        }
        let mut frame = Vec::with_capacity(payload.len() + 1);
        frame.push(kind);
        frame.extend_from_slice(payload);
        self.queued += frame.len();
        self.queue.push_back(frame);
    }

    fn flush(&mut self) {
        while let Some(frame) = self.queue.front() {
            let Some((kind, payload)) = frame.split_first() else { break };
            match proto::send(self.fd.as_fd(), *kind, payload, false) {
                Ok(()) => {
                    self.queued -= frame.len();
                    self.queue.pop_front();
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => return self.fail(),
            }
        }
    }

    fn fail(&mut self) {
        self.dead = true;
        self.queue.clear();
        self.queued = 0;
    }

    /// Takes the first frame, if it is here already.
    fn greet(&mut self) {
        match proto::recv(self.fd.as_fd(), &mut [0; 64], false) {
            Ok(Some((kind, payload))) => {
                if !self.frame(kind, payload, &mut Vec::new()) {
                    self.fail();
                }
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Ok(None) | Err(_) => self.fail(),
        }
    }

    fn read(&mut self, buffer: &mut [u8], requests: &mut Vec<Request>) {
        loop {
            match proto::recv(self.fd.as_fd(), buffer, false) {
                Ok(Some((kind, payload))) => {
                    if !self.frame(kind, payload, requests) {
                        return self.fail();
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(None) | Err(_) => return self.fail(),
            }
        }
    }

    /// False when the client breaks the rules.
    fn frame(&mut self, kind: u8, payload: &[u8], requests: &mut Vec<Request>) -> bool {
        if !self.greeted {
            self.greeted = true;
            self.flags = payload.first().copied().unwrap_or(0);
            return kind == proto::HELLO;
        }
        let wants_stdin = self.flags & proto::HELLO_STDIN != 0;
        match kind {
            proto::STDIN if wants_stdin => {
                self.unacked += payload.len();
                requests.push(Request::Stdin { client: self.number, data: payload.to_vec() });
                self.unacked <= proto::STDIN_WINDOW
            }
            proto::STDIN_EOF if wants_stdin => {
                if self.flags & proto::HELLO_ONCE != 0 {
                    requests.push(Request::StdinEof);
                }
                true
            }
            proto::RESIZE if payload.len() == 4 => {
                let rows = u16::from_le_bytes([payload[0], payload[1]]);
                let columns = u16::from_le_bytes([payload[2], payload[3]]);
                requests.push(Request::Resize { rows, columns });
                true
            }
            proto::CHANGED => {
                requests.push(Request::Changed { client: self.number });
                true
            }
            proto::DETACH => {
                self.flags &= !proto::HELLO_ONCE;
                true
            }
            proto::OUTPUT_CLOSED if payload.len() == 1 => {
                let stderr = payload[0] == 1;
                self.flags &= !(if stderr { proto::HELLO_STDERR } else { proto::HELLO_STDOUT });
                if self.flags & proto::HELLO_ONCE != 0 {
                    requests.push(Request::OutputClosed { stderr });
                }
                true
            }
            _ => false,
        }
    }
}

/// The sockets' directory may lie below /tmp: nobody else may own it or write there.
fn own(dir: &Path) -> Result<()> {
    for part in [dir.parent().and_then(Path::parent), Some(dir)].into_iter().flatten() {
        let stat = rustix::fs::lstat(part).map_err(|e| e.context(format!("look at {}", part.display())))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
            return Err(Error::denied(format!("use {}: others may write there", part.display()))
                .hint("give --runroot a directory of your own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::proto::*;

    fn pair() -> (Clients, OwnedFd) {
        let kind = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, kind, None).unwrap();
        let mut clients = Clients::default();
        clients.adopt(a);
        (clients, b)
    }

    fn read(clients: &mut Clients) -> Vec<Request> {
        let mut requests = Vec::new();
        clients.readable(1, &mut vec![0; CHUNK + 1], &mut requests);
        clients.bury(&mut requests);
        requests
    }

    #[test]
    fn serves_a_client() {
        let (mut clients, peer) = pair();
        send(peer.as_fd(), HELLO, &[HELLO_STDIN | HELLO_STDOUT | HELLO_ONCE], true).unwrap();
        send(peer.as_fd(), STDIN, b"abc", true).unwrap();
        send(peer.as_fd(), RESIZE, &[24, 0, 80, 0], true).unwrap();
        let got = read(&mut clients);
        assert_eq!(got[0], Request::Stdin { client: 1, data: b"abc".to_vec() });
        assert_eq!(got[1], Request::Resize { rows: 24, columns: 80 });
        clients.acknowledge(1, 3);
        clients.output(false, b"out");
        clients.output(true, b"err");
        let mut buffer = vec![0; CHUNK + 1];
        assert_eq!(recv(peer.as_fd(), &mut buffer, true).unwrap(), Some((ACK, &[3, 0, 0, 0][..])));
        assert_eq!(recv(peer.as_fd(), &mut buffer, true).unwrap(), Some((STDOUT, &b"out"[..])));
        assert_eq!(recv(peer.as_fd(), &mut buffer, false), Err(rustix::io::Errno::AGAIN), "no stderr asked for");
        drop(peer);
        assert_eq!(read(&mut clients), [Request::StdinEof], "a dead foreground client ends stdin");
        assert_eq!(clients.iter().count(), 0);
    }

    #[test]
    fn the_foreground_client_misses_nothing() {
        let kind = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (a, peer) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, kind, None).unwrap();
        send(peer.as_fd(), HELLO, &[HELLO_STDOUT], true).unwrap();
        let mut clients = Clients::default();
        clients.adopt(a);
        clients.output(false, b"early");
        assert_eq!(recv(peer.as_fd(), &mut [0; 16], false).unwrap(), Some((STDOUT, &b"early"[..])));
    }

    #[test]
    fn a_slow_terminal_is_dropped_and_a_slow_pipe_waited_for() {
        let (mut clients, peer) = pair();
        send(peer.as_fd(), HELLO, &[HELLO_STDOUT], true).unwrap();
        read(&mut clients);
        for _ in 0..40 {
            clients.output(false, &[0; CHUNK]);
        }
        assert!(!clients.hold_output());
        read(&mut clients);
        assert_eq!(clients.iter().count(), 0);

        let (mut clients, peer) = pair();
        send(peer.as_fd(), HELLO, &[HELLO_STDOUT | HELLO_LOSSLESS], true).unwrap();
        read(&mut clients);
        let mut sent = 0;
        while !clients.hold_output() {
            clients.output(false, &[1; CHUNK]);
            sent += 1;
        }
        let mut buffer = vec![0; CHUNK + 1];
        let mut got = 0;
        while got < sent {
            match recv(peer.as_fd(), &mut buffer, false) {
                Ok(Some((STDOUT, data))) => got += usize::from(data.len() == CHUNK),
                Err(rustix::io::Errno::AGAIN) => clients.writable(1),
                other => panic!("{other:?}"),
            }
        }
        assert!(clients.flushed());
    }

    #[test]
    fn breaking_the_rules_ends_the_connection() {
        for frames in [vec![(STDIN, 1)], vec![(HELLO, 1), (EXIT, 1)], vec![(HELLO, 1), (RESIZE, 3)]] {
            let (mut clients, peer) = pair();
            for (kind, length) in frames {
                send(peer.as_fd(), kind, &vec![0; length], true).unwrap();
            }
            read(&mut clients);
            assert_eq!(clients.iter().count(), 0);
        }
        let (mut clients, peer) = pair();
        send(peer.as_fd(), HELLO, &[HELLO_STDIN], true).unwrap();
        for _ in 0..5 {
            let _ = send(peer.as_fd(), STDIN, &[0; CHUNK], false);
            read(&mut clients);
        }
        assert_eq!(clients.iter().count(), 0, "more input than the window");
    }
}
