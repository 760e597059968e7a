//! Sockets of the name service: members' questions by UDP and TCP, and what is under way to other servers.

use super::forward::{Asked, Inside, Progress, Target, first_message};
use super::hosts::HostServers;
use super::message::{self, Refusal};
use super::zone::{Verdict, Zone};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketFlags};
use simple_dns::RCODE;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a server that does not answer is asked last: every name would wait for it.
const SHUNNED: Duration = Duration::from_secs(30);
/// Questions under way to other servers: in all, and of one member.
const MAX_ASKED: usize = 512;
const MAX_ASKED_OF_ONE: usize = 96;
/// TCP connections: in all, and of one member.
const MAX_CLIENTS: usize = 128;
const MAX_CLIENTS_OF_ONE: usize = 16;
/// A TCP connection without a question (RFC 7766 6.2.3 asks for seconds).
const IDLE: Duration = Duration::from_secs(10);
/// Longer questions by UDP are none.
const MAX_QUESTION: usize = 4096;
/// Bytes that a TCP client may leave unread.
const MAX_UNREAD: usize = 256 << 10;
/// Datagrams in a row from one socket.
const BURST: usize = 64;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Udp(u64),
    Tcp(u64),
    Client(u64),
    Asked(u64),
}

/// The sockets of one address of one network.
#[derive(Debug)]
struct Service {
    network: String,
    udp: OwnedFd,
    tcp: OwnedFd,
}

#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    network: String,
    peer: IpAddr,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    deadline: Instant,
    /// It sends nothing more; answers may still be due.
    ended: bool,
}

/// Where an answer goes.
#[derive(Clone, Debug)]
enum Origin {
    Udp { service: u64, to: SocketAddrAny, room: usize },
    Tcp(u64),
}

#[derive(Debug)]
struct Pending {
    asked: Asked,
    origin: Origin,
    peer: IpAddr,
    /// As the member sent it.
    query: Vec<u8>,
}

/// The name service of all networks of a holder.
#[derive(Debug)]
pub struct Server {
    zone: Zone,
    hosts: HostServers,
    services: BTreeMap<u64, Service>,
    clients: BTreeMap<u64, Client>,
    pending: BTreeMap<u64, Pending>,
    next: u64,
    buffer: Vec<u8>,
    /// Of other servers.
    port: u16,
    /// Servers that have let a question pass, and when: for a while the others are asked first.
    silent: BTreeMap<SocketAddr, Instant>,
}

impl Server {
    /// Asks the servers that `resolv_conf` lists at the time.
    pub fn new(resolv_conf: &Path) -> Server {
        Server {
            zone: Zone::default(),
            hosts: HostServers::new(resolv_conf),
            services: BTreeMap::new(),
            clients: BTreeMap::new(),
            pending: BTreeMap::new(),
            next: 0,
            buffer: vec![0; 65536],
            port: 53,
            silent: BTreeMap::new(),
        }
    }

    pub fn set_zone(&mut self, zone: Zone) {
        self.zone = zone;
    }

    /// Answers on these sockets for members of `network`.
    pub fn add(&mut self, network: &str, udp: OwnedFd, tcp: OwnedFd) {
        let key = self.key();
        self.services.insert(key, Service { network: network.to_string(), udp, tcp });
    }

    /// Stops answering for a network.
    pub fn remove(&mut self, network: &str) {
        self.services.retain(|_, s| s.network != network);
        self.clients.retain(|_, c| c.network != network);
    }

    fn key(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Everything to wait for.
    pub fn sources<'a>(&'a self, out: &mut Vec<(Source, BorrowedFd<'a>, PollFlags)>) {
        for (key, service) in &self.services {
            out.push((Source::Udp(*key), service.udp.as_fd(), PollFlags::IN));
            if self.clients.len() < MAX_CLIENTS {
                out.push((Source::Tcp(*key), service.tcp.as_fd(), PollFlags::IN));
            }
        }
        for (key, client) in &self.clients {
            let mut flags = if client.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            if !client.ended {
                flags |= PollFlags::IN;
            }
            out.push((Source::Client(*key), client.fd.as_fd(), flags));
        }
        for (key, pending) in &self.pending {
            let flags = if pending.asked.wants_write() { PollFlags::OUT } else { PollFlags::IN };
            out.extend(pending.asked.fd().map(|fd| (Source::Asked(*key), fd, flags)));
        }
    }

    /// When [`Server::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.values().map(|p| p.asked.deadline());
        pending.chain(self.clients.values().map(|c| c.deadline)).min()
    }

    /// Deals with what took too long.
    pub fn tick(&mut self, now: Instant, inside: &Inside<'_>) {
        self.clients.retain(|_, c| c.deadline > now);
        self.silent.retain(|_, since| now.duration_since(*since) < SHUNNED);
        let late: Vec<u64> = self.pending.iter().filter(|(_, p)| p.asked.deadline() <= now).map(|(k, _)| *k).collect();
        for key in late {
            if let Some(pending) = self.pending.get_mut(&key) {
                self.silent.extend(pending.asked.server().map(|server| (server, now)));
                let progress = pending.asked.fail(now, inside);
                self.settle(key, progress);
            }
        }
    }

    /// Something happened on one of the sockets; `inside` serves to ask members of networks.
    pub fn handle(&mut self, source: Source, now: Instant, inside: &Inside<'_>) {
        match source {
            Source::Udp(key) => self.receive(key, now, inside),
            Source::Tcp(key) => self.accept(key, now),
            Source::Client(key) => self.client(key, now, inside),
            Source::Asked(key) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                if let Some(pending) = self.pending.get_mut(&key) {
                    let progress = pending.asked.advance(&mut buffer, now, inside);
                    self.settle(key, progress);
                }
                self.buffer = buffer;
            }
        }
    }

    fn receive(&mut self, key: u64, now: Instant, inside: &Inside<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..BURST {
            let Some(service) = self.services.get(&key) else { break };
            let (length, from) = match rustix::net::recvfrom(&service.udp, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, length, Some(from))) => (length, from),
                Ok(_) | Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            let Ok(peer) = SocketAddr::try_from(from.clone()) else { continue };
            let (network, query) = (service.network.clone(), &buffer[..length.min(MAX_QUESTION + 1)]);
            if query.len() <= MAX_QUESTION {
                let origin = Origin::Udp { service: key, to: from, room: 0 };
                self.question(&network, peer.ip().to_canonical(), query, origin, now, inside);
            }
        }
        self.buffer = buffer;
    }

    fn accept(&mut self, key: u64, now: Instant) {
        let Some(service) = self.services.get(&key) else { return };
        let accepted = rustix::net::acceptfrom_with(&service.tcp, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let Ok((fd, Some(from))) = accepted else { return };
        let Ok(peer) = SocketAddr::try_from(from) else { return };
        let (peer, network) = (peer.ip().to_canonical(), service.network.clone());
        if self.clients.values().filter(|c| c.peer == peer).count() < MAX_CLIENTS_OF_ONE {
            let key = self.key();
            let (incoming, outgoing) = (Vec::new(), Vec::new());
            let client = Client { fd, network, peer, incoming, outgoing, deadline: now + IDLE, ended: false };
            self.clients.insert(key, client);
        }
    }

    fn client(&mut self, key: u64, now: Instant, inside: &Inside<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let alive = self.read_client(key, &mut buffer, now, inside) && self.write_client(key);
        self.buffer = buffer;
        if !alive {
            self.clients.remove(&key);
        }
    }

    /// False when the connection is of no more use.
    fn read_client(&mut self, key: u64, buffer: &mut [u8], now: Instant, inside: &Inside<'_>) -> bool {
        let Some(client) = self.clients.get_mut(&key) else { return true };
        if !client.ended {
            match rustix::net::recv(&client.fd, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => client.ended = true,
                Ok((_, length)) => client.incoming.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        let mut incoming = std::mem::take(&mut client.incoming);
        let (network, peer) = (client.network.clone(), client.peer);
        let mut taken = 0;
        while let Some(query) = first_message(&incoming[taken..]) {
            self.question(&network, peer, query, Origin::Tcp(key), now, inside);
            taken += 2 + query.len();
        }
        incoming.drain(..taken);
        let Some(client) = self.clients.get_mut(&key) else { return true };
        if taken > 0 {
            client.deadline = now + IDLE;
        }
        client.incoming = incoming;
        let due = self.pending.values().any(|p| matches!(p.origin, Origin::Tcp(k) if k == key));
        let Some(client) = self.clients.get(&key) else { return true };
        !client.ended || due || !client.outgoing.is_empty()
    }

    fn write_client(&mut self, key: u64) -> bool {
        let Some(client) = self.clients.get_mut(&key) else { return true };
        while !client.outgoing.is_empty() {
            match rustix::net::send(&client.fd, &client.outgoing, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(client.outgoing.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return client.outgoing.len() <= MAX_UNREAD,
                Err(_) => return false,
            }
        }
        true
    }

    /// Answers a question, or passes it on.
    fn question(
        &mut self,
        network: &str,
        peer: IpAddr,
        query: &[u8],
        mut origin: Origin,
        now: Instant,
        inside: &Inside<'_>,
    ) {
        let question = match message::parse(query) {
            Ok(question) => question,
            Err(Refusal::Silence) => return,
            Err(Refusal::FormatError) => return self.fail(&origin, query, RCODE::FormatError),
            Err(Refusal::NotImplemented) => return self.fail(&origin, query, RCODE::NotImplemented),
        };
        if let Origin::Udp { room, .. } = &mut origin {
            *room = question.room;
        }
        let room = match &origin {
            Origin::Udp { room, .. } => Some(*room),
            Origin::Tcp(_) => None,
        };
        let servers = match self.zone.resolve(network, peer, &question.name, question.kind) {
            Verdict::Addresses(mut ips) => {
                // Members with one name share the work.
                if !ips.is_empty() {
                    let turn = usize::from(question.id) % ips.len();
                    ips.rotate_left(turn);
                }
                return self.send(&origin, message::addresses(query, &ips, room));
            }
            Verdict::Names(names) => return self.send(&origin, message::names(query, &names, room)),
            Verdict::Unknown => return self.fail(&origin, query, RCODE::NameError),
            Verdict::Refuse => return self.fail(&origin, query, RCODE::Refused),
            Verdict::Ask(servers) if servers.is_empty() => self.hosts.get(now).iter().map(|ip| (*ip, None)).collect(),
            Verdict::Ask(servers) => servers,
        };
        let of_one = self.pending.values().filter(|p| p.peer == peer).count();
        if self.pending.len() >= MAX_ASKED || of_one >= MAX_ASKED_OF_ONE {
            return self.fail(&origin, query, RCODE::ServerFailure);
        }
        let target = |(ip, network)| Target { address: SocketAddr::new(ip, self.port), network };
        let mut servers: Vec<Target> = servers.into_iter().map(target).collect();
        servers.sort_by_key(|server| self.silent.contains_key(&server.address));
        match Asked::new(query, servers, matches!(origin, Origin::Tcp(_)), now, inside) {
            Some(asked) => {
                let key = self.key();
                self.pending.insert(key, Pending { asked, origin, peer, query: query.to_vec() });
            }
            None => self.fail(&origin, query, RCODE::ServerFailure),
        }
    }

    fn settle(&mut self, key: u64, progress: Progress) {
        if matches!(progress, Progress::Waiting) {
            return;
        }
        let Some(pending) = self.pending.remove(&key) else { return };
        match progress {
            Progress::Reply(mut reply) => {
                if let (Some(to), Some(id)) = (reply.get_mut(..2), pending.query.get(..2)) {
                    to.copy_from_slice(id);
                }
                self.send(&pending.origin, Some(reply));
            }
            _ => self.fail(&pending.origin, &pending.query, RCODE::ServerFailure),
        }
    }

    fn fail(&mut self, origin: &Origin, query: &[u8], code: RCODE) {
        self.send(origin, message::failure(query, code));
    }

    fn send(&mut self, origin: &Origin, reply: Option<Vec<u8>>) {
        let Some(reply) = reply else { return };
        match origin {
            Origin::Udp { service, to, .. } => {
                if let Some(service) = self.services.get(service) {
                    // What the member's queue has no room for is lost, as on any path: it asks again.
                    let _ = rustix::net::sendto(&service.udp, &reply, SendFlags::DONTWAIT, to);
                }
            }
            Origin::Tcp(key) => {
                let Ok(length) = u16::try_from(reply.len()) else { return };
                if let Some(client) = self.clients.get_mut(key) {
                    client.outgoing.extend_from_slice(&length.to_be_bytes());
                    client.outgoing.extend_from_slice(&reply);
                    if !self.write_client(*key) {
                        self.clients.remove(key);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
