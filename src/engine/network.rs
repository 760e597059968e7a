//! User-defined networks as seen from the containers that use them.

use super::Ctx;
use super::rm::{RmOptions, rm};
use crate::error::{Error, Kind, Result};
use crate::net::holder::WAY_OUT;
use crate::net::networks::{self, Network, Pool, Subnet};
use crate::spec::model::{NetMode, Spec};
use crate::spec::units::parse_bool;
use crate::state::lock::Flock;
use crate::state::{atomic, containers, events, store};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// The smallest largest packet of a link that carries IPv6 (RFC 8200, section 5).
const IPV6_MTU: u32 = 1280;

/// What `network create` was told; texts as the user wrote them.
#[derive(Clone, Debug, Default)]
pub struct NewNetwork {
    /// Empty: one is made up.
    pub name: String,
    pub driver: String,
    pub subnets: Vec<String>,
    pub gateways: Vec<String>,
    pub ranges: Vec<String>,
    pub internal: bool,
    pub ipv4: bool,
    pub ipv6: bool,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub dns: bool,
    pub dns_servers: Vec<String>,
    pub pools: Vec<Pool>,
}

/// Makes a network. `Conflict` when the name is taken or a subnet overlaps.
pub fn create(ctx: &Ctx, new: &NewNetwork) -> Result<Network> {
    if !matches!(new.driver.as_str(), "" | "bridge") {
        return Err(Error::unsupported(format!("use the network driver '{}': only bridge is there", new.driver))
            .hint("macvlan and ipvlan need root of the host"));
    }
    store::open(&ctx.paths)?;
    atomic::make_dirs(&ctx.paths.networks())?;
    // Two creations at a time must not choose one subnet.
    let _lock = Flock::dir(&ctx.paths.networks())?;
    let others = networks::list(&ctx.paths)?;
    let name = match new.name.as_str() {
        "" => (1..).map(|n| format!("coracle{n}")).find(|n| others.iter().all(|o| o.name != *n)).unwrap_or_default(),
        name => name.to_string(),
    };
    networks::check_name(&name)?;
    if others.iter().any(|o| o.name == name) {
        return Err(Error::conflict(format!("create network {name}: it exists already")));
    }
    let mut network = Network {
        name,
        id: containers::new_id()?,
        created: events::now(),
        labels: new.labels.clone(),
        options: new.options.clone(),
        internal: new.internal,
        dns: new.dns,
        ..Network::default()
    };
    for server in &new.dns_servers {
        let server = server.parse().map_err(|_| Error::user(format!("read --dns '{server}': not an IP address")))?;
        network.dns_servers.push(server);
    }
    options(&mut network, new)?;
    network.subnets = subnets(new, &others)?;
    if network.subnet(true).is_some() && (1..IPV6_MTU).contains(&network.mtu) {
        return Err(Error::user(format!("use the network option mtu={}: IPv6 needs {IPV6_MTU} or more", network.mtu)));
    }
    networks::create(&ctx.paths, &network)?;
    event(ctx, "create", &network);
    Ok(network)
}

fn options(network: &mut Network, new: &NewNetwork) -> Result<()> {
    for (key, value) in &new.options {
        let bad = |why: &str| Error::user(format!("use the network option {key}={value}: {why}"));
        match key.as_str() {
            "mtu" | "com.docker.network.driver.mtu" => {
                let range = 68..=65535;
                network.mtu = value.parse().ok().filter(|m| range.contains(m)).ok_or_else(|| bad("not 68..65535"))?;
            }
            // All networks are isolated from each other.
            "isolate" if value == "strict" || parse_bool(value).unwrap_or(false) => {}
            "isolate" => return Err(bad("networks are always isolated from each other").kind(Kind::Unsupported)),
            WAY_OUT if matches!(value.as_str(), "slirp4netns" | "pasta") => {}
            WAY_OUT => return Err(bad("not slirp4netns or pasta")),
            // The bridge is in a namespace of its own, where its name matters to nobody.
            "com.docker.network.bridge.name" => {}
            "com.docker.network.bridge.enable_icc" if parse_bool(value).unwrap_or(false) => {}
            _ => return Err(bad("not supported").kind(Kind::Unsupported).hint("mtu, isolate and way_out are known")),
        }
    }
    Ok(())
}

/// A note for each subnet of the network that hides a part of the host's own: its containers can't reach that.
pub fn hidden(network: &Network) -> Vec<String> {
    let reached = networks::host_networks();
    let overlaps = |net: &IpNet| reached.iter().find(|own| networks::overlap(own, net)).copied();
    let note = |net: IpNet, own: IpNet| {
        format!("containers of network {} can't reach {own} of the host: {net} is theirs", network.name)
    };
    network.subnets.iter().filter_map(|s| Some(note(s.net, overlaps(&s.net)?))).collect()
}

/// The subnets asked for, or free ones.
fn subnets(new: &NewNetwork, others: &[Network]) -> Result<Vec<Subnet>> {
    let mut nets: Vec<IpNet> = Vec::new();
    for text in &new.subnets {
        let net: IpNet = text.parse().map_err(|_| {
            Error::user(format!("read --subnet '{text}': not a subnet")).hint("write it like 10.5.0.0/24")
        })?;
        let most = if net.addr().is_ipv4() { 30 } else { 126 };
        if net.prefix_len() > most || net.prefix_len() == 0 {
            return Err(Error::user(format!("use --subnet {text}: the prefix must be 1 to {most} bits long")));
        }
        let net = net.trunc();
        if let Some(other) = networks::taken_by(&net, others) {
            return Err(Error::conflict(format!("use --subnet {text}: network {other} overlaps it")));
        }
        if nets.iter().any(|n| n.addr().is_ipv4() == net.addr().is_ipv4()) {
            return Err(Error::unsupported("give a network two subnets of one family: not supported"));
        }
        nets.push(net);
    }
    let has = |v6: bool| nets.iter().any(|n| n.addr().is_ipv6() == v6);
    let (ipv4, ipv6) = (new.ipv4 && !has(false) && (nets.is_empty() || new.ipv6), new.ipv6 && !has(true));
    if ipv4 || ipv6 {
        let mut taken: Vec<IpNet> = others.iter().flat_map(|o| o.subnets.iter().map(|s| s.net)).collect();
        taken.extend(networks::host_networks());
        nets.extend(networks::free_subnets(&new.pools, &taken, ipv4, ipv6)?);
    }
    if nets.is_empty() {
        return Err(Error::user("create a network without any address").hint("leave --ipv4 out, or add --ipv6"));
    }
    nets.sort_by_key(|n| n.addr().is_ipv6());
    let mut subnets: Vec<Subnet> =
        nets.into_iter().map(|net| Subnet { net, gateway: networks::first_address(&net), range: None }).collect();
    for text in &new.gateways {
        let ip: IpAddr =
            text.parse().map_err(|_| Error::user(format!("read --gateway '{text}': not an IP address")))?;
        subnet_of(&mut subnets, ip, "--gateway", text)?.gateway = ip;
    }
    for text in &new.ranges {
        let (first, last) = range(text)?;
        let subnet = subnet_of(&mut subnets, first, "--ip-range", text)?;
        if !subnet.net.contains(&last) || first > last {
            return Err(Error::user(format!("use --ip-range {text}: it is not within {}", subnet.net)));
        }
        subnet.range = Some(networks::clamp(&subnet.net, first, last));
    }
    Ok(subnets)
}

fn subnet_of<'a>(subnets: &'a mut [Subnet], ip: IpAddr, flag: &str, text: &str) -> Result<&'a mut Subnet> {
    subnets
        .iter_mut()
        .find(|s| s.net.contains(&ip))
        .ok_or_else(|| Error::user(format!("use {flag} {text}: it is in none of the network's subnets")))
}

/// `10.5.1.0/26` or `10.5.1.5-10.5.1.20`.
fn range(text: &str) -> Result<(IpAddr, IpAddr)> {
    let bad = || Error::user(format!("read --ip-range '{text}'")).hint("write a subnet, or FIRST-LAST");
    match text.split_once('-') {
        Some((first, last)) => Ok((first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?)),
        None => {
            let net: IpNet = text.parse().map_err(|_| bad())?;
            Ok((net.network(), net.broadcast()))
        }
    }
}

/// Network name → full ids of the containers that are on it. Containers whose spec can't be read count for none.
pub fn users(ctx: &Ctx) -> Result<BTreeMap<String, Vec<String>>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in containers::ids(&ctx.paths)? {
        let Ok(spec) = containers::load_spec::<Spec>(&ctx.paths, &id) else { continue };
        if let NetMode::Networks(endpoints) = spec.network.mode {
            for endpoint in endpoints {
                out.entry(endpoint.network).or_default().push(id.clone());
            }
        }
    }
    Ok(out)
}

/// Removes a network. With `force` the containers on it go first.
///
/// # Errors
/// `NotFound` when there is no such network, `Conflict` when a container (running or not) is on it.
pub fn remove(ctx: &Ctx, name: &str, force: Option<Duration>) -> Result<String> {
    let network = networks::resolve(&ctx.paths, name)?;
    let members = users(ctx)?.remove(&network.name).unwrap_or_default();
    match (members.first(), force) {
        (None, _) => {}
        (Some(_), Some(timeout)) => {
            for id in &members {
                rm(ctx, id, RmOptions { force: true, volumes: true, timeout: Some(timeout) })?;
            }
        }
        (Some(id), None) => {
            return Err(Error::conflict(format!("remove network {}: container {} is on it", network.name, &id[..12]))
                .hint("remove that container first, or use -f"));
        }
    }
    networks::remove(&ctx.paths, &network)?;
    event(ctx, "remove", &network);
    Ok(network.name)
}

/// Removes all networks that no container is on and that `wanted` says yes to; gives their names. Containers in `gone`
/// don't count. With `dry_run` it only says which.
pub fn prune(ctx: &Ctx, gone: &[String], dry_run: bool, wanted: &dyn Fn(&Network) -> bool) -> Result<Vec<String>> {
    let used = users(ctx)?;
    let is_used = |name: &String| used.get(name).is_some_and(|ids| ids.iter().any(|id| !gone.contains(id)));
    let mut removed = Vec::new();
    for network in networks::list(&ctx.paths)? {
        if is_used(&network.name) || !wanted(&network) {
            continue;
        }
        if !dry_run {
            networks::remove(&ctx.paths, &network)?;
            event(ctx, "remove", &network);
        }
        removed.push(network.name);
    }
    Ok(removed)
}

/// Makes sure that the networks of a new container exist, under their full names, and hold the addresses asked for; or
/// that the options of another mode can be understood.
pub(super) fn settle(ctx: &Ctx, mode: &mut NetMode) -> Result<()> {
    crate::net::check(mode)?;
    let NetMode::Networks(endpoints) = mode else { return Ok(()) };
    for endpoint in endpoints {
        let network = networks::resolve(&ctx.paths, &endpoint.network)?;
        if let Some(ip) = endpoint.ips.iter().find(|ip| network.subnet_of(**ip).is_none()) {
            return Err(Error::user(format!("use address {ip} in network {}: it is outside", network.name)));
        }
        endpoint.network = network.name;
    }
    Ok(())
}

fn event(ctx: &Ctx, action: &str, network: &Network) {
    events::network(&ctx.paths, action, &network.id, &network.name, &[("type", "bridge".to_string())]);
}
