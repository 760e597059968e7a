//! A container's places in user-defined networks: addresses leased, interfaces named, the holder asked.

use crate::error::{Context, Result};
use crate::net::helper::Helper;
use crate::net::holder::{Join, Member, Wire};
use crate::net::networks::{self, Network};
use crate::spec::model::{Endpoint, Etc, NetMode};
use crate::state::container::{EndpointState, NetworkState};
use crate::state::paths::Paths;
use rustix::fs::{Mode, OFlags};
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

/// `mode` in the state of members.
pub const MODE: &str = "bridge";
/// resolv.conf(5): libraries read no more than three.
const MAX_NAMESERVERS: usize = 3;
/// slirp4netns's resolver behind each network with a way out.
const SLIRP_DNS: &str = "169.254.2.3";

/// A container on its way into its networks.
#[derive(Debug)]
pub struct Places {
    member: Member,
    join: Join,
    /// Addresses and names, for the files of /etc and for `inspect`.
    pub state: NetworkState,
}

/// Whose places.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub mode: &'a NetMode,
    pub etc: &'a Etc,
}

impl Places {
    /// Leases addresses and reaches the holder; `None` for a container that is on no user-defined network.
    pub fn prepare(paths: &Paths, container: Container<'_>) -> Result<Option<Places>> {
        let NetMode::Networks(endpoints) = container.mode else { return Ok(None) };
        let (join, state) = plan(paths, container, endpoints)?;
        Ok(Some(Places { member: Member::enter(paths)?, join, state }))
    }

    /// The process (a pidfd) whose user namespace the container has to join.
    pub fn user_namespace(&self) -> BorrowedFd<'_> {
        self.member.user_namespace()
    }

    /// Plugs in the network namespace of process `pid`. The membership lasts as long as the helper.
    pub(super) fn join(self, pid: i32, warnings: &mut Vec<String>) -> Result<Helper> {
        let namespace = network_of(pid)?;
        warnings.extend(self.member.join(self.join, &namespace)?);
        Ok(self.member.stay())
    }
}

fn network_of(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/ns/net");
    rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).with_context(|| format!("open {path}"))
}

fn plan(paths: &Paths, container: Container<'_>, endpoints: &[Endpoint]) -> Result<(Join, NetworkState)> {
    let mut wires = Vec::new();
    let mut states = Vec::new();
    let mut taken: Vec<String> = endpoints.iter().filter_map(|e| e.interface.clone()).collect();
    for endpoint in endpoints {
        let network = networks::get(paths, &endpoint.network)?;
        let ips = networks::take(paths, &network, container.id, &endpoint.ips)?;
        let interface = endpoint.interface.clone().unwrap_or_else(|| {
            let name = (0..).map(|n| format!("eth{n}")).find(|n| !taken.contains(n)).unwrap_or_default();
            taken.push(name.clone());
            name
        });
        let mac = endpoint.mac.clone().unwrap_or_else(|| mac_of(&ips));
        states.push(endpoint_state(&network, endpoint, &ips, &interface, &mac));
        wires.push(Wire { network, ips, mac, interface, aliases: endpoint.aliases.clone() });
    }
    let dns = container.etc.dns.iter().filter_map(|d| d.parse().ok()).collect();
    let state = summary(&wires, states);
    Ok((Join { id: container.id.to_owned(), name: container.name.to_owned(), dns, wires }, state))
}

fn endpoint_state(network: &Network, endpoint: &Endpoint, ips: &[IpAddr], interface: &str, mac: &str) -> EndpointState {
    let mut state = EndpointState {
        network: network.name.clone(),
        id: network.id.clone(),
        interface: interface.to_owned(),
        mac: mac.to_owned(),
        aliases: endpoint.aliases.clone(),
        internal: network.internal,
        ..EndpointState::default()
    };
    for ip in ips {
        let Some(subnet) = network.subnet_of(*ip) else { continue };
        let (text, prefix, gateway) = (ip.to_string(), subnet.net.prefix_len(), subnet.gateway.to_string());
        if ip.is_ipv4() {
            (state.ip, state.prefix, state.gateway) = (text, prefix, gateway);
        } else {
            (state.ip6, state.prefix6, state.gateway6) = (text, prefix, gateway);
        }
    }
    if network.dns {
        state.dns = if state.gateway.is_empty() { state.gateway6.clone() } else { state.gateway.clone() };
    }
    state
}

/// The first network's addresses stand for the container where only one is shown.
fn summary(wires: &[Wire], states: Vec<EndpointState>) -> NetworkState {
    let own: Vec<&str> =
        states.iter().map(|e| e.dns.as_str()).filter(|d| !d.is_empty()).take(MAX_NAMESERVERS).collect();
    let outside = wires.iter().any(|w| !w.network.internal && w.ips.iter().any(IpAddr::is_ipv4));
    let dns = match own.is_empty() {
        false => own.join(" "),
        true if outside => SLIRP_DNS.to_owned(),
        true => String::new(),
    };
    let first = states.first().cloned().unwrap_or_default();
    NetworkState {
        mode: MODE.to_owned(),
        ip: first.ip,
        prefix: first.prefix,
        ip6: first.ip6,
        prefix6: first.prefix6,
        gateway: first.gateway,
        dns,
        mac: first.mac,
        ports: Vec::new(),
        networks: states,
    }
}

/// As Docker makes them: 02:42 and the address, of IPv6 its last four bytes.
pub(super) fn mac_of(ips: &[IpAddr]) -> String {
    let [a, b, c, d] = match ips.first() {
        Some(IpAddr::V4(ip)) => ip.octets(),
        Some(IpAddr::V6(ip)) => (u128::from(*ip) as u32).to_be_bytes(),
        None => [0; 4],
    };
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::networks::Subnet;

    fn network(name: &str, net: &str, gateway: &str) -> Network {
        let subnet = Subnet { net: net.parse().unwrap(), gateway: gateway.parse().unwrap(), range: None };
        Network { name: name.into(), id: name.repeat(64), subnets: vec![subnet], dns: true, ..Network::default() }
    }

    #[test]
    fn interfaces_addresses_and_servers() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path());
        let id = "e".repeat(64);
        std::fs::create_dir_all(paths.container(&id).path()).unwrap();
        for network in [network("a", "10.1.0.0/24", "10.1.0.1"), network("b", "fd01::/64", "fd01::1")] {
            networks::create(&paths, &network).unwrap();
        }
        let endpoint = |name: &str, interface: Option<&str>| Endpoint {
            network: name.into(),
            interface: interface.map(str::to_owned),
            ..Endpoint::default()
        };
        let endpoints = [endpoint("a", None), endpoint("b", Some("back"))];
        let mode = NetMode::Networks(endpoints.to_vec());
        let container = Container { id: &id, name: "web", mode: &mode, etc: &Etc::default() };
        let (join, state) = plan(&paths, container, &endpoints).unwrap();
        assert_eq!((join.wires[0].interface.as_str(), join.wires[1].interface.as_str()), ("eth0", "back"));
        assert_eq!((state.ip.as_str(), state.mac.as_str()), ("10.1.0.2", "02:42:0a:01:00:02"));
        assert_eq!((state.networks[1].ip6.as_str(), state.networks[1].mac.as_str()), ("fd01::2", "02:42:00:00:00:02"));
        assert_eq!(state.dns, "10.1.0.1 fd01::1");
        assert!(plan(&paths, container, &[endpoint("gone", None)]).is_err());
    }
}
