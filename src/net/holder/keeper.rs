//! The keeper: a process in the user and network namespace of a user's networks, which makes what is in them.
//!
//! It carries out the holder's orders one by one and outlives the holder for a while, so that the next holder finds the
//! namespaces with all their bridges. It handles no packet and parses nothing that a container has written.
//!
//! Each network is routed, not bridged, to the outside: `bridge → table of the network → tap of slirp4netns`. So its
//! subnet and gateway are the user's to choose, and networks are kept apart by routing rules:
//! - `APART`: packets from a bridge to any user network are refused (those of its own network never come this way);
//! - then the network's own table: the way out, and back to its bridge.

use super::proto::{Bridge, Done, Order, Plug, Way};
use crate::error::{Context, Error, Result};
use crate::net::netlink::{self, Gateway, Netlink, Rule, Veth};
use crate::net::places::mac_of;
use crate::net::ports;
use crate::stage::{Channel, ids};
use crate::sys::process;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

/// Name of the stage.
pub const STAGE: &str = "netkeep";
/// How long it waits for another holder, in seconds.
const GRACE: i64 = 10;
const APART_PRIORITY: u32 = 100;
const APART_TABLE: u32 = 0x636f_1000;
const WAY_PRIORITY: u32 = 110;
const EVERYWHERE: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];
/// Largest packet of a tap device of slirp4netns(1).
pub(super) const TAP_MTU: u32 = 65520;

/// The `netkeep` stage; fd 3 is the channel to the holder.
pub fn main(_args: &[String]) -> ExitCode {
    let _ = std::env::set_current_dir("/");
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    match Keeper::begin(&channel) {
        Ok(mut keeper) => keeper.serve(&channel),
        Err(e) => drop(channel.send(&Result::<Done>::Err(e), &[])),
    }
    ExitCode::SUCCESS
}

struct Keeper {
    netlink: Netlink,
    own: OwnedFd,
}

impl Keeper {
    fn begin(channel: &Channel) -> Result<Keeper> {
        match channel.recv::<Order>()? {
            Some((Order::Begin, _)) => {}
            _ => return Err(Error::bug("keep networks: no holder")),
        }
        ids::become_root(true)?;
        ids::undumpable()?;
        let _ = rustix::thread::set_no_new_privs(true);
        let path = "/proc/self/ns/net";
        let own =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context("open our network")?;
        let mut netlink = Netlink::open()?;
        netlink.link_up(crate::net::netlink::LOOPBACK)?;
        // A tap's packets come from everywhere; bridges check their own (rp_filter is the larger of both values).
        let mut notes = Vec::new();
        for (name, value) in [("ipv4/conf/all/rp_filter", "0"), ("ipv6/conf/all/forwarding", "1")] {
            if let Err(e) = sysctl(name, value) {
                notes.push(e.to_string());
            }
        }
        channel.send(&Result::<Done>::Ok(Done { notes, ..Done::default() }), &[])?;
        Ok(Keeper { netlink, own })
    }

    fn serve(&mut self, channel: &Channel) {
        while let Ok(Some((order, fds))) = channel.recv::<Order>() {
            let (answer, given) = match self.obey(order, &fds) {
                Ok((done, given)) => (Ok(done), given),
                Err(e) => (Err(e), Vec::new()),
            };
            let given: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
            if channel.send(&answer, &given).is_err() {
                break;
            }
        }
        // The next holder kills us once it has the namespaces.
        let mut nothing = [PollFd::new(&self.own, PollFlags::empty())];
        let _ = rustix::event::poll(&mut nothing, Some(&Timespec { tv_sec: GRACE, tv_nsec: 0 }));
    }

    fn obey(&mut self, order: Order, fds: &[OwnedFd]) -> Result<(Done, Vec<OwnedFd>)> {
        let mut done = Done::default();
        let mut given = Vec::new();
        match order {
            Order::Begin => {}
            Order::Bridge(bridge) => self.bridge(&bridge)?,
            Order::Way(way) => self.way(&way)?,
            Order::Listen { bridge, addresses } => {
                for ip in addresses {
                    given.extend(ports::name_service(SocketAddr::new(ip, 53), &bridge)?);
                }
            }
            Order::Ask { bridge, ipv6, tcp } => given.push(ports::name_client(&bridge, ipv6, tcp)?),
            Order::Plug(plug) => {
                let namespace = fds.first().ok_or_else(|| Error::bug("plug in a container: no namespace"))?;
                self.plug(&plug, namespace)?;
            }
            Order::Unplug { name } => self.netlink.remove_link(&name)?,
            Order::RemoveBridge(bridge) => self.remove(&bridge)?,
            Order::Links => done.links = self.netlink.links()?,
        }
        Ok((done, given))
    }

    fn bridge(&mut self, bridge: &Bridge) -> Result<()> {
        let name = &bridge.name;
        let ips: Vec<IpAddr> = bridge.addresses.iter().map(IpNet::addr).collect();
        self.netlink.add_bridge(name, mac(&mac_of(&ips))?, bridge.mtu)?;
        let index = self.netlink.index(name)?;
        let _ = sysctl(&format!("ipv6/conf/{name}/accept_ra"), "0");
        for (switch, value) in [("forwarding", "1"), ("rp_filter", "1"), ("send_redirects", "0")] {
            let _ = sysctl(&format!("ipv4/conf/{name}/{switch}"), value);
        }
        for net in &bridge.addresses {
            self.netlink.add_address(index, net.addr(), net.prefix_len())?;
        }
        self.netlink.link_up(index)?;
        for ipv6 in [false, true] {
            self.netlink.add_rule(ipv6, apart(name))?;
            for interface in [name, &bridge.tap] {
                self.netlink.add_rule(ipv6, way_rule(interface, bridge.table))?;
            }
        }
        // Where there is no way out, nothing may look for one in the main table: it has the taps' own networks.
        for any in EVERYWHERE {
            self.netlink.set_unreachable(bridge.table, any)?;
        }
        for net in &bridge.addresses {
            self.netlink.set_unreachable(APART_TABLE, net.trunc())?;
            self.netlink.set_route(bridge.table, net.trunc(), index)?;
        }
        Ok(())
    }

    fn way(&mut self, way: &Way) -> Result<()> {
        let tap = &way.bridge.tap;
        let index = self.netlink.index(tap)?;
        for (name, value) in [("accept_ra", "0"), ("proxy_ndp", "1")] {
            let _ = sysctl(&format!("ipv6/conf/{tap}/{name}"), value);
        }
        for (name, value) in [("forwarding", "1"), ("proxy_arp", "1"), ("rp_filter", "0")] {
            sysctl(&format!("ipv4/conf/{tap}/{name}"), value)?;
        }
        sysctl(&format!("ipv4/conf/{}/forwarding", way.bridge.name), "1")?;
        self.netlink.set_mtu(index, TAP_MTU)?;
        self.netlink.link_up(index)?;
        self.netlink.answer_at_once(index, false)?;
        let _ = self.netlink.answer_at_once(index, true);
        for mask in &way.masks {
            self.netlink.add_address(index, mask.addr(), mask.prefix_len())?;
        }
        if !way.masks.is_empty() {
            netlink::masquerade(tap)?;
        }
        for ip in &way.gateways {
            self.netlink.set_default_route(Gateway { ip: *ip, interface: index, table: way.bridge.table })?;
        }
        for ip in &way.proxies {
            self.netlink.add_proxy(index, *ip)?;
        }
        Ok(())
    }

    fn plug(&mut self, plug: &Plug, namespace: &OwnedFd) -> Result<()> {
        let bridge = self.netlink.index(&plug.bridge.name)?;
        // Both ends are there when a member comes again: after a change, or to another holder.
        let kept = self.netlink.index(&plug.name).is_ok()
            && self.inside(namespace, |netlink| netlink.index(&plug.interface)).is_ok();
        if !kept {
            // The end of a namespace that is going away.
            self.netlink.remove_link(&plug.name)?;
            self.netlink.add_veth(&Veth {
                name: &plug.name,
                bridge,
                peer: &plug.interface,
                peer_namespace: namespace.as_fd(),
                peer_mac: Some(mac(&plug.mac)?),
                mtu: plug.bridge.mtu,
            })?;
        }
        let configured = self.inside(namespace, |netlink| {
            let index = netlink.index(&plug.interface)?;
            // Other members must not hand out routes.
            let _ = sysctl(&format!("ipv6/conf/{}/accept_ra", plug.interface), "0");
            // Who had the address before may have had another hardware address, which the others know for half a minute
            // more: the new one is announced when the interface comes up (ip-sysctl: arp_notify, ndisc_notify).
            let _ = sysctl(&format!("ipv4/conf/{}/arp_notify", plug.interface), "1");
            let _ = sysctl(&format!("ipv6/conf/{}/ndisc_notify", plug.interface), "1");
            for net in &plug.addresses {
                netlink.add_address(index, net.addr(), net.prefix_len())?;
            }
            netlink.link_up(index)?;
            for ip in &plug.gateways {
                netlink.set_default_route(Gateway { ip: *ip, interface: index, table: 0 })?;
            }
            Ok(())
        });
        if configured.is_err() && !kept {
            let _ = self.netlink.remove_link(&plug.name);
        }
        configured?;
        if let Ok(tap) = self.netlink.index(&plug.bridge.tap) {
            for net in plug.addresses.iter().filter(|n| n.addr().is_ipv6()) {
                let _ = self.netlink.add_proxy(tap, net.addr());
            }
        }
        Ok(())
    }

    fn remove(&mut self, bridge: &Bridge) -> Result<()> {
        self.netlink.remove_link(&bridge.name)?;
        let _ = netlink::unmasquerade(&bridge.tap);
        for any in EVERYWHERE {
            self.netlink.remove_unreachable(bridge.table, any)?;
        }
        for net in &bridge.addresses {
            self.netlink.remove_unreachable(APART_TABLE, net.trunc())?;
        }
        for ipv6 in [false, true] {
            self.netlink.remove_rule(ipv6, &apart(&bridge.name))?;
            for interface in [&bridge.name, &bridge.tap] {
                self.netlink.remove_rule(ipv6, &way_rule(interface, bridge.table))?;
            }
        }
        Ok(())
    }

    /// Does `work` in another network namespace of our user namespace.
    fn inside<T>(&self, namespace: &OwnedFd, work: impl FnOnce(&mut Netlink) -> Result<T>) -> Result<T> {
        process::setns(namespace.as_fd(), libc::CLONE_NEWNET).context("enter the container's network")?;
        let result = Netlink::open().and_then(|mut netlink| work(&mut netlink));
        // In the wrong namespace we would do harm.
        if process::setns(self.own.as_fd(), libc::CLONE_NEWNET).is_err() {
            process::exit(125);
        }
        result
    }
}

fn apart(interface: &str) -> Rule {
    Rule { priority: APART_PRIORITY, table: APART_TABLE, interface: Some(interface.into()), ..Rule::default() }
}

fn way_rule(interface: &str, table: u32) -> Rule {
    Rule { priority: WAY_PRIORITY, table, interface: Some(interface.into()), ..Rule::default() }
}

fn sysctl(name: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/net/{name}"), value).with_context(|| format!("set net/{name}"))
}

/// `02:42:…` as bytes.
fn mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').filter_map(|b| u8::from_str_radix(b, 16).ok()).collect();
    bytes.try_into().map_err(|_| Error::bug(format!("read hardware address {text}")))
}

/// A member's address with its subnet's prefix.
pub(super) fn with_prefix(ip: IpAddr, net: &IpNet) -> IpNet {
    IpNet::new(ip, net.prefix_len()).unwrap_or(*net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses() {
        assert_eq!(mac("02:42:0a:59:00:02").unwrap(), [2, 0x42, 10, 0x59, 0, 2]);
        assert!(mac("02:42").is_err() && mac("zz").is_err());
    }
}
