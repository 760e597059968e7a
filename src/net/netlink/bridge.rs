//! Bridges, veth pairs, default routes and neighbour proxies: what user networks are made of.

use super::message::{Message, attributes, bits, family, u32_at};
use super::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, Netlink, RTM_NEWLINK, RTM_NEWROUTE, tolerate};
use crate::error::{Context, Error, Result};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWNEIGH: u16 = 28;
const RTM_SETNEIGHTBL: u16 = 67;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
const RTN_UNICAST: u8 = 1;
const RTN_UNREACHABLE: u8 = 7;
const RTPROT_STATIC: u8 = 4;
const RTNH_F_ONLINK: u32 = 4;
const NDA_DST: u16 = 1;
const NTF_PROXY: u8 = 8;
const NUD_PERMANENT: u16 = 0x80;
const NDTA_NAME: u16 = 1;
const NDTA_PARMS: u16 = 6;
const NDTPA_IFINDEX: u16 = 1;
const NDTPA_PROXY_DELAY: u16 = 13;

/// An interface with its traffic counters (`struct rtnl_link_stats64`), as seen from its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub received_bytes: u64,
    pub received_packets: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
}

/// A pair of interfaces: one end a port of a bridge here, the other in another namespace.
#[derive(Clone, Debug)]
pub struct Veth<'a> {
    pub name: &'a str,
    pub bridge: u32,
    pub peer: &'a str,
    pub peer_namespace: BorrowedFd<'a>,
    pub peer_mac: Option<[u8; 6]>,
    pub mtu: u32,
}

/// The next hop of a default route.
#[derive(Clone, Copy, Debug)]
pub struct Gateway {
    pub ip: IpAddr,
    pub interface: u32,
    /// 0 = main.
    pub table: u32,
}

impl Netlink {
    /// Makes a bridge; one that is there already is fine. Without an address of its own it would have the lowest one of
    /// its ports, and change it as they come and go: all who know it would talk to nobody until they ask anew.
    pub fn add_bridge(&mut self, name: &str, mac: [u8; 6], mtu: u32) -> Result<()> {
        let mut message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
        message.text(IFLA_IFNAME, name);
        message.attribute(IFLA_ADDRESS, &mac);
        message.number(IFLA_MTU, mtu);
        message.nested(IFLA_LINKINFO, |m| m.text(IFLA_INFO_KIND, "bridge"));
        tolerate(self.request(message), libc::EEXIST).with_context(|| format!("make bridge {name}"))
    }

    /// Makes a veth pair, its near end up.
    pub fn add_veth(&mut self, veth: &Veth<'_>) -> Result<()> {
        let mut message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, libc::IFF_UP as u32);
        message.text(IFLA_IFNAME, veth.name);
        message.number(IFLA_MTU, veth.mtu);
        message.number(IFLA_MASTER, veth.bridge);
        message.nested(IFLA_LINKINFO, |m| {
            m.text(IFLA_INFO_KIND, "veth");
            m.nested(IFLA_INFO_DATA, |m| {
                m.nested(VETH_INFO_PEER, |m| {
                    m.put(&[0; 16]); // struct ifinfomsg
                    m.text(IFLA_IFNAME, veth.peer);
                    m.number(IFLA_MTU, veth.mtu);
                    m.number(IFLA_NET_NS_FD, veth.peer_namespace.as_raw_fd() as u32);
                    if let Some(mac) = veth.peer_mac {
                        m.attribute(IFLA_ADDRESS, &mac);
                    }
                });
            });
        });
        self.request(message).with_context(|| format!("make interface {}", veth.peer))
    }

    /// Removes an interface; one that is gone is fine.
    pub fn remove_link(&mut self, name: &str) -> Result<()> {
        let mut message = link_message(RTM_DELLINK, 0, 0, 0);
        message.text(IFLA_IFNAME, name);
        tolerate(self.request(message), libc::ENODEV).with_context(|| format!("remove interface {name}"))
    }

    /// Sets the largest packet of an interface.
    pub fn set_mtu(&mut self, interface: u32, mtu: u32) -> Result<()> {
        let mut message = link_message(RTM_NEWLINK, 0, interface, 0);
        message.number(IFLA_MTU, mtu);
        self.request(message).with_context(|| format!("set the mtu of interface {interface} to {mtu}"))
    }

    /// All interfaces.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let answers = self.exchange(link_message(RTM_GETLINK, NLM_F_DUMP, 0, 0)).context("list interfaces")?;
        Ok(answers.iter().filter(|(kind, _)| *kind == RTM_NEWLINK).filter_map(|(_, body)| parse_link(body)).collect())
    }

    /// The index of interface `name`.
    pub fn index(&mut self, name: &str) -> Result<u32> {
        self.links()?
            .into_iter()
            .find(|link| link.name == name)
            .map(|link| link.index)
            .ok_or_else(|| Error::not_found(format!("find interface {name}")))
    }

    /// Adds a default route, or replaces it.
    pub fn set_default_route(&mut self, gateway: Gateway) -> Result<()> {
        let any = if gateway.ip.is_ipv4() {
            IpNet::from(ipnet::Ipv4Net::default())
        } else {
            ipnet::Ipv6Net::default().into()
        };
        let mut message =
            route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, any, gateway.table, RTN_UNICAST, RTNH_F_ONLINK);
        message.address(RTA_GATEWAY, gateway.ip);
        message.number(RTA_OIF, gateway.interface);
        self.request(message).with_context(|| format!("route through {}", gateway.ip))
    }

    /// In `table`, leads a network to an interface.
    pub fn set_route(&mut self, table: u32, net: IpNet, interface: u32) -> Result<()> {
        let mut message = route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, net, table, RTN_UNICAST, 0);
        message.number(RTA_OIF, interface);
        self.request(message).with_context(|| format!("route {net} in table {table}"))
    }

    /// In `table`, makes a network unreachable.
    pub fn set_unreachable(&mut self, table: u32, net: IpNet) -> Result<()> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.request(route_message(RTM_NEWROUTE, flags, net, table, RTN_UNREACHABLE, 0))
            .with_context(|| format!("close {net} in table {table}"))
    }

    /// Takes back [`Netlink::set_unreachable`]; one that is gone is fine.
    pub fn remove_unreachable(&mut self, table: u32, net: IpNet) -> Result<()> {
        tolerate(self.request(route_message(RTM_DELROUTE, 0, net, table, RTN_UNREACHABLE, 0)), libc::ESRCH)
            .with_context(|| format!("open {net} in table {table}"))
    }

    /// Answers neighbour solicitations for `ip` on `interface` (IPv6 has no proxy for whole networks).
    pub fn add_proxy(&mut self, interface: u32, ip: IpAddr) -> Result<()> {
        let mut message = Message::new(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
        message.put(&[family(ip), 0, 0, 0]); // struct ndmsg
        message.put(&interface.to_ne_bytes());
        message.put(&NUD_PERMANENT.to_ne_bytes());
        message.put(&[NTF_PROXY, 0]);
        message.address(NDA_DST, ip);
        self.request(message).with_context(|| format!("answer for {ip}"))
    }

    /// Proxies answer at once: the kernel waits up to 0.8 seconds by default (RFC 4861 7.2.8).
    pub fn answer_at_once(&mut self, interface: u32, ipv6: bool) -> Result<()> {
        let mut message = Message::new(RTM_SETNEIGHTBL, NLM_F_REPLACE);
        message.put(&[if ipv6 { libc::AF_INET6 } else { libc::AF_INET } as u8, 0, 0, 0]); // struct ndtmsg
        message.text(NDTA_NAME, if ipv6 { "ndisc_cache" } else { "arp_cache" });
        message.nested(NDTA_PARMS, |m| {
            m.number(NDTPA_IFINDEX, interface);
            m.attribute(NDTPA_PROXY_DELAY, &0u64.to_ne_bytes());
        });
        self.request(message).with_context(|| format!("set the proxy delay of interface {interface}"))
    }
}

/// A message with its `struct ifinfomsg`; `flags` of the interface are set.
fn link_message(kind: u16, request: u16, interface: u32, flags: u32) -> Message {
    let mut message = Message::new(kind, request);
    message.put(&[0; 4]);
    message.put(&interface.to_ne_bytes());
    message.put(&flags.to_ne_bytes());
    message.put(&flags.to_ne_bytes());
    message
}

fn route_message(kind: u16, request: u16, net: IpNet, table: u32, route: u8, flags: u32) -> Message {
    /// RT_TABLE_MAIN
    const MAIN: u32 = 254;
    let mut message = Message::new(kind, request);
    message.put(&[family(net.addr()), net.prefix_len(), 0, 0, 0, RTPROT_STATIC, 0, route]);
    message.put(&flags.to_ne_bytes());
    if net.prefix_len() > 0 {
        message.address(RTA_DST, net.network());
    }
    message.number(RTA_TABLE, if table == 0 { MAIN } else { table });
    debug_assert!(net.prefix_len() <= bits(net.addr()));
    message
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let mut link = Link { index: u32_at(body.get(4..8)?, 0), ..Link::default() };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => link.name = String::from_utf8_lossy(value.split(|b| *b == 0).next()?).into_owned(),
            IFLA_STATS64 => {
                let number = |n: usize| {
                    let bytes = value.get(n * 8..n * 8 + 8)?;
                    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
                };
                link.received_packets = number(0)?;
                link.sent_packets = number(1)?;
                link.received_bytes = number(2)?;
                link.sent_bytes = number(3)?;
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_this_namespace() {
        let links = Netlink::open().unwrap().links().unwrap();
        assert!(links.iter().any(|l| l.name == "lo" && l.index == super::super::LOOPBACK));
        assert!(Netlink::open().unwrap().index("no-such-link").is_err());
    }

    #[test]
    fn nested_attributes_know_their_length() {
        let mut message = link_message(RTM_NEWLINK, 0, 0, 0);
        message.nested(IFLA_LINKINFO, |m| m.text(IFLA_INFO_KIND, "bridge"));
        let bytes = message.finish(1);
        // header 16, ifinfomsg 16, outer head 4, inner head 4, "bridge\0" padded to 8
        assert_eq!(bytes.len(), 48);
        let outer: Vec<_> = attributes(&bytes[32..]).collect();
        assert_eq!((outer.len(), outer[0].0, outer[0].1.len()), (1, IFLA_LINKINFO, 12));
        assert_eq!(attributes(outer[0].1).next(), Some((IFLA_INFO_KIND, &b"bridge\0"[..])));
    }
}
