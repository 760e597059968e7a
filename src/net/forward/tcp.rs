//! TCP: accept from the host, connect inside, move bytes both ways.

use super::inside::{Inside, Way};
use super::pump::{Direction, Peer, Pipes, Turn};
use super::{Port, Token, watch};
use crate::error::Result;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SocketFlags, SocketType, sockopt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Bytes that one connection may move before the others have their turn.
const SHARE: usize = 1 << 20;
/// Connections accepted in a row.
const ACCEPTS: usize = 64;
/// How soon accepting is tried again after the descriptors ran out.
const STARVED: Duration = Duration::from_millis(100);
/// A client that vanished without a word is noticed after ten minutes and a bit; the server's own probes can't see
/// it, since this process answers them.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(600);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBES: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

#[derive(Debug)]
struct Listener {
    key: u64,
    fd: OwnedFd,
    /// Port inside.
    port: u16,
    /// More connections may be waiting.
    pending: bool,
}

#[derive(Debug)]
struct Connection {
    client: Peer,
    server: Peer,
    up: Direction,
    down: Direction,
    connecting: bool,
    /// What else can be tried while connecting.
    ways: VecDeque<Way>,
    queued: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// All TCP listeners and connections.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    /// By slot, since events name them so; closed ones are `None`.
    listeners: Vec<Option<Listener>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Connections that used up their share.
    backlog: VecDeque<usize>,
    pipes: Pipes,
    /// Descriptors ran out.
    starved: bool,
}

impl Tcp {
    /// Gives its slot.
    pub(super) fn add_listener(&mut self, port: Port, fd: OwnedFd) -> usize {
        let listener = Some(Listener { key: port.key, fd, port: port.inside, pending: true });
        let slot = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
        match self.listeners.get_mut(slot) {
            Some(free) => *free = listener,
            None => self.listeners.push(listener),
        }
        slot
    }

    /// Accepts nothing more there; what was accepted lives on.
    pub(super) fn close_listener(&mut self, key: u64, epoll: &OwnedFd) {
        if let Some(slot) = self.listeners.iter_mut().find(|l| l.as_ref().is_some_and(|l| l.key == key))
            && let Some(listener) = slot.take()
        {
            // The monitor has the socket open too: closing ours would not take it out of the set.
            let _ = rustix::event::epoll::delete(epoll, &listener.fd);
        }
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        self.listeners.iter().flatten().map(|l| l.port).collect()
    }

    pub(super) fn watch(&self, epoll: &OwnedFd) -> Result<()> {
        (0..self.listeners.len()).try_for_each(|slot| self.watch_one(slot, epoll))
    }

    pub(super) fn watch_one(&self, slot: usize, epoll: &OwnedFd) -> Result<()> {
        match &self.listeners[slot] {
            Some(listener) => watch(epoll, &listener.fd, Token::TcpListener(slot)),
            None => Ok(()),
        }
    }

    /// How long the loop may sleep on our account; `None` = until an event.
    pub(super) fn patience(&self) -> Option<Duration> {
        let pending = self.listeners.iter().flatten().any(|l| l.pending);
        match (self.backlog.is_empty(), pending, self.starved) {
            (false, ..) | (true, true, false) => Some(Duration::ZERO),
            (true, true, true) => Some(STARVED),
            (true, false, _) => None,
        }
    }

    /// Gives waiting connections and listeners another turn.
    pub(super) fn work_off(&mut self, epoll: &OwnedFd, inside: &mut Inside) {
        for _ in 0..self.backlog.len() {
            if let Some(slot) = self.backlog.pop_front() {
                if let Some(connection) = self.slots[slot].connection.as_mut() {
                    connection.queued = false;
                }
                self.advance(slot);
            }
        }
        for listener in 0..self.listeners.len() {
            if self.listeners[listener].as_ref().is_some_and(|l| l.pending) {
                self.accept(listener, epoll, inside);
            }
        }
    }

    /// Accepts what waits at a listener.
    pub(super) fn accept(&mut self, listener: usize, epoll: &OwnedFd, inside: &mut Inside) {
        for _ in 0..ACCEPTS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let Some(Some(listener)) = self.listeners.get_mut(listener) else { return };
            listener.pending = true;
            let port = listener.port;
            match rustix::net::acceptfrom_with(&listener.fd, flags) {
                Ok((fd, Some(address))) => {
                    self.starved = false;
                    if let Ok(address) = SocketAddr::try_from(address) {
                        self.open(fd, plain(address), port, epoll, inside);
                    }
                }
                Ok((_, None)) | Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                // A connection that closes frees some; the kernel keeps the clients waiting.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.starved = true;
                    return;
                }
                Err(_) => {
                    listener.pending = false;
                    return;
                }
            }
        }
    }

    fn open(&mut self, client: OwnedFd, address: SocketAddr, port: u16, epoll: &OwnedFd, inside: &mut Inside) {
        let _ = sockopt::set_tcp_nodelay(&client, true);
        keep_alive(&client);
        let mut ways = VecDeque::from(inside.ways(address, port));
        let Some(server) = connect(&mut ways, inside) else {
            return reset(&client);
        };
        let connection = Connection {
            client: Peer::new(client),
            server: Peer::new(server),
            up: Direction::default(),
            down: Direction::default(),
            connecting: true,
            ways,
            queued: false,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let generation = self.slots[slot].generation;
        let watched = watch(epoll, &connection.client.fd, Token::Client(slot, generation))
            .and_then(|()| watch(epoll, &connection.server.fd, Token::Server(slot, generation)));
        self.slots[slot].connection = Some(connection);
        if watched.is_err() {
            self.abort(slot);
        }
    }

    /// What epoll has to say of one side of a connection.
    pub(super) fn event(
        &mut self,
        slot: usize,
        generation: u32,
        side: Side,
        flags: EventFlags,
        epoll: &OwnedFd,
        inside: &mut Inside,
    ) {
        let Some(Slot { generation: current, connection: Some(connection) }) = self.slots.get_mut(slot) else {
            return;
        };
        if *current != generation {
            return;
        }
        if side == Side::Server && connection.connecting {
            match connected(&connection.server.fd) {
                Ok(true) => connection.connecting = false,
                Ok(false) => return,
                Err(_) => {
                    // The old socket leaves the epoll set by being closed.
                    match connect(&mut connection.ways, inside) {
                        Some(server) => {
                            let watched = watch(epoll, &server, Token::Server(slot, generation));
                            connection.server = Peer::new(server);
                            if watched.is_err() {
                                self.abort(slot);
                            }
                        }
                        None => self.abort(slot),
                    }
                    return;
                }
            }
        }
        let (peer, direction) = match side {
            Side::Client => (&mut connection.client, &connection.up),
            Side::Server => (&mut connection.server, &connection.down),
        };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        peer.readable |= broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        peer.writable |= broken || flags.contains(EventFlags::OUT);
        // Reset after its last byte: no read will tell.
        if flags.contains(EventFlags::ERR) && direction.ended {
            return self.abort(slot);
        }
        self.advance(slot);
    }

    /// Moves what can be moved.
    fn advance(&mut self, slot: usize) {
        let Some(connection) = self.slots[slot].connection.as_mut().filter(|c| !c.connecting) else {
            return;
        };
        let (client, server) = (&mut connection.client, &mut connection.server);
        let up = connection.up.turn(client, server, SHARE, &mut self.pipes);
        let down = connection.down.turn(server, client, SHARE, &mut self.pipes);
        match (up, down) {
            (Err(_), _) | (_, Err(_)) => self.abort(slot),
            _ if connection.up.shut && connection.down.shut => self.remove(slot),
            (Ok(Turn::More), _) | (_, Ok(Turn::More)) if !connection.queued => {
                connection.queued = true;
                self.backlog.push_back(slot);
            }
            _ => {}
        }
    }

    /// Ends a connection so that both sides see a reset, as they would without us.
    fn abort(&mut self, slot: usize) {
        if let Some(connection) = &self.slots[slot].connection {
            reset(&connection.client.fd);
            reset(&connection.server.fd);
        }
        self.remove(slot);
    }

    fn remove(&mut self, slot: usize) {
        self.slots[slot].connection = None;
        self.slots[slot].generation = self.slots[slot].generation.wrapping_add(1);
        self.free.push(slot);
        self.starved = false;
    }
}

/// Tries the ways in order; the next error comes by epoll.
fn connect(ways: &mut VecDeque<Way>, inside: &mut Inside) -> Option<OwnedFd> {
    while let Some(way) = ways.pop_front() {
        match inside.connect(way, SocketType::STREAM) {
            Ok(fd) => {
                let _ = sockopt::set_tcp_nodelay(&fd, true);
                return Some(fd);
            }
            Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL) if way.from.is_none() => inside.doubt(),
            Err(_) => {}
        }
    }
    None
}

/// True when a connect has succeeded, false while it goes on.
fn connected(fd: &OwnedFd) -> Result<bool, Errno> {
    sockopt::socket_error(fd)??;
    match rustix::net::getpeername(fd) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Closing `fd` will send a reset.
fn reset(fd: &OwnedFd) {
    let _ = sockopt::set_socket_linger(fd, Some(Duration::ZERO));
}

fn keep_alive(fd: &OwnedFd) {
    let _ = sockopt::set_socket_keepalive(fd, true);
    let _ = sockopt::set_tcp_keepidle(fd, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(fd, KEEPALIVE_INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(fd, KEEPALIVE_PROBES);
}

/// A dual-stack socket shows IPv4 clients as IPv6 ones.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
