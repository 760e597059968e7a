//! Which subnet a new network gets: the first of the pools that nothing on this host uses.

use super::Network;
use crate::error::{Error, Result};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// A range that subnets of `size` bits are cut from (containers.conf(5) `default_subnet_pools`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Pool {
    pub base: Ipv4Net,
    pub size: u8,
}

/// Podman's own pools.
const DEFAULTS: [(u8, u8); 5] = [(89, 16), (90, 15), (92, 14), (96, 11), (128, 9)];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conf {
    network: NetworkConf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NetworkConf {
    default_subnet_pools: Option<Vec<Pool>>,
}

/// The pools that the last of the containers.conf `files` with any sets; missing files are none.
///
/// # Errors
/// A file that can't be understood, by name.
pub fn pools(files: &[PathBuf]) -> Result<Vec<Pool>> {
    let mut found = None;
    for file in files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let conf: Conf = toml::from_str(&text)
            .map_err(|e| Error::user(format!("read {}: {}", file.display(), e.message().replace('\n', " "))))?;
        found = conf.network.default_subnet_pools.or(found);
    }
    let default = |(second, bits): (u8, u8)| Pool {
        base: Ipv4Net::new(Ipv4Addr::new(10, second, 0, 0), bits).unwrap_or_default(),
        size: 24,
    };
    let pools = found.unwrap_or_else(|| DEFAULTS.into_iter().map(default).collect());
    match pools.iter().find(|p| p.size < p.base.prefix_len() || p.size > 29) {
        Some(bad) => Err(Error::user(format!("use the subnet pool {} with size {}", bad.base, bad.size))
            .hint("the size lies between the base's prefix and 29")),
        None => Ok(pools),
    }
}

/// Networks that this host reaches by other routes than the default one.
pub fn host_networks() -> Vec<IpNet> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    parse_routes(&text("/proc/net/route")).chain(parse_routes6(&text("/proc/net/ipv6_route"))).collect()
}

/// A subnet of each family asked for, clear of `taken`.
pub fn free_subnets(pools: &[Pool], taken: &[IpNet], ipv4: bool, ipv6: bool) -> Result<Vec<IpNet>> {
    let clear = |net: &IpNet| !taken.iter().any(|t| overlap(t, net));
    let mut out = Vec::new();
    if ipv4 {
        let mut all = pools.iter().flat_map(|p| p.base.subnets(p.size).into_iter().flatten()).map(IpNet::from);
        out.push(all.find(clear).ok_or_else(|| {
            Error::conflict("find a free subnet: all of the pools are in use")
                .hint("name one with --subnet, or set default_subnet_pools in containers.conf")
        })?);
    }
    if ipv6 {
        for _ in 0..64 {
            let net = IpNet::from(random_ula()?);
            if clear(&net) {
                out.push(net);
                break;
            }
        }
    }
    Ok(out)
}

/// Whether two ranges share an address.
pub fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// What stands in the way of `net`, in words.
pub fn taken_by(net: &IpNet, networks: &[Network]) -> Option<String> {
    let other = networks.iter().find(|n| n.subnets.iter().any(|s| overlap(&s.net, net)))?;
    Some(other.name.clone())
}

/// A /64 of a random unique local prefix (RFC 4193).
fn random_ula() -> Result<Ipv6Net> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes[1..6])
        .map_err(|e| Error::new(crate::error::Kind::Io, format!("get random bytes: {e}")))?;
    bytes[0] = 0xfd;
    // slirp4netns has fd00::/64 to itself.
    bytes[1] |= 1;
    Ok(Ipv6Net::new(Ipv6Addr::from(bytes), 64).unwrap_or_default())
}

/// proc(5) `net/route`: destination and mask are hexadecimal numbers of this machine in network byte order.
fn parse_routes(text: &str) -> impl Iterator<Item = IpNet> {
    text.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| Some(u32::from_be(u32::from_str_radix(words.get(at)?, 16).ok()?));
        let (net, mask) = (number(1)?, number(7)?);
        let net = Ipv4Net::new(Ipv4Addr::from(net), mask.count_ones() as u8).ok()?;
        (mask != 0).then_some(IpNet::from(net))
    })
}

/// proc(5) `net/ipv6_route`: destination and prefix length, both hexadecimal. Global unicast and ULA only.
fn parse_routes6(text: &str) -> impl Iterator<Item = IpNet> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = Ipv6Addr::from(u128::from_str_radix(words.next()?, 16).ok()?);
        let bits = u8::from_str_radix(words.next()?, 16).ok()?;
        let usual = !address.is_multicast() && !address.is_unicast_link_local() && !address.is_unspecified();
        (usual && bits > 0).then_some(IpNet::from(Ipv6Net::new(address, bits).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_subnet() {
        let pools = pools(&[]).unwrap();
        let taken: Vec<IpNet> = vec!["10.89.0.0/24".parse().unwrap(), "10.89.1.128/25".parse().unwrap()];
        let found = free_subnets(&pools, &taken, true, true).unwrap();
        assert_eq!(found[0].to_string(), "10.89.2.0/24");
        assert!(found[1].to_string().starts_with("fd") && found[1].prefix_len() == 64);
        let all: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        assert!(free_subnets(&pools, &all, true, false).is_err());
    }

    #[test]
    fn pools_come_from_containers_conf() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("containers.conf");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        let missing = dir.path().join("none");
        write("[network]\ndefault_subnet_pools = [{base = \"192.168.64.0/20\", size = 26}]\n[engine]\nx = 1\n");
        let found = pools(&[missing, file.clone()]).unwrap();
        assert_eq!((found.len(), found[0].size, found[0].base.to_string()), (1, 26, "192.168.64.0/20".into()));
        write("[network]\ndefault_subnet_pools = [{base = \"192.168.64.0/20\", size = 8}]\n");
        assert!(pools(std::slice::from_ref(&file)).is_err());
        write("[network\n");
        assert!(pools(&[file]).unwrap_err().to_string().contains("containers.conf"));
    }

    #[test]
    fn reads_the_hosts_routes() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t3\t0\t0\t0\t00000000\n\
                    eth0\t0002000A\t00000000\t1\t0\t0\t0\t00FFFFFF\nbad\n";
        assert_eq!(parse_routes(text).map(|n| n.to_string()).collect::<Vec<_>>(), ["10.0.2.0/24"]);
        let text6 = "fd000000000000000000000000000000 40 0 00 0 0 0 0 0 eth0\nfe800000000000000000000000000000 40 x\n";
        assert_eq!(parse_routes6(text6).map(|n| n.to_string()).collect::<Vec<_>>(), ["fd00::/64"]);
    }
}
