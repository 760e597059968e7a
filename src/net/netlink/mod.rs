//! A minimal rtnetlink client: links up, addresses, local routes and policy rules of the present network namespace.
//!
//! Message layouts are those of rtnetlink(7), `linux/rtnetlink.h` and `linux/fib_rules.h`; numbers are in host order.
//! Written by hand because a handful of messages is all that is needed, and a crate for all of netlink is not small.

mod bridge;
mod masquerade;
mod message;

pub use bridge::{Gateway, Link, Veth};
pub use masquerade::{masquerade, unmasquerade};

use crate::error::{Context, Error, Result};
use message::{Message, attributes, bits, family, parse_ip, u16_at, u32_at};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_TENTATIVE: u32 = 0x40;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const RTN_LOCAL: u8 = 2;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_HOST: u8 = 254;
const RT_TABLE_UNSPEC: u8 = 0;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FR_ACT_TO_TBL: u8 = 1;

/// Index of `lo` in every network namespace.
pub const LOOPBACK: u32 = 1;

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub interface: u32,
    pub ip: IpAddr,
    pub prefix: u8,
    /// Valid beyond the link (not link-local, not of the host only).
    pub global: bool,
    /// Still under duplicate address detection: not yet usable.
    pub tentative: bool,
}

/// A policy rule: packets that match all given conditions look in `table` first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub priority: u32,
    pub table: u32,
    pub mark: Option<u32>,
    /// IP protocol number and the range of source ports, both ends included.
    pub source_ports: Option<(u8, u16, u16)>,
    /// Name of the interface that they come in by.
    pub interface: Option<String>,
}

/// A socket to the routing side of the kernel, for the network namespace it was opened in.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub fn open() -> Result<Netlink> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None, // protocol 0 is NETLINK_ROUTE
        )
        .context("open a routing socket")?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0)).context("bind a routing socket")?;
        Ok(Netlink { fd, sequence: 0 })
    }

    /// Sets an interface up.
    pub fn link_up(&mut self, interface: u32) -> Result<()> {
        self.request(link_up(interface)).with_context(|| format!("bring up interface {interface}"))
    }

    /// Adds an address, usable at once (no duplicate address detection); one that is there already is fine.
    pub fn add_address(&mut self, interface: u32, ip: IpAddr, prefix: u8) -> Result<()> {
        tolerate(self.request(add_address(interface, ip, prefix)), libc::EEXIST)
            .with_context(|| format!("add address {ip}/{prefix}"))
    }

    /// All addresses of both families.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let mut message = Message::new(RTM_GETADDR, NLM_F_DUMP);
        message.put(&[0u8; 8]);
        let answers = self.exchange(message).context("list addresses")?;
        Ok(answers
            .iter()
            .filter(|(kind, _)| *kind == RTM_NEWADDR)
            .filter_map(|(_, body)| parse_address(body))
            .collect())
    }

    /// In `table`, makes all addresses of a family ones of this namespace, so that packets to them reach transparent
    /// sockets.
    pub fn add_local_default(&mut self, table: u32, ipv6: bool) -> Result<()> {
        let any = if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
        self.request(local_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, table, (any, 0), None))
            .with_context(|| format!("route replies in table {table}"))
    }

    /// The same for one address; `source` is the sender's address that packets to it carry by default.
    pub fn add_local_route(&mut self, table: u32, destination: IpAddr, source: IpAddr) -> Result<()> {
        let route = (destination, bits(destination));
        self.request(local_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, table, route, Some(source)))
            .with_context(|| format!("route replies to {destination} in table {table}"))
    }

    /// Takes back [`Netlink::add_local_route`]; one that is gone is fine.
    pub fn remove_local_route(&mut self, table: u32, destination: IpAddr) -> Result<()> {
        let done = self.request(local_route(RTM_DELROUTE, 0, table, (destination, bits(destination)), None));
        tolerate(done, libc::ESRCH).with_context(|| format!("remove the route to {destination} from table {table}"))
    }

    /// Adds a rule for IPv6 or IPv4; one that is there already is fine.
    pub fn add_rule(&mut self, ipv6: bool, rule: Rule) -> Result<()> {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        let priority = rule.priority;
        tolerate(self.request(rule_message(RTM_NEWRULE, family as u8, &rule)), libc::EEXIST)
            .with_context(|| format!("add routing rule {priority}"))
    }

    /// Takes back [`Netlink::add_rule`]; one that is gone is fine.
    pub fn remove_rule(&mut self, ipv6: bool, rule: &Rule) -> Result<()> {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        tolerate(self.request(rule_message(RTM_DELRULE, family as u8, rule)), libc::ENOENT)
            .with_context(|| format!("remove routing rule {}", rule.priority))
    }

    fn request(&mut self, mut message: Message) -> Result<()> {
        message.flag(NLM_F_ACK);
        self.exchange(message).map(drop)
    }

    /// Sends one request and collects the answers up to the acknowledgement or the end of a dump.
    fn exchange(&mut self, message: Message) -> Result<Vec<(u16, Vec<u8>)>> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        rustix::net::sendto(&self.fd, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
            .context("send a routing request")?;
        self.answers()
    }

    /// The answers to the last request.
    fn answers(&mut self) -> Result<Vec<(u16, Vec<u8>)>> {
        let mut answers = Vec::new();
        let mut buffer = vec![0u8; 32 * 1024];
        loop {
            let length = loop {
                match rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::empty()) {
                    Ok((_, length)) => break length,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(e) => return Err(e).context("read a routing answer"),
                }
            };
            if take_answers(&buffer[..length.min(buffer.len())], self.sequence, &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Reads one datagram of answers; true at the end of the conversation.
fn take_answers(mut bytes: &[u8], sequence: u32, answers: &mut Vec<(u16, Vec<u8>)>) -> Result<bool> {
    while bytes.len() >= 16 {
        let length = u32_at(bytes, 0) as usize;
        if length < 16 || length > bytes.len() {
            return Err(Error::bug("read a routing answer: bad length"));
        }
        let (kind, body) = (u16_at(bytes, 4), &bytes[16..length]);
        if u32_at(bytes, 8) == sequence {
            match kind {
                NLMSG_DONE => return Ok(true),
                NLMSG_ERROR if body.len() >= 4 => {
                    let errno = -(u32_at(body, 0) as i32);
                    return if errno == 0 { Ok(true) } else { Err(Error::errno(errno, "change the network")) };
                }
                _ => answers.push((kind, body.to_vec())),
            }
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

fn tolerate(result: Result<()>, errno: i32) -> Result<()> {
    match result {
        Err(e) if e.is_errno(errno) => Ok(()),
        other => other,
    }
}

fn link_up(interface: u32) -> Message {
    let mut message = Message::new(RTM_NEWLINK, 0);
    message.put(&[0; 4]); // struct ifinfomsg: family and type unspecified
    message.put(&interface.to_ne_bytes());
    message.put(&(libc::IFF_UP as u32).to_ne_bytes());
    message.put(&(libc::IFF_UP as u32).to_ne_bytes()); // the flags that are to change
    message
}

fn add_address(interface: u32, ip: IpAddr, prefix: u8) -> Message {
    let mut message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    message.put(&[family(ip), prefix, 0, RT_SCOPE_UNIVERSE]);
    message.put(&interface.to_ne_bytes());
    message.address(IFA_LOCAL, ip);
    message.address(IFA_ADDRESS, ip);
    message.number(IFA_FLAGS, IFA_F_NODAD);
    message
}

fn local_route(kind: u16, flags: u16, table: u32, route: (IpAddr, u8), source: Option<IpAddr>) -> Message {
    let (destination, bits) = route;
    let mut message = Message::new(kind, flags);
    message.put(&[family(destination), bits, 0, 0, RT_TABLE_UNSPEC, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL]);
    message.put(&[0; 4]);
    if bits > 0 {
        message.address(RTA_DST, destination);
    }
    message.number(RTA_OIF, LOOPBACK);
    if let Some(source) = source {
        message.address(RTA_PREFSRC, source);
    }
    message.number(RTA_TABLE, table);
    message
}

fn rule_message(kind: u16, family: u8, rule: &Rule) -> Message {
    let flags = if kind == RTM_NEWRULE { NLM_F_CREATE | NLM_F_EXCL } else { 0 };
    let mut message = Message::new(kind, flags);
    message.put(&[family, 0, 0, 0, RT_TABLE_UNSPEC, 0, 0, FR_ACT_TO_TBL]);
    message.put(&[0; 4]);
    if let Some(name) = &rule.interface {
        message.text(FRA_IIFNAME, name);
    }
    message.number(FRA_PRIORITY, rule.priority);
    message.number(FRA_TABLE, rule.table);
    if let Some(mark) = rule.mark {
        message.number(FRA_FWMARK, mark);
    }
    if let Some((protocol, first, last)) = rule.source_ports {
        message.attribute(FRA_IP_PROTO, &[protocol]);
        let range = [first.to_ne_bytes(), last.to_ne_bytes()].concat();
        message.attribute(FRA_SPORT_RANGE, &range);
    }
    message
}

fn parse_address(body: &[u8]) -> Option<Address> {
    // struct ifaddrmsg: family, prefix length, flags, scope, interface
    let (prefix, scope) = (*body.get(1)?, *body.get(3)?);
    let mut flags = u32::from(*body.get(2)?);
    let interface = body.get(4..8).map(|b| u32_at(b, 0))?;
    let (mut local, mut peer) = (None, None);
    for (kind, value) in attributes(&body[8..]) {
        match kind {
            // The local end, where the two differ (point-to-point IPv4 links).
            IFA_LOCAL => local = parse_ip(value),
            IFA_ADDRESS => peer = parse_ip(value),
            IFA_FLAGS if value.len() == 4 => flags = u32_at(value, 0),
            _ => {}
        }
    }
    let tentative = flags & IFA_F_TENTATIVE != 0;
    Some(Address { interface, ip: local.or(peer)?, prefix, global: scope == RT_SCOPE_UNIVERSE, tentative })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_lengths_and_padding() {
        let bytes = link_up(1).finish(7);
        assert_eq!((bytes.len(), u32_at(&bytes, 0), u32_at(&bytes, 8)), (32, 32, 7));
        let rule = Rule { priority: 110, table: 9, mark: None, source_ports: Some((17, 53, 60)), interface: None };
        let bytes = rule_message(RTM_NEWRULE, libc::AF_INET as u8, &rule).finish(1);
        // header 16, fixed 12, two numbers 8 each, one byte padded to 8, a range 8
        assert_eq!(bytes.len(), 16 + 12 + 8 + 8 + 8 + 8);
        assert_eq!(u32_at(&bytes, 0) as usize, bytes.len());
    }

    #[test]
    fn reads_the_addresses_of_this_namespace() {
        let addresses = Netlink::open().unwrap().addresses().unwrap();
        let lo = addresses.iter().find(|a| a.ip.is_loopback());
        assert!(lo.is_none_or(|a| a.interface == LOOPBACK && !a.global));
    }

    #[test]
    fn refuses_broken_answers() {
        let mut answers = Vec::new();
        let mut bytes = vec![0u8; 16];
        bytes[0] = 200;
        assert!(take_answers(&bytes, 0, &mut answers).is_err());
        let mut bytes = vec![0u8; 20];
        bytes[0] = 20;
        bytes[4] = NLMSG_ERROR as u8;
        bytes[16..20].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(take_answers(&bytes, 0, &mut answers).unwrap_err().errno, Some(libc::EPERM));
        assert!(parse_address(&[2, 24]).is_none());
        assert!(parse_address(&[2, 24, 0, 0, 1, 0, 0, 0, 3, 0, 1, 0]).is_none());
    }
}
