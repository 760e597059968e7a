//! User-defined networks: `<data>/networks/<name>.json`, and who has which address in them.
//!
//! A record never changes once it is written. What runs of a network (bridge, way out, DNS) is [`super::holder`]'s.

mod lease;
mod pool;

pub use lease::{clamp, first_address, release, take};
pub use pool::{Pool, free_subnets, host_networks, overlap, pools, taken_by};

use crate::error::{Error, IntoError, Kind, Result};
use crate::spec::namespaces::RESERVED;
use crate::state::atomic::{self, Class};
use crate::state::paths::Paths;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The newest record that this build writes.
const SCHEMA: u32 = 1;

/// The record of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub version: u32,
    pub name: String,
    /// 64 hex digits.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    /// As the user wrote them (`-o`).
    pub options: BTreeMap<String, String>,
    /// At least one; at most one of each family.
    pub subnets: Vec<Subnet>,
    /// No way out.
    pub internal: bool,
    /// Names are answered for.
    pub dns: bool,
    /// Servers to ask for other names, instead of the host's.
    pub dns_servers: Vec<IpAddr>,
    /// Largest packet of its interfaces; 0 = the usual.
    pub mtu: u32,
}

/// One address range of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub net: IpNet,
    /// The bridge's own address: the members' next hop and DNS server.
    pub gateway: IpAddr,
    /// First and last address given to members; `None` = all.
    pub range: Option<(IpAddr, IpAddr)>,
}

impl Network {
    /// Name of its bridge inside the holder.
    pub fn interface(&self) -> String {
        format!("br-{}", self.id.get(..12).unwrap_or(&self.id))
    }

    /// Its range of a family.
    pub fn subnet(&self, ipv6: bool) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.net.addr().is_ipv6() == ipv6)
    }

    /// The subnet that holds `ip`.
    pub fn subnet_of(&self, ip: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.net.contains(&ip))
    }
}

fn file(paths: &Paths, name: &str) -> PathBuf {
    paths.networks().join(format!("{name}.json"))
}

/// A name that a network can have; `Kind::User` otherwise.
pub fn check_name(name: &str) -> Result<()> {
    if !crate::spec::volumes::valid_name(name) {
        return Err(Error::user(format!("read network name '{name}'"))
            .hint("a name starts with a letter or digit and has letters, digits, '_', '.' and '-'"));
    }
    match RESERVED.contains(&name) {
        true => Err(Error::user(format!("use the network name {name}: it has a meaning of its own"))),
        false => Ok(()),
    }
}

/// Stores a new network; `Kind::Conflict` when the name is taken. `version` is filled in.
pub fn create(paths: &Paths, network: &Network) -> Result<()> {
    check_name(&network.name)?;
    let dir = paths.networks();
    atomic::make_dirs(&dir)?;
    let target = file(paths, &network.name);
    let named = || format!("create network {}", network.name);
    // Written aside and linked into place: the name is taken whole or not at all, and never from another.
    let staged = dir.join(format!(".{}.new", network.id));
    atomic::write_json(&staged, &Network { version: SCHEMA, ..network.clone() }, Class::Durable)
        .map_err(|e| e.context(named()))?;
    let linked = std::fs::hard_link(&staged, &target);
    let _ = std::fs::remove_file(&staged);
    match linked {
        Ok(()) => atomic::sync_dir(&dir),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::conflict(format!("create network {}: it exists already", network.name)))
        }
        Err(e) => Err(e.context(named())),
    }
}

/// `Kind::NotFound` when there is no such network.
pub fn get(paths: &Paths, name: &str) -> Result<Network> {
    check_name(name)?;
    match atomic::read_json::<Network>(&file(paths, name)) {
        Ok(network) if network.version > SCHEMA => {
            Err(Error::unsupported(format!("read network {name}: a newer coracle wrote it")))
        }
        Ok(network) => Ok(network),
        Err(e) if e.kind == Kind::NotFound => Err(Error::not_found(format!("find network {name}: no such network"))
            .hint(format!("coracle network create {name}"))),
        Err(e) => Err(e.context(format!("read network {name}"))),
    }
}

/// All networks by name; a damaged one is left out.
pub fn list(paths: &Paths) -> Result<Vec<Network>> {
    let dir = paths.networks();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.context(format!("read {}", dir.display()))),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut networks: Vec<Network> = names
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| get(paths, name.strip_suffix(".json")?).ok())
        .collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(networks)
}

/// The network with this name, id, or unique beginning of an id.
pub fn resolve(paths: &Paths, text: &str) -> Result<Network> {
    let missing = match check_name(text).and_then(|()| get(paths, text)) {
        Err(e) if e.kind == Kind::NotFound || e.kind == Kind::User => e,
        other => return other,
    };
    let hex = text.len() >= 3 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut found = list(paths)?.into_iter().filter(|n| hex && n.id.starts_with(text));
    match (found.next(), found.next()) {
        (Some(network), None) => Ok(network),
        _ => Err(missing),
    }
}

/// Forgets the network and its leases. Whether a container still uses it is the caller's question.
pub fn remove(paths: &Paths, network: &Network) -> Result<()> {
    let path = file(paths, &network.name);
    std::fs::remove_file(&path).map_err(|e| e.context(format!("remove network {}", network.name)))?;
    lease::forget(paths, network);
    atomic::sync_dir(&paths.networks())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_of_a_network() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
        assert!(list(&paths).unwrap().is_empty());
        assert_eq!(get(&paths, "n").unwrap_err().kind, Kind::NotFound);
        let subnet =
            Subnet { net: "10.89.0.0/24".parse().unwrap(), gateway: "10.89.0.1".parse().unwrap(), range: None };
        let network = Network { name: "n".into(), id: "ab".repeat(32), subnets: vec![subnet], ..Network::default() };
        create(&paths, &network).unwrap();
        assert_eq!(create(&paths, &network).unwrap_err().kind, Kind::Conflict);
        assert_eq!(resolve(&paths, "abab").unwrap().name, "n");
        assert_eq!(list(&paths).unwrap().len(), 1);
        assert_eq!(network.interface(), "br-abababababab");
        remove(&paths, &network).unwrap();
        assert!(list(&paths).unwrap().is_empty() && std::fs::read_dir(paths.networks()).unwrap().next().is_none());
    }

    #[test]
    fn odd_names_never_reach_the_disk() {
        for bad in ["", "../x", "a/b", ".", "-x", "host", "podman", "container"] {
            assert_eq!(check_name(bad).unwrap_err().kind, Kind::User, "{bad}");
        }
    }
}
