//! UDP: a table of flows, each with a socket inside that carries its client's address.

use super::inside::{Inside, Way};
use super::tcp::plain;
use super::{Port, Token, watch};
use crate::error::Result;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType};
use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A flow that was never answered; both as conntrack's defaults (nf_conntrack_udp_timeout, …_stream).
const UNANSWERED: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(120);
/// Flows at a time; the one idle for longest makes room.
const MAX_FLOWS: usize = 4096;
/// Datagrams in a row from one socket.
const BURST: usize = 64;
/// The largest datagram there is.
const DATAGRAM: usize = 65536;

/// Where a client's datagram was sent to: the answer must come from there.
#[derive(Clone, Copy, Debug)]
enum Arrived {
    /// A bound address: the socket sends from nothing else.
    Bound,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

#[derive(Debug)]
struct Listener {
    key: u64,
    fd: OwnedFd,
    port: u16,
    /// Datagrams may be waiting.
    pending: bool,
    /// The server has refused IPv6: IPv4 clients only, it seems.
    ipv4_only: bool,
}

#[derive(Debug)]
struct Flow {
    /// Connected to the container's port.
    socket: OwnedFd,
    listener: usize,
    key: Key,
    client: SockaddrStorage,
    arrived: Arrived,
    way: Way,
    last: Instant,
    answered: bool,
}

type Key = (usize, SocketAddr, [u8; 16]);

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    flow: Option<Flow>,
}

/// All UDP listeners and flows.
#[derive(Debug, Default)]
pub(super) struct Udp {
    /// By slot, since events and flows name them so; closed ones are `None`.
    listeners: Vec<Option<Listener>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    table: HashMap<Key, usize>,
    /// Flows that used up their share.
    unread: Vec<(usize, u32)>,
    buffer: Vec<u8>,
}

impl Udp {
    /// Gives its slot.
    pub(super) fn add_listener(&mut self, port: Port, fd: OwnedFd) -> usize {
        self.buffer.resize(DATAGRAM, 0);
        let listener = Some(Listener { key: port.key, fd, port: port.inside, pending: true, ipv4_only: false });
        let slot = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
        match self.listeners.get_mut(slot) {
            Some(free) => *free = listener,
            None => self.listeners.push(listener),
        }
        slot
    }

    /// Ends the listener and its flows, which have no other way back.
    pub(super) fn close_listener(&mut self, key: u64, epoll: &OwnedFd, inside: &mut Inside) {
        let place = self.listeners.iter().position(|l| l.as_ref().is_some_and(|l| l.key == key));
        let Some(place) = place else { return };
        for slot in 0..self.slots.len() {
            if self.slots[slot].flow.as_ref().is_some_and(|f| f.listener == place) {
                self.remove(slot, inside);
            }
        }
        if let Some(listener) = self.listeners[place].take() {
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
            Some(listener) => watch(epoll, &listener.fd, Token::UdpListener(slot)),
            None => Ok(()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.unread.is_empty() || self.listeners.iter().flatten().any(|l| l.pending)
    }

    /// Gives sockets with waiting datagrams another turn.
    pub(super) fn work_off(&mut self, epoll: &OwnedFd, inside: &mut Inside, now: Instant) {
        for listener in 0..self.listeners.len() {
            if self.listeners[listener].as_ref().is_some_and(|l| l.pending) {
                self.receive(listener, epoll, inside, now);
            }
        }
        for (slot, generation) in std::mem::take(&mut self.unread) {
            self.answer(slot, generation, inside, now);
        }
    }

    /// Passes datagrams of clients inside.
    pub(super) fn receive(&mut self, listener: usize, epoll: &OwnedFd, inside: &mut Inside, now: Instant) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..BURST {
            let Some(Some(from)) = self.listeners.get_mut(listener) else { break };
            from.pending = true;
            match receive_one(&from.fd, &mut buffer) {
                Ok((length, client, arrived)) => {
                    let Some(address) = socket_address(&client) else { continue };
                    let key = (listener, address, arrived.address());
                    if let Some(slot) = self.find(key, client, arrived, epoll, inside, now) {
                        self.pass(slot, &buffer[..length], inside, now);
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                // An ICMP error that a past answer of ours caused.
                Err(nix::errno::Errno::ECONNREFUSED | nix::errno::Errno::EHOSTUNREACH) => {}
                Err(_) => {
                    from.pending = false;
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn pass(&mut self, slot: usize, datagram: &[u8], inside: &mut Inside, now: Instant) {
        let Some(flow) = self.slots[slot].flow.as_mut() else { return };
        flow.last = now;
        // Any other error loses the datagram, as a full buffer does on any path.
        let sent = rustix::net::send(&flow.socket, datagram, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        if sent == Err(Errno::CONNREFUSED) {
            self.refused(slot, inside);
        }
    }

    /// Passes the container's datagrams back to the client of a flow.
    pub(super) fn answer(&mut self, slot: usize, generation: u32, inside: &mut Inside, now: Instant) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut left = BURST;
        while let Some(Slot { generation: current, flow: Some(flow) }) = self.slots.get_mut(slot) {
            if *current != generation {
                break;
            }
            if left == 0 {
                self.unread.push((slot, generation));
                break;
            }
            left -= 1;
            match rustix::net::recv(&flow.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    (flow.last, flow.answered) = (now, true);
                    if let Some(listener) = &self.listeners[flow.listener] {
                        send_back(&listener.fd, &buffer[..length.min(DATAGRAM)], flow);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    self.refused(slot, inside);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// Nobody listens where the flow goes: the next datagram of the client begins a new one.
    fn refused(&mut self, slot: usize, inside: &mut Inside) {
        if let Some(flow) = &self.slots[slot].flow
            && flow.way.to.is_ipv6()
            && !flow.answered
            && let Some(listener) = &mut self.listeners[flow.listener]
        {
            listener.ipv4_only = true;
        }
        self.remove(slot, inside);
    }

    fn find(
        &mut self,
        key: Key,
        client: SockaddrStorage,
        arrived: Arrived,
        epoll: &OwnedFd,
        inside: &mut Inside,
        now: Instant,
    ) -> Option<usize> {
        if let Some(slot) = self.table.get(&key) {
            return Some(*slot);
        }
        if self.table.len() >= MAX_FLOWS {
            self.make_room(inside);
        }
        let listener = key.0;
        let (socket, way) = self.connect(listener, plain(key.1), inside)?;
        if let Some(from) = way.from
            && inside.begin_flow(from.ip(), way.to.ip()).is_err()
        {
            return None;
        }
        let flow = Flow { socket, listener, key, client, arrived, way, last: now, answered: false };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let watched = watch(epoll, &flow.socket, Token::Flow(slot, self.slots[slot].generation));
        self.slots[slot].flow = Some(flow);
        self.table.insert(key, slot);
        if watched.is_err() {
            self.remove(slot, inside);
            return None;
        }
        Some(slot)
    }

    fn connect(&self, listener: usize, client: SocketAddr, inside: &mut Inside) -> Option<(OwnedFd, Way)> {
        let Listener { port, ipv4_only, .. } = self.listeners[listener].as_ref()?;
        let (port, ipv4_only) = (*port, *ipv4_only);
        for way in inside.ways(client, port) {
            if ipv4_only && way.to.is_ipv6() {
                continue;
            }
            match inside.connect(way, SocketType::DGRAM) {
                Ok(socket) => return Some((socket, way)),
                Err(_) if way.from.is_none() => inside.doubt(),
                Err(_) => {}
            }
        }
        None
    }

    fn make_room(&mut self, inside: &mut Inside) {
        let flows = self.slots.iter().enumerate().filter_map(|(i, s)| s.flow.as_ref().map(|f| (f.last, i)));
        if let Some((_, slot)) = flows.min() {
            self.remove(slot, inside);
        }
    }

    /// Ends flows that were idle for long.
    pub(super) fn sweep(&mut self, inside: &mut Inside, now: Instant) {
        for slot in 0..self.slots.len() {
            let idle = |f: &Flow| now.duration_since(f.last) > if f.answered { ANSWERED } else { UNANSWERED };
            if self.slots[slot].flow.as_ref().is_some_and(idle) {
                self.remove(slot, inside);
            }
        }
    }

    fn remove(&mut self, slot: usize, inside: &mut Inside) {
        if let Some(flow) = self.slots[slot].flow.take() {
            self.table.remove(&flow.key);
            if let Some(from) = flow.way.from {
                inside.end_flow(from.ip());
            }
            self.slots[slot].generation = self.slots[slot].generation.wrapping_add(1);
            self.free.push(slot);
        }
    }
}

impl Arrived {
    /// The local address in IPv6 form; zero for a bound socket.
    fn address(&self) -> [u8; 16] {
        match self {
            Arrived::Bound => [0; 16],
            Arrived::V4(info) => std::net::Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).to_ipv6_mapped().octets(),
            Arrived::V6(info) => info.ipi6_addr.s6_addr,
        }
    }
}

fn receive_one(fd: &OwnedFd, buffer: &mut [u8]) -> nix::Result<(usize, SockaddrStorage, Arrived)> {
    let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let client = message.address.ok_or(nix::errno::Errno::EINTR)?;
    let mut arrived = Arrived::Bound;
    for control in message.cmsgs()? {
        match control {
            // The interface is left open, so that the answer takes the usual route.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                arrived = Arrived::V4(libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: info.ipi_addr, ..info });
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let link = IpAddr::from(info.ipi6_addr.s6_addr).is_link_local();
                let ipi6_ifindex = if link { info.ipi6_ifindex } else { 0 };
                arrived = Arrived::V6(libc::in6_pktinfo { ipi6_ifindex, ..info });
            }
            _ => {}
        }
    }
    Ok((message.bytes, client, arrived))
}

fn send_back(fd: &OwnedFd, datagram: &[u8], flow: &Flow) {
    let parts = [IoSlice::new(datagram)];
    let control = match &flow.arrived {
        Arrived::Bound => None,
        Arrived::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
        Arrived::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
    };
    // What the host's network doesn't take is lost, as on any path.
    let _ = sendmsg(fd.as_raw_fd(), &parts, control.as_slice(), MsgFlags::MSG_DONTWAIT, Some(&flow.client));
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
}

trait LinkLocal {
    fn is_link_local(&self) -> bool;
}

impl LinkLocal for IpAddr {
    fn is_link_local(&self) -> bool {
        match self {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        }
    }
}
