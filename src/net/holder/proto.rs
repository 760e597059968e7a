//! Frames between members and the holder, and between the holder and its keeper.

use crate::net::netlink::Link;
use crate::net::networks::Network;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// To the holder. Each frame gets one answer, a `Result`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Answer: nothing, and the keeper's pidfd.
    Hello,
    /// With the container's network namespace. The container is a member until the connection ends; the same container
    /// again replaces what it had. Answer: notes for the user.
    Join(Box<Join>),
    /// Answer: [`Status`].
    Status,
}

/// A container and its places in networks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Join {
    /// Full id.
    pub id: String,
    pub name: String,
    /// Servers to ask for names that are not ours, instead of the network's or the host's.
    pub dns: Vec<IpAddr>,
    pub wires: Vec<Wire>,
}

/// One place in one network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wire {
    pub network: Network,
    pub ips: Vec<IpAddr>,
    pub mac: String,
    /// Name inside the container.
    pub interface: String,
    /// Names in this network besides the container's own and its id.
    pub aliases: Vec<String>,
}

/// What runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub networks: Vec<NetworkStatus>,
}

/// A network that has members.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// The network's id.
    pub id: String,
    pub members: Vec<MemberStatus>,
    /// Traffic with the outside, as the network sees it.
    pub outside: Option<Link>,
}

/// A member and its traffic, as the member sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MemberStatus {
    pub container: String,
    pub name: String,
    pub interface: String,
    pub ips: Vec<IpAddr>,
    pub mac: String,
    pub link: Option<Link>,
}

/// To the keeper, which lives in the networks' namespace. Each gets one [`Done`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The namespaces are ready (id maps written).
    Begin,
    Bridge(Bridge),
    /// Leads the network's packets through the tap device that slirp4netns has made.
    Way(Way),
    /// Answer: a UDP and a TCP socket for port 53 of each address, reachable from this bridge only.
    Listen {
        bridge: String,
        addresses: Vec<IpAddr>,
    },
    /// Answer: a socket for questions to name servers behind this bridge.
    Ask {
        bridge: String,
        ipv6: bool,
        tcp: bool,
    },
    /// With the network namespace of a container.
    Plug(Plug),
    Unplug {
        name: String,
    },
    RemoveBridge(Bridge),
    Links,
}

/// A bridge with its own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridge {
    pub name: String,
    pub addresses: Vec<ipnet::IpNet>,
    pub mtu: u32,
    /// Routing table of packets from this bridge, and of answers to it.
    pub table: u32,
    pub tap: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Way {
    pub bridge: Bridge,
    pub gateways: Vec<IpAddr>,
    /// IPv6 addresses to answer for.
    pub proxies: Vec<IpAddr>,
    /// Behind a helper that knows one guest only: its addresses, which all members appear under.
    pub masks: Vec<IpNet>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plug {
    pub bridge: Bridge,
    /// Name of the near end.
    pub name: String,
    pub interface: String,
    pub mac: String,
    pub addresses: Vec<ipnet::IpNet>,
    /// Next hops of default routes through this interface.
    pub gateways: Vec<IpAddr>,
}

/// The keeper's answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub links: Vec<Link>,
    pub notes: Vec<String>,
}
