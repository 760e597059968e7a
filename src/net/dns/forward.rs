//! Questions passed on to servers of the host's network or of a member's, one socket each: a random port and a random
//! id keep forged answers out.

use super::message;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all of them may take: resolver(3) gives up on us after five seconds, and hears "server failure" before.
const TOTAL: Duration = Duration::from_millis(4500);
/// Servers asked, all in all, for one question.
const TRIES: usize = 4;
/// The largest message there is.
const MESSAGE: usize = 65535;
/// Response codes after which another server may know better.
const SERVER_FAILURE: u8 = 2;
const REFUSED: u8 = 5;

/// Opens a socket in the namespace of the networks, non-blocking and bound to the bridge of one: the network's id, IPv6
/// or IPv4, TCP or UDP. `None` where that is not possible.
pub type Inside<'a> = dyn Fn(&str, bool, bool) -> Option<OwnedFd> + 'a;

/// A server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// It is a member of this network (an id), which the host does not reach.
    pub(super) network: Option<String>,
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Asked {
    /// With an id of our own.
    query: Vec<u8>,
    servers: Vec<Target>,
    tried: usize,
    tcp: bool,
    socket: Option<OwnedFd>,
    /// TCP: still to be written, then what was read.
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    began: Instant,
    deadline: Instant,
    /// A failure that stands if no other server answers.
    poor: Option<Vec<u8>>,
}

/// How it stands.
#[derive(Debug)]
pub(super) enum Progress {
    Waiting,
    /// The reply, with the id of our question.
    Reply(Vec<u8>),
    /// No server answered.
    Lost,
}

impl Asked {
    /// `query` gets a new id. By TCP if the member asks so: the answer may be long.
    pub(super) fn new(
        query: &[u8],
        servers: Vec<Target>,
        tcp: bool,
        now: Instant,
        inside: &Inside<'_>,
    ) -> Option<Asked> {
        let mut query = query.to_vec();
        getrandom::fill(query.get_mut(..2)?).ok()?;
        let mut asked = Asked {
            query,
            servers,
            tried: 0,
            tcp,
            socket: None,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            began: now,
            deadline: now,
            poor: None,
        };
        asked.next(now, inside).then_some(asked)
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The one asked at present.
    pub(super) fn server(&self) -> Option<SocketAddr> {
        self.servers.get(self.tried.checked_sub(1)? % self.servers.len().max(1)).map(|s| s.address)
    }

    /// Turns to the next server; false when there is none left.
    fn next(&mut self, now: Instant, inside: &Inside<'_>) -> bool {
        while self.tried < TRIES.min(self.servers.len() * 2) && now < self.began + TOTAL {
            let server = self.servers[self.tried % self.servers.len()].clone();
            self.tried += 1;
            self.incoming.clear();
            if let Ok(socket) = self.open(&server, inside) {
                self.socket = Some(socket);
                self.deadline = (now + PATIENCE).min(self.began + TOTAL);
                return true;
            }
        }
        self.socket = None;
        false
    }

    fn open(&mut self, server: &Target, inside: &Inside<'_>) -> Result<OwnedFd, Errno> {
        let ipv6 = server.address.is_ipv6();
        let family = if ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let kind = if self.tcp { SocketType::STREAM } else { SocketType::DGRAM };
        let fd = match &server.network {
            Some(network) => inside(network, ipv6, self.tcp).ok_or(Errno::NETUNREACH)?,
            None => rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?,
        };
        match rustix::net::connect(&fd, &server.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(e) => return Err(e),
        }
        if self.tcp {
            self.outgoing = [&(self.query.len() as u16).to_be_bytes()[..], &self.query].concat();
        } else {
            rustix::net::send(&fd, &self.query, SendFlags::NOSIGNAL)?;
        }
        Ok(fd)
    }

    /// Something happened on the socket.
    pub(super) fn advance(&mut self, buffer: &mut [u8], now: Instant, inside: &Inside<'_>) -> Progress {
        let step = if self.tcp { self.advance_tcp(buffer) } else { self.advance_udp(buffer) };
        match step {
            Ok(Some(reply)) => match message::code(&reply) {
                SERVER_FAILURE | REFUSED => {
                    self.poor = Some(reply);
                    self.fail(now, inside)
                }
                _ => Progress::Reply(reply),
            },
            Ok(None) => Progress::Waiting,
            Err(_) => self.fail(now, inside),
        }
    }

    /// Gives up on the present server.
    pub(super) fn fail(&mut self, now: Instant, inside: &Inside<'_>) -> Progress {
        if self.next(now, inside) {
            return Progress::Waiting;
        }
        self.poor.take().map_or(Progress::Lost, Progress::Reply)
    }

    fn advance_udp(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<u8>>, Errno> {
        let Some(socket) = &self.socket else { return Err(Errno::BADF) };
        loop {
            match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, length)) if message::belongs(&buffer[..length.min(MESSAGE)], &self.query) => {
                    return Ok(Some(buffer[..length.min(MESSAGE)].to_vec()));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    fn advance_tcp(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<u8>>, Errno> {
        let Some(socket) = &self.socket else { return Err(Errno::BADF) };
        while !self.outgoing.is_empty() {
            match rustix::net::send(socket, &self.outgoing, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        loop {
            match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Errno::CONNRESET),
                Ok((_, length)) => self.incoming.extend_from_slice(&buffer[..length]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e),
            }
            if let Some(reply) = first_message(&self.incoming) {
                return match message::belongs(reply, &self.query) {
                    true => Ok(Some(reply.to_vec())),
                    false => Err(Errno::PROTO),
                };
            }
            if self.incoming.len() > MESSAGE + 2 {
                return Err(Errno::PROTO);
            }
        }
    }
}

/// The first whole message of a TCP stream (RFC 1035 4.2.2).
pub(super) fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*head)))
}
