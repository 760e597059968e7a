//! The container's side of the forwarder: its addresses, its routing rules, and sockets in it that carry the client's
//! own address.
//!
//! A connection made inside the container's network namespace from a transparent socket (ip(7) IP_TRANSPARENT) has the
//! client's address as its source. The answers must come back to that socket and not leave through the interface:
//! - TCP: the socket's mark is taken over by the server's accepted socket (`tcp_fwmark_accept`) and by resets and ICMP
//!   errors (`fwmark_reflect`), and a rule sends marked packets to a table where every address is local. Connections
//!   that the container itself opens are never touched, whatever their ports.
//! - UDP servers answer from unconnected sockets, which take over no mark: packets from published ports look first into
//!   a table that lists the addresses of present clients only.

use crate::error::{Context, Result};
use crate::net::netlink::{Address, LOOPBACK, Netlink, Rule};
use ipnet::IpNet;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Of our sockets inside: "cora". Programs in the container that set marks of their own use other numbers.
const MARK: u32 = 0x636f_7261;
const MARK_PRIORITY: u32 = 100;
const MARK_TABLE: u32 = 0x636f_0001;
const PORT_PRIORITY: u32 = 110;
const PORT_TABLE: u32 = 0x636f_0002;
/// A container's address seldom changes; a failure makes us look again, but not at each packet.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Which address a connection into the container goes to, and whose it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub to: SocketAddr,
    /// `None`: the container's own address, chosen by the kernel.
    pub from: Option<SocketAddr>,
}

/// What is known of the namespace.
#[derive(Debug, Default)]
struct Known {
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    /// Networks that the container reaches without a gateway: their members' addresses can't be taken on.
    connected: Vec<IpNet>,
}

/// The namespace that this process is in.
#[derive(Debug)]
pub(super) struct Inside {
    netlink: Netlink,
    known: Known,
    looked: Option<Instant>,
    keeps_ipv4: bool,
    keeps_ipv6: bool,
    /// /proc/sys is read-only (we are in a container ourselves), of IPv4 and IPv6: by the published port, which also
    /// catches connections that the container opens from it.
    by_port: [bool; 2],
    /// Clients with a route in the port table, and how many flows each has.
    clients: HashMap<IpAddr, usize>,
}

impl Inside {
    /// Prepares the present namespace for published ports (`tcp`, `udp`: ports inside). The notes say what can't be had.
    pub(super) fn prepare(tcp: &[u16], udp: &[u16]) -> Result<(Inside, Vec<String>)> {
        let mut netlink = Netlink::open()?;
        netlink.link_up(LOOPBACK)?;
        let mut notes = Vec::new();
        let ipv4 = keep_addresses(&mut netlink, false);
        if let Err(e) = &ipv4 {
            notes.push(format!("programs behind published ports don't see their clients' addresses: {e}"));
        }
        // A container without IPv6 is nothing to report.
        let ipv6 = keep_addresses(&mut netlink, true);
        let by_port = [marks_are_kept(false).is_err(), marks_are_kept(true).is_err()];
        let mut inside = Inside {
            netlink,
            by_port,
            known: Known::default(),
            looked: None,
            keeps_ipv4: ipv4.is_ok(),
            keeps_ipv6: ipv6.is_ok(),
            clients: HashMap::new(),
        };
        if let Err(e) = inside.publish(tcp, udp) {
            notes.push(format!("programs behind published ports don't see their clients' addresses: {e}"));
        }
        Ok((inside, notes))
    }

    /// The rules of further published ports. Those of ports that are closed again do no harm: they concern marked
    /// packets and present clients only.
    pub(super) fn publish(&mut self, tcp: &[u16], udp: &[u16]) -> Result<()> {
        let families = [(false, self.keeps_ipv4), (true, self.keeps_ipv6)];
        for ipv6 in families.into_iter().filter(|(_, keeps)| *keeps).map(|(ipv6, _)| ipv6) {
            if self.by_port[usize::from(ipv6)] {
                add_rules(&mut self.netlink, ipv6, libc::IPPROTO_TCP, tcp, MARK_TABLE)?;
            }
            add_rules(&mut self.netlink, ipv6, libc::IPPROTO_UDP, udp, PORT_TABLE)?;
        }
        Ok(())
    }

    /// The ways to `port` for a client, best first. IPv4-mapped clients must have been unmapped.
    pub(super) fn ways(&mut self, client: SocketAddr, port: u16) -> Vec<Way> {
        if self.known.ipv4.is_none() || (client.is_ipv6() && self.known.ipv6.is_none()) {
            self.look();
        }
        let keeps = if client.is_ipv4() { self.keeps_ipv4 } else { self.keeps_ipv6 };
        self.known.ways(client, port, keeps)
    }

    /// Forgets the addresses: a connection to them failed for want of a route.
    pub(super) fn doubt(&mut self) {
        self.known = Known::default();
    }

    fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return;
        }
        self.looked = Some(Instant::now());
        if let Ok(addresses) = self.netlink.addresses() {
            self.known = Known::from(&addresses);
        }
    }

    /// A socket inside that is connected along `way`, or connecting (EINPROGRESS).
    pub(super) fn connect(&self, way: Way, kind: SocketType) -> Result<OwnedFd, Errno> {
        let family = if way.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        if let Some(from) = way.from {
            // The option of the IPv4 level covers IPv6 sockets too (net/ipv6/ipv6_sockglue.c hands it on).
            let set =
                setsockopt(&fd, sockopt::IpTransparent, &true).and_then(|()| setsockopt(&fd, sockopt::Mark, &MARK));
            set.map_err(|e| Errno::from_raw_os_error(e as i32))?;
            rustix::net::sockopt::set_socket_reuseaddr(&fd, true)?;
            rustix::net::bind(&fd, &from)?;
        }
        match rustix::net::connect(&fd, &way.to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
            Err(e) => Err(e),
        }
    }

    /// A UDP flow of the client begins: answers to it must stay inside.
    pub(super) fn begin_flow(&mut self, client: IpAddr, own: IpAddr) -> Result<()> {
        if !self.clients.contains_key(&client) {
            self.netlink.add_local_route(PORT_TABLE, client, own)?;
        }
        *self.clients.entry(client).or_default() += 1;
        Ok(())
    }

    pub(super) fn end_flow(&mut self, client: IpAddr) {
        if let Some(count) = self.clients.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&client);
                let _ = self.netlink.remove_local_route(PORT_TABLE, client);
            }
        }
    }
}

impl Known {
    fn from(addresses: &[Address]) -> Known {
        let mut known = Known::default();
        for address in addresses.iter().filter(|a| a.global && !a.tentative && !a.ip.is_loopback()) {
            known.connected.extend(IpNet::new(address.ip, address.prefix).map(|n| n.trunc()));
            match address.ip {
                IpAddr::V4(ip) => _ = known.ipv4.get_or_insert(ip),
                IpAddr::V6(ip) => _ = known.ipv6.get_or_insert(ip),
            }
        }
        known
    }

    fn ways(&self, client: SocketAddr, port: u16, keeps: bool) -> Vec<Way> {
        let to = |ip: IpAddr| SocketAddr::new(ip, port);
        let ipv4 = Way { to: to(self.ipv4.unwrap_or(Ipv4Addr::LOCALHOST).into()), from: None };
        let foreign = match client.ip() {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_link_local(),
            // Link-local addresses belong to a link that isn't there inside.
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
        } && !self.connected.iter().any(|net| net.contains(&client.ip()));
        let from = (foreign && keeps).then_some(client);
        let mut ways = Vec::new();
        match (client, self.ipv4, self.ipv6) {
            (SocketAddr::V4(_), Some(_), _) => ways.extend(with_address(ipv4, from)),
            (SocketAddr::V6(_), _, Some(ip)) => {
                let ipv6 = Way { to: to(ip.into()), from: None };
                // Loopback clients lose nothing by IPv4, which more servers listen on.
                match from {
                    None => ways.extend([ipv4, ipv6]),
                    Some(_) => ways.extend(with_address(ipv6, from)),
                }
                ways.push(ipv4);
            }
            _ => {}
        }
        if !ways.contains(&ipv4) {
            ways.push(ipv4);
        }
        ways
    }
}

/// With the client's port; with its address only, where that port is taken by another connection of the same client.
fn with_address(way: Way, from: Option<SocketAddr>) -> Vec<Way> {
    match from {
        None => vec![way],
        Some(client) => {
            let address_only = SocketAddr::new(client.ip(), 0);
            vec![Way { from, ..way }, Way { from: Some(address_only), ..way }]
        }
    }
}

/// The rule of one family for marked packets, as described at the head of this file.
fn keep_addresses(netlink: &mut Netlink, ipv6: bool) -> Result<()> {
    netlink.add_local_default(MARK_TABLE, ipv6)?;
    netlink.add_rule(ipv6, Rule { priority: MARK_PRIORITY, table: MARK_TABLE, mark: Some(MARK), ..Rule::default() })
}

/// Has answers carry the marks of what they answer.
fn marks_are_kept(ipv6: bool) -> Result<()> {
    let family = if ipv6 { "ipv6" } else { "ipv4" };
    set_sysctl("net/ipv4/tcp_fwmark_accept").and_then(|()| set_sysctl(&format!("net/{family}/fwmark_reflect")))
}

/// Sends what comes from these ports to `table` first.
fn add_rules(netlink: &mut Netlink, ipv6: bool, protocol: i32, ports: &[u16], table: u32) -> Result<()> {
    for (first, last) in ranges(ports) {
        let source_ports = Some((protocol as u8, first, last));
        netlink.add_rule(ipv6, Rule { priority: PORT_PRIORITY, table, source_ports, ..Rule::default() })?;
    }
    Ok(())
}

/// Sets a switch of the present network namespace: /proc/sys/net shows that of whoever looks.
fn set_sysctl(name: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/{name}"), "1").with_context(|| format!("set {name}"))
}

/// Neighbouring ports as ranges: one rule each.
fn ranges(ports: &[u16]) -> Vec<(u16, u16)> {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut out: Vec<(u16, u16)> = Vec::new();
    for port in sorted {
        match out.last_mut() {
            Some((_, last)) if u32::from(*last) + 1 == u32::from(port) => *last = port,
            _ => out.push((port, port)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, global: bool) -> Address {
        let net: IpNet = text.parse().unwrap();
        Address { interface: 2, ip: net.addr(), prefix: net.prefix_len(), global, tentative: false }
    }

    fn known() -> Known {
        Known::from(&[
            address("127.0.0.1/8", false),
            address("10.0.2.100/24", true),
            address("fe80::1/64", false),
            address("fd00::5/64", true),
        ])
    }

    fn ways(known: &Known, client: &str) -> Vec<String> {
        let show = |w: &Way| format!("{} from {:?}", w.to, w.from.map(|f| f.to_string()));
        known.ways(client.parse().unwrap(), 80, true).iter().map(show).collect()
    }

    #[test]
    fn foreign_clients_keep_their_address() {
        assert_eq!(
            ways(&known(), "192.0.2.9:4000"),
            [
                "10.0.2.100:80 from Some(\"192.0.2.9:4000\")",
                "10.0.2.100:80 from Some(\"192.0.2.9:0\")",
                "10.0.2.100:80 from None"
            ]
        );
        assert_eq!(
            ways(&known(), "[2001:db8::9]:4000"),
            [
                "[fd00::5]:80 from Some(\"[2001:db8::9]:4000\")",
                "[fd00::5]:80 from Some(\"[2001:db8::9]:0\")",
                "10.0.2.100:80 from None"
            ]
        );
    }

    #[test]
    fn near_clients_connect_plainly() {
        for client in ["127.0.0.1:4000", "10.0.2.7:4000", "169.254.1.1:4000"] {
            assert_eq!(ways(&known(), client), ["10.0.2.100:80 from None"], "{client}");
        }
        assert_eq!(ways(&known(), "[::1]:4000")[0], "10.0.2.100:80 from None");
        assert_eq!(ways(&known(), "[fe80::2]:4000")[1], "[fd00::5]:80 from None");
        assert_eq!(ways(&Known::default(), "192.0.2.9:1"), ["127.0.0.1:80 from None"]);
        assert_eq!(ways(&Known::default(), "[2001:db8::9]:1"), ["127.0.0.1:80 from None"]);
    }

    #[test]
    fn ports_become_ranges() {
        assert_eq!(ranges(&[81, 80, 82, 90, 65535, 90]), [(80, 82), (90, 90), (65535, 65535)]);
        assert!(ranges(&[]).is_empty());
    }
}
