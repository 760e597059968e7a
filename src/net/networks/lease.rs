//! Addresses of members: `<data>/leases/<network>/<address>` holds the id of the container that has it.
//!
//! A lease lasts as long as its container, so that addresses are stable across stop, start and reboot. A lease of a
//! container that is gone (its remover was killed) is anybody's.

use super::{Network, Subnet};
use crate::error::{Context, Error, IntoError, Result};
use crate::state::atomic;
use crate::state::lock::Flock;
use crate::state::paths::Paths;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

fn dir(paths: &Paths, network: &Network) -> PathBuf {
    paths.leases().join(network.id.get(..12).unwrap_or(&network.id))
}

/// The container's address of each family that the network has: the one it had, the `wanted` one, or a free one.
///
/// # Errors
/// `Conflict` when a wanted address belongs to another container or the subnet is full, `User` when it lies outside.
pub fn take(paths: &Paths, network: &Network, container: &str, wanted: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let dir = dir(paths, network);
    atomic::make_dirs(&dir)?;
    let _lock = Flock::dir(&dir)?;
    let mut leases = read(paths, &dir)?;
    let mut out = Vec::new();
    for ip in wanted {
        if network.subnet_of(*ip).is_none() {
            return Err(Error::user(format!("use address {ip} in network {}: it is outside", network.name))
                .hint(network.subnets.iter().map(|s| s.net.to_string()).collect::<Vec<_>>().join(", ")));
        }
    }
    for subnet in &network.subnets {
        let wish = wanted.iter().copied().find(|ip| subnet.net.contains(ip));
        let had = leases.iter().find(|(ip, id)| subnet.net.contains(*ip) && *id == container).map(|(ip, _)| *ip);
        let ip = match (wish, had) {
            (Some(wish), Some(had)) if wish == had => had,
            (None, Some(had)) => had,
            (Some(wish), had) => {
                check(network, subnet, wish, &leases)?;
                if let Some(had) = had {
                    let _ = std::fs::remove_file(dir.join(had.to_string()));
                    leases.remove(&had);
                }
                wish
            }
            (None, None) => free(subnet, &leases).ok_or_else(|| {
                Error::conflict(format!("find a free address in network {}: {} is full", network.name, subnet.net))
            })?,
        };
        if leases.insert(ip, container.to_string()).is_none() {
            write(&dir.join(ip.to_string()), container)?;
        }
        out.push(ip);
    }
    Ok(out)
}

/// Gives back what the container has in the network.
pub fn release(paths: &Paths, network: &Network, container: &str) {
    let dir = dir(paths, network);
    let Ok(_lock) = Flock::dir(&dir) else { return };
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        if std::fs::read_to_string(entry.path()).is_ok_and(|id| id.trim() == container) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Forgets all leases of a network that is removed.
pub(super) fn forget(paths: &Paths, network: &Network) {
    let _ = std::fs::remove_dir_all(dir(paths, network));
    let _ = std::fs::remove_dir(paths.leases());
}

/// The leases of containers that exist. Stale ones, and those whose writer was killed before it had written, are
/// deleted; the caller has the lock.
fn read(paths: &Paths, dir: &std::path::Path) -> Result<BTreeMap<IpAddr, String>> {
    let mut leases = BTreeMap::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?.flatten() {
        let Some(ip) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let id = std::fs::read_to_string(entry.path()).unwrap_or_default().trim().to_string();
        if id.len() == 64 && paths.container(&id).path().is_dir() {
            leases.insert(ip, id);
        } else {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(leases)
}

fn write(path: &std::path::Path, container: &str) -> Result<()> {
    let named = || format!("write {}", path.display());
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(named)?;
    file.write_all(container.as_bytes()).map_err(|e| {
        let _ = std::fs::remove_file(path);
        e.context(named())
    })
}

fn check(network: &Network, subnet: &Subnet, ip: IpAddr, leases: &BTreeMap<IpAddr, String>) -> Result<()> {
    let use_it = || format!("use address {ip} in network {}", network.name);
    if ip == subnet.gateway {
        return Err(Error::conflict(format!("{}: it is the gateway", use_it())));
    }
    if ip == subnet.net.network() || (ip.is_ipv4() && ip == subnet.net.broadcast() && subnet.net.prefix_len() < 31) {
        return Err(Error::user(format!("{}: it is none of a host", use_it())));
    }
    match leases.get(&ip) {
        Some(id) => Err(Error::conflict(format!("{}: container {} has it", use_it(), &id[..12]))),
        None => Ok(()),
    }
}

/// The lowest address that nobody has.
fn free(subnet: &Subnet, leases: &BTreeMap<IpAddr, String>) -> Option<IpAddr> {
    let (first, last) = subnet.range.unwrap_or_else(|| bounds(&subnet.net));
    let candidates = number(first)..=number(last);
    candidates
        .map(|n| address(n, first.is_ipv6()))
        // As many as there may be leases, and the gateway.
        .take(leases.len() + 2)
        .find(|ip| *ip != subnet.gateway && !leases.contains_key(ip))
}

/// The first address that a host can have: the usual gateway.
pub fn first_address(net: &IpNet) -> IpAddr {
    bounds(net).0
}

/// `first` to `last` without those addresses of `net` that no host can have.
pub fn clamp(net: &IpNet, first: IpAddr, last: IpAddr) -> (IpAddr, IpAddr) {
    let (low, high) = bounds(net);
    (first.max(low), last.min(high))
}

/// First and last address that a host can have.
fn bounds(net: &IpNet) -> (IpAddr, IpAddr) {
    let (low, high) = (number(net.network()), number(net.broadcast()));
    let v6 = net.addr().is_ipv6();
    // The last of an IPv4 subnet is its broadcast address; in IPv6 the first is the routers' anycast address.
    (address(low + 1, v6), address(if v6 { high } else { high - 1 }, v6))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn address(n: u128, ipv6: bool) -> IpAddr {
    if ipv6 { Ipv6Addr::from(n).into() } else { Ipv4Addr::from(n as u32).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn setting(net: &str, gateway: &str) -> (tempfile::TempDir, Paths, Network) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path());
        let subnet = Subnet { net: net.parse().unwrap(), gateway: gateway.parse().unwrap(), range: None };
        let network = Network { name: "n".into(), id: "c".repeat(64), subnets: vec![subnet], ..Network::default() };
        (dir, paths, network)
    }

    fn container(paths: &Paths, letter: &str) -> String {
        let id = letter.repeat(64);
        std::fs::create_dir_all(paths.container(&id).path()).unwrap();
        id
    }

    #[test]
    fn stable_exclusive_and_reclaimed() {
        let (_dir, paths, network) = setting("10.1.0.0/29", "10.1.0.1");
        let (a, b) = (container(&paths, "a"), container(&paths, "b"));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(take(&paths, &network, &a, &[]).unwrap(), [ip("10.1.0.2")]);
        assert_eq!(take(&paths, &network, &b, &[]).unwrap(), [ip("10.1.0.3")]);
        assert_eq!(take(&paths, &network, &a, &[]).unwrap(), [ip("10.1.0.2")]);
        let e = take(&paths, &network, &b, &[ip("10.1.0.2")]).unwrap_err();
        assert_eq!(e.kind, Kind::Conflict);
        assert_eq!(take(&paths, &network, &b, &[ip("10.1.0.6")]).unwrap(), [ip("10.1.0.6")]);
        for bad in ["10.1.0.1", "10.1.0.0", "10.1.0.7", "10.2.0.1"] {
            assert!(take(&paths, &network, &b, &[ip(bad)]).is_err(), "{bad}");
        }
        // The remover of `a` was killed before it gave the address back; a writer before it had written.
        std::fs::remove_dir_all(paths.container(&a).path()).unwrap();
        std::fs::write(paths.leases().join("cccccccccccc/10.1.0.3"), "").unwrap();
        let c = container(&paths, "d");
        assert_eq!(take(&paths, &network, &c, &[]).unwrap(), [ip("10.1.0.2")]);
        release(&paths, &network, &c);
        assert_eq!(take(&paths, &network, &container(&paths, "e"), &[]).unwrap(), [ip("10.1.0.2")]);
    }

    #[test]
    fn a_full_subnet_says_so() {
        let (_dir, paths, network) = setting("10.1.0.0/30", "10.1.0.1");
        take(&paths, &network, &container(&paths, "a"), &[]).unwrap();
        assert_eq!(take(&paths, &network, &container(&paths, "b"), &[]).unwrap_err().kind, Kind::Conflict);
        let (_dir, paths, network) = setting("fd01::/64", "fd01::1");
        assert_eq!(take(&paths, &network, &container(&paths, "a"), &[]).unwrap()[0].to_string(), "fd01::2");
    }
}
