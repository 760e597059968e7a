//! `network ls` and `network inspect`: the user's networks and the default one.

use super::Style;
use crate::engine::doc::{Doc, fields};
use crate::engine::{Ctx, network};
use crate::error::{Kind, Result};
use crate::net::holder::{self, NetworkStatus, Status};
use crate::net::networks::{self, Network, Subnet};
use crate::spec::model::{NetMode, Spec};
use crate::state::containers;
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// The default network's ranges: each container has them to itself.
const DEFAULT_NET: &str = "10.0.2.0/24";
const DEFAULT_GATEWAY: &str = "10.0.2.2";

/// A network as listed.
#[derive(Clone, Debug)]
pub struct Entry {
    pub network: Network,
    /// `bridge`, or of docker's others `host` and `null`.
    pub driver: &'static str,
    /// Not one of the user's: can't be removed.
    pub builtin: bool,
    /// Ids of the containers on it; running ones for the default network.
    pub members: Vec<String>,
}

/// All networks: the default one first (and docker's two others), then the user's by name.
pub fn entries(ctx: &Ctx, docker: bool) -> Result<Vec<Entry>> {
    let mut used = network::users(ctx)?;
    let mut all = vec![default_network(docker)];
    if docker {
        all.extend([("host", "host"), ("none", "null")].map(|(name, driver)| builtin(name, driver, Vec::new())));
    }
    all.extend(networks::list(&ctx.paths)?.into_iter().map(|network| {
        let members = used.remove(&network.name).unwrap_or_default();
        Entry { network, driver: "bridge", builtin: false, members }
    }));
    Ok(all)
}

/// The network called `name` (or by the beginning of its id).
pub fn entry(ctx: &Ctx, name: &str, docker: bool) -> Result<Entry> {
    let all = entries(ctx, docker)?;
    // Both words mean the default network, whoever asks.
    let wanted = match (name, docker) {
        ("bridge" | "podman" | "default", true) => "bridge",
        ("bridge" | "podman" | "default", false) => "podman",
        _ => name,
    };
    if let Some(found) = all.iter().find(|e| e.network.name == wanted) {
        return Ok(found.clone());
    }
    let network = networks::resolve(&ctx.paths, name)?;
    let found = all.into_iter().find(|e| e.network.id == network.id);
    found.ok_or_else(|| crate::error::Error::not_found(format!("find network {name}: no such network")))
}

fn default_network(docker: bool) -> Entry {
    let subnet = DEFAULT_NET.parse().ok().zip(DEFAULT_GATEWAY.parse().ok());
    let subnets = subnet.map(|(net, gateway)| Subnet { net, gateway, range: None }).into_iter().collect();
    builtin(if docker { "bridge" } else { "podman" }, "bridge", subnets)
}

fn builtin(name: &str, driver: &'static str, subnets: Vec<Subnet>) -> Entry {
    let network = Network {
        name: name.to_string(),
        // Stable, unique and recognisable: the name in hexadecimal.
        id: name.bytes().map(|b| format!("{b:02x}")).collect::<String>() + &"0".repeat(64 - name.len() * 2),
        subnets,
        ..Network::default()
    };
    Entry { network, driver, builtin: true, members: Vec::new() }
}

/// A member as shown.
struct Shown {
    id: String,
    name: String,
    interface: String,
    mac: String,
    /// With their subnets' prefixes.
    ips: Vec<ipnet::IpNet>,
    traffic: Doc,
}

/// `network inspect` in the words of docker or of podman; templates (`all_names`) may use either's.
pub fn network(ctx: &Ctx, entry: &Entry, style: Style, all_names: bool) -> Result<Doc> {
    let status = holder::running(&ctx.paths)?.unwrap_or_default();
    let live = status.networks.iter().find(|n| n.id == entry.network.id);
    let members = if entry.builtin { on_default(ctx, entry)? } else { members(ctx, &entry.network, &status)? };
    let outside = traffic(live);
    let mut out = if style.docker { docker(entry, &members) } else { podman(entry, &members) };
    if all_names && !style.docker {
        for (key, value) in go_names(entry, &members) {
            out.push(key, value);
        }
    }
    out.push(if style.docker || all_names { "Traffic" } else { "traffic" }, outside);
    Ok(out)
}

/// Bytes and packets between the network and the outside.
fn traffic(live: Option<&NetworkStatus>) -> Doc {
    live.and_then(|n| n.outside.as_ref()).map_or(Doc::Value(Value::Null), counters)
}

fn counters(link: &crate::net::netlink::Link) -> Doc {
    fields! {
        "rx_bytes" => link.received_bytes,
        "rx_packets" => link.received_packets,
        "tx_bytes" => link.sent_bytes,
        "tx_packets" => link.sent_packets,
    }
}

fn members(ctx: &Ctx, network: &Network, status: &Status) -> Result<Vec<Shown>> {
    let live = status.networks.iter().find(|n| n.id == network.id);
    let with_prefix = |ip: &IpAddr| {
        let subnet = network.subnet_of(*ip)?;
        ipnet::IpNet::new(*ip, subnet.net.prefix_len()).ok()
    };
    let mut out = Vec::new();
    for member in live.iter().flat_map(|n| &n.members) {
        // The holder knows the name that it started with.
        let name = match containers::load(&ctx.paths, &member.container) {
            Ok(container) => container.name,
            Err(e) if e.kind == Kind::NotFound => member.name.clone(),
            Err(e) => return Err(e),
        };
        out.push(Shown {
            id: member.container.clone(),
            name,
            interface: member.interface.clone(),
            mac: member.mac.clone(),
            ips: member.ips.iter().filter_map(with_prefix).collect(),
            traffic: member.link.as_ref().map_or(Doc::Value(Value::Null), counters),
        });
    }
    Ok(out)
}

/// Running containers on a network that is none of the user's.
fn on_default(ctx: &Ctx, entry: &Entry) -> Result<Vec<Shown>> {
    let mut out = Vec::new();
    for container in containers::list(&ctx.paths)?.into_iter().filter(|c| c.active()) {
        let Ok(spec) = containers::load_spec::<Spec>(&ctx.paths, &container.id) else { continue };
        let here = match spec.network.mode {
            NetMode::Default => entry.driver == "bridge",
            NetMode::Host => entry.driver == "host",
            NetMode::None => entry.driver == "null",
            _ => false,
        };
        if here {
            let state = &container.state.network;
            let net = |ip: &str, prefix| ipnet::IpNet::new(ip.parse().ok()?, prefix).ok();
            out.push(Shown {
                id: container.id.clone(),
                name: container.name.clone(),
                interface: if state.ip.is_empty() { String::new() } else { "tap0".into() },
                mac: state.mac.clone(),
                ips: [net(&state.ip, state.prefix), net(&state.ip6, state.prefix6)].into_iter().flatten().collect(),
                traffic: Doc::Value(Value::Null),
            });
        }
    }
    Ok(out)
}

fn podman(entry: &Entry, members: &[Shown]) -> Doc {
    let n = &entry.network;
    let containers = members.iter().map(|m| {
        let gateway = |ip: IpAddr| n.subnet_of(ip).map(|s| s.gateway.to_string()).unwrap_or_default();
        let subnets = m.ips.iter().map(|ip| {
            fields! { "ipnet" => ip.to_string(), "gateway" => gateway(ip.addr()) }
        });
        let interface = fields! {
            "subnets" => Doc::List(subnets.collect()),
            "mac_address" => &m.mac,
            "traffic" => m.traffic.clone(),
        };
        let doc = fields! {
            "name" => &m.name,
            "interfaces" => Doc::Map(vec![(Cow::Owned(m.interface.clone()), interface)]),
        };
        (Cow::Owned(m.id.clone()), doc)
    });
    let subnets = n.subnets.iter().map(|s| {
        let mut doc = fields! { "subnet" => s.net.to_string(), "gateway" => s.gateway.to_string() };
        if let Some((first, last)) = s.range {
            doc.push("lease_range", fields! { "start_ip" => first.to_string(), "end_ip" => last.to_string() });
        }
        doc
    });
    fields! {
        "name" => &n.name,
        "id" => &n.id,
        "driver" => entry.driver,
        "network_interface" => if entry.builtin { String::new() } else { n.interface() },
        "created" => &n.created,
        "subnets" => Doc::List(subnets.collect()),
        "ipv6_enabled" => n.subnet(true).is_some(),
        "internal" => n.internal,
        "dns_enabled" => n.dns,
        "network_dns_servers" => strings(n.dns_servers.iter().map(ToString::to_string)),
        "labels" => &n.labels,
        "options" => &n.options,
        "ipam_options" => fields! { "driver" => "host-local" },
        "containers" => Doc::Map(containers.collect()),
    }
}

/// Names that podman's and docker's templates use beside podman's JSON.
fn go_names(entry: &Entry, members: &[Shown]) -> Vec<(&'static str, Doc)> {
    let n = &entry.network;
    let subnets =
        n.subnets.iter().map(|s| fields! { "Subnet" => s.net.to_string(), "Gateway" => s.gateway.to_string() });
    let Doc::Map(docker) = docker(entry, members) else { return Vec::new() };
    let kept = ["Name", "Id", "Created", "Scope", "Driver", "IPAM", "Internal", "Containers", "Options", "Labels"];
    let mut out: Vec<(&'static str, Doc)> = kept
        .into_iter()
        .filter_map(|key| docker.iter().find(|(k, _)| k == key).map(|(_, v)| (key, v.clone())))
        .collect();
    out.extend([
        ("ID", Doc::from(&n.id)),
        ("NetworkInterface", Doc::from(n.interface())),
        ("Subnets", Doc::List(subnets.collect())),
        ("IPv6Enabled", Doc::from(n.subnet(true).is_some())),
        ("EnableIPv6", Doc::from(n.subnet(true).is_some())),
        ("DNSEnabled", Doc::from(n.dns)),
        ("NetworkDNSServers", strings(n.dns_servers.iter().map(ToString::to_string))),
    ]);
    out
}

fn docker(entry: &Entry, members: &[Shown]) -> Doc {
    let n = &entry.network;
    let config = n.subnets.iter().map(|s| {
        let mut doc = fields! { "Subnet" => s.net.to_string() };
        if let Some((first, last)) = s.range {
            doc.push("IPRange", format!("{first}-{last}"));
        }
        doc.push("Gateway", s.gateway.to_string());
        doc
    });
    let containers = members.iter().map(|m| {
        let of =
            |v6: bool| m.ips.iter().find(|ip| ip.addr().is_ipv6() == v6).map(ToString::to_string).unwrap_or_default();
        let doc = fields! {
            "Name" => &m.name,
            "EndpointID" => "",
            "MacAddress" => &m.mac,
            "IPv4Address" => of(false),
            "IPv6Address" => of(true),
            "Traffic" => m.traffic.clone(),
        };
        (Cow::Owned(m.id.clone()), doc)
    });
    fields! {
        "Name" => &n.name,
        "Id" => &n.id,
        "Created" => &n.created,
        "Scope" => "local",
        "Driver" => entry.driver,
        "EnableIPv4" => n.subnet(false).is_some(),
        "EnableIPv6" => n.subnet(true).is_some(),
        "IPAM" => fields! {
            "Driver" => "default",
            "Options" => None::<bool>,
            "Config" => Doc::List(config.collect()),
        },
        "Internal" => n.internal,
        "Attachable" => false,
        "Ingress" => false,
        "ConfigFrom" => fields! { "Network" => "" },
        "ConfigOnly" => false,
        "Containers" => Doc::Map(containers.collect()),
        "Options" => &n.options,
        "Labels" => &n.labels,
    }
}

fn strings(texts: impl Iterator<Item = String>) -> Doc {
    Doc::List(texts.map(Doc::from).collect())
}
