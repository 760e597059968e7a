//! `--network`, `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`.

use super::model::{Endpoint, NetMode, Ns, UserNs};
use super::request::{Host, RunRequest};
use super::volumes::valid_name;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Words of `--network` that are no names of user-defined networks.
pub const RESERVED: [&str; 10] =
    ["bridge", "podman", "default", "private", "none", "host", "container", "ns", "slirp4netns", "pasta"];

impl RunRequest {
    /// The containers that namespace flags and `--volumes-from` name, as the user wrote them; `Host::containers` has
    /// to know their full ids.
    pub fn container_refs(&self) -> Vec<String> {
        let spaces = [&self.pid, &self.ipc, &self.uts, &self.userns, &self.cgroupns];
        let modes = spaces.into_iter().flatten().chain(&self.network);
        modes.filter_map(|mode| mode.strip_prefix("container:")).map(str::to_string).collect()
    }

    /// Whether the container will likely be a fork of its monitor in a user namespace of its own with the usual map.
    pub fn usual_start(&self) -> bool {
        let joined = |ns: &Option<String>| ns.as_deref().is_some_and(|ns| !matches!(ns, "" | "private" | "host"));
        let own = |mode: &String| RESERVED.contains(&mode.split(':').next().unwrap_or_default());
        let spaces = [&self.pid, &self.ipc, &self.uts, &self.userns];
        let simple = !self.init && self.seccomp_profile.is_none() && !spaces.into_iter().any(joined);
        simple && self.container_refs().is_empty() && self.network.iter().all(own)
    }
}

fn other(name: &str, flag: &str, ids: &BTreeMap<String, String>) -> Result<String> {
    if name.is_empty() {
        return Err(Error::user(format!("read --{flag} 'container:': it names no container")));
    }
    ids.get(name).cloned().ok_or_else(|| Error::not_found(format!("find container {name} for --{flag}")))
}

fn path(path: &str, flag: &str) -> Result<String> {
    if path.starts_with('/') {
        Ok(path.to_string())
    } else {
        Err(Error::user(format!("read --{flag} 'ns:{path}': the namespace's path is not absolute")))
    }
}

/// A plain namespace flag.
pub fn parse_ns(flag: &str, value: Option<&str>, ids: &BTreeMap<String, String>) -> Result<Ns> {
    match value {
        None | Some("" | "private") => Ok(Ns::Private),
        // Docker's further words for ipc: our /dev/shm can be joined by others anyway, or is absent on request.
        Some("shareable") if flag == "ipc" => Ok(Ns::Private),
        Some("none") if flag == "ipc" => Err(Error::unsupported("use --ipc=none: not supported")),
        Some("host") => Ok(Ns::Host),
        Some(mode) => match mode.split_once(':') {
            Some(("container", name)) => Ok(Ns::Container(other(name, flag, ids)?)),
            Some(("ns", file)) => Ok(Ns::Path(path(file, flag)?)),
            _ => Err(Error::user(format!("read --{flag} '{mode}'")).hint("private, host, container:NAME or ns:PATH")),
        },
    }
}

/// `--userns`.
pub fn parse_userns(value: Option<&str>, ids: &BTreeMap<String, String>) -> Result<UserNs> {
    let bad = |mode: &str, why: &str| {
        Error::user(format!("read --userns '{mode}': {why}"))
            .hint("private, host, keep-id[:uid=N,gid=N] or container:NAME")
    };
    match value {
        None | Some("" | "private") => Ok(UserNs::Private),
        Some("host") => Ok(UserNs::Host),
        Some("keep-id") => Ok(UserNs::KeepId { uid: None, gid: None }),
        Some(mode) => match mode.split_once(':').unwrap_or((mode, "")) {
            ("container", name) => Ok(UserNs::Container(other(name, "userns", ids)?)),
            ("keep-id", options) => {
                let (mut uid, mut gid) = (None, None);
                for option in options.split(',') {
                    let number = |value: &str| {
                        value.parse::<u32>().map(Some).map_err(|_| bad(mode, &format!("'{value}' is no id")))
                    };
                    match option.split_once('=') {
                        Some(("uid", value)) => uid = number(value)?,
                        Some(("gid", value)) => gid = number(value)?,
                        _ => return Err(bad(mode, &format!("unknown option '{option}'"))),
                    }
                }
                Ok(UserNs::KeepId { uid, gid })
            }
            ("auto" | "nomap" | "ns", _) => Err(Error::unsupported(format!("use --userns={mode}: not supported yet"))),
            _ => Err(bad(mode, "unknown mode")),
        },
    }
}

/// `--network`, one or several. What is no mode is the name of a user-defined network; whether it exists is not looked
/// at here.
pub fn parse_network(values: &[String], ids: &BTreeMap<String, String>) -> Result<NetMode> {
    let value = match values {
        [] => return Ok(NetMode::Default),
        [one] => one.as_str(),
        [..] => return several(values),
    };
    let options = |text: &str| text.split(',').filter(|o| !o.is_empty()).map(str::to_string).collect::<Vec<_>>();
    match value {
        // Docker and podman name their default networks.
        "" | "default" | "bridge" | "private" | "podman" => Ok(NetMode::Default),
        "none" => Ok(NetMode::None),
        "host" => Ok(NetMode::Host),
        "slirp4netns" => Ok(NetMode::Slirp4netns(Vec::new())),
        "pasta" => Ok(NetMode::Pasta(Vec::new())),
        _ => match value.split_once(':') {
            Some(("slirp4netns", rest)) => Ok(NetMode::Slirp4netns(options(rest))),
            Some(("pasta", rest)) => Ok(NetMode::Pasta(options(rest))),
            Some(("container", name)) => Ok(NetMode::Container(other(name, "network", ids)?)),
            Some(("ns", file)) => Ok(NetMode::Path(path(file, "network")?)),
            Some(("bridge" | "podman", _)) => {
                Err(Error::unsupported(format!("use --network {value}: the default network has no options"))
                    .hint("make a network of your own: coracle network create"))
            }
            _ => Ok(NetMode::Networks(vec![endpoint(value)?])),
        },
    }
}

/// Several networks: all must be user-defined ones.
fn several(values: &[String]) -> Result<NetMode> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for value in values {
        let name = value.split(':').next().unwrap_or_default();
        if RESERVED.contains(&name) {
            return Err(Error::user(format!("combine --network {value} with another network"))
                .hint("only networks made by 'coracle network create' can be combined"));
        }
        let endpoint = endpoint(value)?;
        if endpoints.iter().any(|e| e.network == endpoint.network) {
            return Err(Error::user(format!("name network {} twice", endpoint.network)));
        }
        endpoints.push(endpoint);
    }
    Ok(NetMode::Networks(endpoints))
}

/// `NAME[:ip=ADDRESS,mac=ADDRESS,alias=NAME,interface_name=NAME]`, podman's form.
pub fn endpoint(text: &str) -> Result<Endpoint> {
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    let bad = |why: String| Error::user(format!("read --network '{text}': {why}"));
    if !valid_name(name) {
        return Err(bad(format!("'{name}' is no name of a network")));
    }
    let mut endpoint = Endpoint { network: name.to_string(), ..Endpoint::default() };
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("ip" | "ip6", value)) => {
                endpoint.ips.push(value.parse().map_err(|_| bad(format!("'{value}' is no IP address")))?);
            }
            Some(("mac", value)) => endpoint.mac = Some(mac(value)?),
            Some(("alias", value)) => endpoint.aliases.push(value.to_string()),
            Some(("interface_name", value)) => endpoint.interface = Some(interface_name(value)?),
            _ => {
                return Err(
                    bad(format!("unknown option '{option}'")).hint("known: ip, ip6, mac, alias, interface_name")
                );
            }
        }
    }
    Ok(endpoint)
}

/// The hardware address of one interface, in the usual form.
pub fn mac(text: &str) -> Result<String> {
    let bytes: Option<Vec<u8>> =
        text.split([':', '-']).map(|b| if b.len() == 2 { u8::from_str_radix(b, 16).ok() } else { None }).collect();
    match bytes {
        Some(b) if b.len() == 6 && b[0] & 1 == 0 => {
            Ok(b.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"))
        }
        _ => Err(Error::user(format!("read --mac-address '{text}': not the address of one interface"))),
    }
}

/// What the kernel takes as the name of an interface (dev_valid_name()), without what paths and shells trip over.
fn interface_name(text: &str) -> Result<String> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match !text.is_empty() && text.len() < 16 && text != "lo" && text.bytes().all(valid) {
        true => Ok(text.to_string()),
        false => {
            Err(Error::user(format!("read the interface name '{text}'")).hint("up to 15 letters, digits, '_' and '-'"))
        }
    }
}

/// Adds `--ip`, `--ip6`, `--mac-address` and `--network-alias` to the network that they are meant for.
pub fn finish_endpoints(mode: &mut NetMode, request: &RunRequest) -> Result<()> {
    let mut ips = Vec::new();
    for (flag, text) in [("ip", &request.ip), ("ip6", &request.ip6)] {
        let Some(text) = text else { continue };
        let ip: IpAddr = text.parse().map_err(|_| Error::user(format!("read --{flag} '{text}': not an IP address")))?;
        if ip.is_ipv6() != (flag == "ip6") {
            return Err(Error::user(format!("read --{flag} '{text}': it is of the other family")));
        }
        ips.push(ip);
    }
    let NetMode::Networks(endpoints) = mode else {
        return match ips.is_empty() {
            true => Ok(()),
            false => Err(Error::user("use --ip or --ip6 without a network of your own")
                .hint("coracle network create NAME, then --network NAME")),
        };
    };
    // Aliases are known in all networks, as with podman.
    for endpoint in endpoints.iter_mut() {
        endpoint.aliases.extend(request.network_alias.iter().cloned());
    }
    let several = endpoints.len() > 1;
    let Some(first) = endpoints.first_mut() else { return Ok(()) };
    if several && (!ips.is_empty() || request.mac_address.is_some()) {
        return Err(Error::user("use --ip, --ip6 or --mac-address with several networks")
            .hint("write --network NAME:ip=ADDRESS,mac=ADDRESS"));
    }
    first.ips.extend(ips);
    if let Some(text) = &request.mac_address {
        first.mac = Some(mac(text)?);
    }
    Ok(())
}

/// The hostname a container starts with.
pub fn hostname(request: &RunRequest, uts: &Ns, network: &NetMode, host: &Host) -> Result<String> {
    match (uts, &request.hostname) {
        (Ns::Private, Some(name)) => {
            let label = |l: &str| {
                !l.is_empty()
                    && l.len() <= 63
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                    && !l.starts_with('-')
                    && !l.ends_with('-')
            };
            if name.len() > 64 || !name.split('.').all(label) {
                return Err(Error::user(format!("read --hostname '{name}': not a host name")));
            }
            Ok(name.clone())
        }
        (_, Some(_)) => Err(Error::user("set --hostname in a UTS namespace that is not the container's own")),
        // With the host's network a container answers to the host's name, as with docker.
        (Ns::Private, None) if *network == NetMode::Host && !host.hostname.is_empty() => Ok(host.hostname.clone()),
        // It shares that container's /etc/hosts, where its name is.
        (Ns::Private, None) if matches!(network, NetMode::Container(_)) && host.joined_hostname.is_some() => {
            Ok(host.joined_hostname.clone().unwrap_or_default())
        }
        (Ns::Private, None) => Ok(host.id.chars().take(12).collect()),
        (_, None) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> BTreeMap<String, String> {
        [("web".to_string(), "f".repeat(64))].into()
    }

    #[test]
    fn plain_namespaces() {
        let ns = |value| parse_ns("pid", value, &ids());
        assert_eq!(ns(None).unwrap(), Ns::Private);
        assert_eq!(ns(Some("host")).unwrap(), Ns::Host);
        assert_eq!(ns(Some("container:web")).unwrap(), Ns::Container("f".repeat(64)));
        assert_eq!(ns(Some("ns:/proc/1/ns/pid")).unwrap(), Ns::Path("/proc/1/ns/pid".into()));
        for bad in ["container:", "container:nope", "ns:x", "nope", "shareable"] {
            assert!(ns(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(parse_ns("ipc", Some("shareable"), &ids()).unwrap(), Ns::Private);
    }

    #[test]
    fn user_namespaces() {
        let ns = |value| parse_userns(Some(value), &ids());
        assert_eq!(ns("keep-id").unwrap(), UserNs::KeepId { uid: None, gid: None });
        assert_eq!(ns("keep-id:uid=5,gid=6").unwrap(), UserNs::KeepId { uid: Some(5), gid: Some(6) });
        assert_eq!(ns("keep-id:gid=6").unwrap(), UserNs::KeepId { uid: None, gid: Some(6) });
        assert_eq!(ns("host").unwrap(), UserNs::Host);
        for bad in ["auto", "keep-id:uid=x", "keep-id:size=1", "nope", "container:nope", "keep-id:"] {
            assert!(ns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks() {
        let net = |value: &str| parse_network(&[value.to_string()], &ids());
        assert_eq!(parse_network(&[], &ids()).unwrap(), NetMode::Default);
        assert_eq!(net("bridge").unwrap(), NetMode::Default);
        assert_eq!(net("none").unwrap(), NetMode::None);
        assert_eq!(
            net("slirp4netns:mtu=1500,cidr=10.0.0.0/24").unwrap(),
            NetMode::Slirp4netns(vec!["mtu=1500".into(), "cidr=10.0.0.0/24".into()])
        );
        assert_eq!(net("container:web").unwrap(), NetMode::Container("f".repeat(64)));
        let NetMode::Networks(mine) = net("mynet:ip=10.1.1.9,alias=db,mac=02-00-00-00-00-01").unwrap() else {
            panic!()
        };
        assert_eq!((mine[0].network.as_str(), mine[0].aliases.len(), mine[0].ips.len()), ("mynet", 1, 1));
        assert_eq!(mine[0].mac.as_deref(), Some("02:00:00:00:00:01"));
        for bad in ["my/net", "-x", "mynet:ip=x", "mynet:color=red", "mynet:interface_name=a/b", "bridge:ip=10.0.0.1"] {
            assert!(net(bad).is_err(), "{bad}");
        }
        let two = |a: &str, b: &str| parse_network(&[a.into(), b.into()], &ids());
        assert!(matches!(two("a", "b").unwrap(), NetMode::Networks(list) if list.len() == 2));
        assert!(two("host", "none").is_err() && two("a", "bridge").is_err() && two("a", "a").is_err());
    }

    #[test]
    fn hostnames() {
        let host = Host { id: "0123456789abcdef".into(), hostname: "box".into(), ..Host::default() };
        let mut request = RunRequest::default();
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Default, &host).unwrap(), "0123456789ab");
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Host, &host).unwrap(), "box");
        assert_eq!(hostname(&request, &Ns::Host, &NetMode::Default, &host).unwrap(), "");
        request.hostname = Some("a.b-c".into());
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Default, &host).unwrap(), "a.b-c");
        assert!(hostname(&request, &Ns::Host, &NetMode::Default, &host).is_err());
        for bad in ["", "a b", "-a", "a..b", &"x".repeat(65)] {
            request.hostname = Some(bad.into());
            assert!(hostname(&request, &Ns::Private, &NetMode::Default, &host).is_err(), "{bad}");
        }
    }
}
