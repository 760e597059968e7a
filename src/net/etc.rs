//! hosts, hostname and resolv.conf of a container.
//!
//! Made anew at each start from the host's present files, so that a container follows its host to another network.

use crate::error::{Context, Error, Result};
use crate::net::options;
use crate::spec::model::{NetMode, Spec};
use crate::state::container::NetworkState;
use crate::state::containers;
use crate::state::paths::{ContainerDir, Paths};
use std::fmt::Write;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// resolv.conf(5): libraries read no more than three.
const MAX_NAMESERVERS: usize = 3;
/// Where systemd-resolved lists the real servers behind its stub on 127.0.0.53.
const RESOLVED_UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";
/// Containers that join each other's network in a row.
const MAX_JOINS: usize = 64;
/// Names under which programs look for the machine that they run on.
const HOST_NAMES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// The text of the three files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcContent {
    /// `None` with `--no-hosts`: the image's own file stays.
    pub hosts: Option<String>,
    pub hostname: String,
    /// `None` with `--dns none`: the image's own file stays.
    pub resolv_conf: Option<String>,
}

/// What the container's files are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostEtc {
    pub resolv_conf: String,
    /// The servers behind a local stub resolver, in resolv.conf form, or empty.
    pub upstream: String,
    pub hosts: String,
    pub hostname: String,
    /// The host's own address towards the outside, and its IPv6 one.
    pub address: Option<IpAddr>,
    pub address6: Option<IpAddr>,
}

impl HostEtc {
    /// Reads this host's files; a missing file is an empty one.
    pub fn read() -> HostEtc {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let resolv_conf = text("/etc/resolv.conf");
        let stub = parse_resolv(&resolv_conf).servers.iter().all(|s| is_loopback(s));
        HostEtc {
            upstream: if stub { text(RESOLVED_UPSTREAM) } else { String::new() },
            resolv_conf,
            hosts: text("/etc/hosts"),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            address: outward_address(),
            address6: towards("[::]:0", "[2001:db8::1]:9"),
        }
    }
}

/// Writes the files of [`etc_files`] into `dir`, in place: they may be bound already. What the container is to keep of
/// its own is removed.
pub fn write_etc(spec: &Spec, net: &NetworkState, dir: &Path) -> Result<()> {
    let content = etc_files(spec, net)?;
    let files = [
        ("hosts", content.hosts.as_deref()),
        ("hostname", Some(content.hostname.as_str())),
        ("resolv.conf", content.resolv_conf.as_deref()),
    ];
    for (name, text) in files {
        let path = dir.join(name);
        match text {
            Some(text) => write_public(&path, text)?,
            None => match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(crate::error::IntoError::context(e, format!("remove {}", path.display())));
                }
                _ => {}
            },
        }
    }
    Ok(())
}

/// The directory whose hosts, hostname and resolv.conf the container sees, with present files in it: its own, or that
/// of the container whose network it is in. One with another name than that container has copies, where its name is
/// that of the loopback (as with podman).
pub fn provide_etc(paths: &Paths, spec: &Spec, net: &NetworkState, own: &ContainerDir) -> Result<PathBuf> {
    let dir = shown_etc(paths, spec, own);
    if dir != own.etc() {
        return Ok(dir);
    }
    write_etc(spec, net, &dir)?;
    if let Some((other, _)) = network_owner(paths, spec) {
        let read = |name: &str| std::fs::read_to_string(other.etc().join(name)).ok();
        if let (Some(mut hosts), false) = (read("hosts"), spec.etc.no_hosts) {
            let _ = writeln!(hosts, "127.0.0.1\t{}", spec.hostname);
            write_public(&dir.join("hosts"), &hosts)?;
        }
        if let Some(text) = read("resolv.conf") {
            write_public(&dir.join("resolv.conf"), &text)?;
        }
    }
    Ok(dir)
}

/// The directory of [`provide_etc`]; nothing is written.
pub fn shown_etc(paths: &Paths, spec: &Spec, own: &ContainerDir) -> PathBuf {
    match network_owner(paths, spec) {
        Some((other, hostname)) if hostname == spec.hostname && !spec.etc.no_hosts => other.etc(),
        _ => own.etc(),
    }
}

/// Directory and hostname of the container that made the network which `spec` joins.
fn network_owner(paths: &Paths, spec: &Spec) -> Option<(ContainerDir, String)> {
    let mut found = None;
    let mut mode = spec.network.mode.clone();
    for _ in 0..MAX_JOINS {
        let NetMode::Container(id) = &mode else { break };
        let other: Spec = containers::load_spec(paths, id).ok()?;
        found = Some((paths.container(id), other.hostname));
        mode = other.network.mode;
    }
    found
}

/// 0644 whatever the umask: every user of the container reads them.
fn write_public(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let named = || format!("write {}", path.display());
    std::fs::write(path, text).with_context(named)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).with_context(named)
}

/// The three files for a container on `net`, from this host's present files.
pub fn etc_files(spec: &Spec, net: &NetworkState) -> Result<EtcContent> {
    etc_content(spec, net, &HostEtc::read())
}

/// As [`etc_files`], without reading anything.
pub fn etc_content(spec: &Spec, net: &NetworkState, host: &HostEtc) -> Result<EtcContent> {
    let hostname = if spec.hostname.is_empty() { &host.hostname } else { &spec.hostname };
    Ok(EtcContent {
        hosts: if spec.etc.no_hosts { None } else { Some(hosts(spec, net, host, hostname)?) },
        hostname: format!("{hostname}\n"),
        resolv_conf: resolv_conf(spec, net, host)?,
    })
}

fn hosts(spec: &Spec, net: &NetworkState, host: &HostEtc, hostname: &str) -> Result<String> {
    let mut text = String::new();
    let mut line = |ip: &str, names: &[&str]| {
        let _ = writeln!(text, "{ip}\t{}", names.join(" "));
    };
    let gateway = host_gateway(spec, net, host);
    // The user's entries first: resolvers take the first match.
    for (name, address) in &spec.etc.add_hosts {
        let address = match (address.as_str(), gateway) {
            ("host-gateway", Some(gateway)) => gateway.to_string(),
            ("host-gateway", None) => {
                return Err(Error::user(format!("resolve --add-host {name}:host-gateway: this host has no address"))
                    .hint("name the address: --add-host NAME:ADDRESS"));
            }
            (address, _) => match address.trim_matches(['[', ']']).parse::<IpAddr>() {
                Ok(ip) => ip.to_string(),
                Err(_) => return Err(Error::user(format!("add host {name}: '{address}' is not an IP address"))),
            },
        };
        line(&address, &[name]);
    }
    let added = |name: &&str| spec.etc.add_hosts.iter().any(|(n, _)| n == name);
    if spec.network.mode == NetMode::Host {
        let internal: Vec<&str> = HOST_NAMES.into_iter().filter(|n| !added(n)).collect();
        if !internal.is_empty() {
            line("127.0.0.1", &internal);
        }
        text.push_str(&host.hosts);
        return Ok(text);
    }
    line("127.0.0.1", &["localhost"]);
    line("::1", &["localhost", "ip6-localhost", "ip6-loopback"]);
    line("fe00::0", &["ip6-localnet"]);
    line("ff00::0", &["ip6-mcastprefix"]);
    line("ff02::1", &["ip6-allnodes"]);
    line("ff02::2", &["ip6-allrouters"]);
    let mut own = Vec::new();
    // `web.example.org` is known by its short name too, as sethostname users expect.
    for name in std::iter::once(hostname).chain(spec.etc.aliases.iter().map(String::as_str)) {
        for name in [name, name.split('.').next().unwrap_or(name)] {
            if !name.is_empty() && !own.contains(&name) {
                own.push(name);
            }
        }
    }
    // Without an address of its own the container still resolves its own name.
    let further = net.networks.iter().skip(1).flat_map(|e| [&e.ip, &e.ip6]);
    let mut addresses = [&net.ip, &net.ip6].into_iter().chain(further).filter(|ip| !ip.is_empty()).peekable();
    if addresses.peek().is_none() {
        line("127.0.0.1", &own);
    }
    for ip in addresses {
        line(ip, &own);
    }
    let internal: Vec<&str> = HOST_NAMES.into_iter().filter(|n| !added(n)).collect();
    let connected = !net.gateway.is_empty() || net.networks.iter().any(|e| !e.internal);
    if let Some(gateway) = gateway.filter(|_| !internal.is_empty() && connected) {
        line(&gateway.to_string(), &internal);
    }
    Ok(text)
}

/// The address under which the container reaches services of the host: the helper's gateway only where that leads to
/// the host's loopback, which the user must have asked for; else the host's own address.
fn host_gateway(spec: &Spec, net: &NetworkState, host: &HostEtc) -> Option<IpAddr> {
    if spec.network.mode == NetMode::Host {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    if let NetMode::Networks(_) = spec.network.mode {
        // Their gateway is the network's own end, and internal ones lead nowhere.
        let outside = || net.networks.iter().filter(|e| !e.internal);
        return match outside().any(|e| !e.ip.is_empty()) {
            true => host.address,
            false => host.address6.filter(|_| outside().next().is_some()),
        };
    }
    let gateway = net.gateway.parse().ok();
    if options::reaches_host_loopback(&spec.network.mode) { gateway } else { host.address.or(gateway) }
}

fn resolv_conf(spec: &Spec, net: &NetworkState, host: &HostEtc) -> Result<Option<String>> {
    let asked = &spec.etc;
    if asked.dns.iter().any(|d| d == "none") {
        return Ok(None);
    }
    if let Some(bad) = asked.dns.iter().find(|d| d.parse::<IpAddr>().is_err()) {
        return Err(Error::user(format!("use --dns {bad}: not an IP address")));
    }
    let from_host = parse_resolv(&host.resolv_conf);
    let mut servers: Vec<&str> = Vec::new();
    // The name service of user-defined networks asks the others itself, also those that the user names.
    let own_service = net.networks.iter().any(|e| !e.dns.is_empty());
    if own_service {
        servers.extend(net.dns.split_whitespace());
    } else if !asked.dns.is_empty() {
        servers.extend(asked.dns.iter().map(String::as_str));
    } else if spec.network.mode == NetMode::Host {
        servers.extend(&from_host.servers);
    } else {
        if !net.dns.is_empty() {
            // It asks whatever server the host has at that moment.
            servers.push(&net.dns);
        }
        let upstream = parse_resolv(&host.upstream);
        for server in from_host.servers.iter().chain(&upstream.servers) {
            // A link-local server is meant for an interface that the container doesn't have.
            let usable = !is_loopback(server) && !server.contains('%') && !server.starts_with("fe80:");
            if usable && !servers.contains(server) && servers.len() < MAX_NAMESERVERS {
                servers.push(server);
            }
        }
    }
    let searched: Vec<&str> = match asked.dns_search.is_empty() {
        true => from_host.search,
        // `--dns-search .` means none.
        false => asked.dns_search.iter().map(String::as_str).filter(|s| *s != ".").collect(),
    };
    let mut options: Vec<&str> = match asked.dns_options.is_empty() {
        true => from_host.options,
        false => asked.dns_options.iter().map(String::as_str).collect(),
    };
    if own_service && asked.dns_options.is_empty() && !options.iter().any(|o| o.starts_with("ndots:")) {
        // A member's name is tried before those that the host's search domains make of it.
        options.push("ndots:0");
    }
    let mut text = String::new();
    if !searched.is_empty() {
        let _ = writeln!(text, "search {}", searched.join(" "));
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    Ok(Some(text))
}

#[derive(Debug, Default)]
pub(super) struct Resolv<'a> {
    pub(super) servers: Vec<&'a str>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
}

/// resolv.conf(5); later `search` and `domain` lines replace earlier ones.
pub(super) fn parse_resolv(text: &str) -> Resolv<'_> {
    let mut out = Resolv::default();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => out.servers.extend(words.next()),
            Some("search" | "domain") => out.search = words.filter(|w| *w != ".").collect(),
            Some("options") => out.options.extend(words),
            _ => {}
        }
    }
    out
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// The source address that the kernel picks towards the outside. Connecting a UDP socket sends nothing.
fn outward_address() -> Option<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): routed like any outside address, owned by nobody.
    towards("0.0.0.0:0", "192.0.2.1:9").or_else(|| towards("[::]:0", "[2001:db8::1]:9"))
}

fn towards(bind: &str, to: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(bind).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::model::{Etc, Network};

    fn slirp() -> NetworkState {
        NetworkState {
            mode: "slirp4netns".into(),
            ip: "10.0.2.100".into(),
            gateway: "10.0.2.2".into(),
            dns: "10.0.2.3".into(),
            ..NetworkState::default()
        }
    }

    fn host() -> HostEtc {
        HostEtc {
            resolv_conf: "# x\nsearch lan\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\noptions edns0\n".into(),
            hostname: "box".into(),
            hosts: "127.0.0.1 localhost\n127.0.1.1 box\n".into(),
            address: Some("192.0.2.7".parse().unwrap()),
            ..HostEtc::default()
        }
    }

    fn spec(mode: NetMode, etc: Etc) -> Spec {
        Spec { hostname: "c1".into(), network: Network { mode, ..Network::default() }, etc, ..Spec::default() }
    }

    #[test]
    fn default_network() {
        let etc = Etc {
            add_hosts: vec![("db".into(), "10.1.1.1".into()), ("up".into(), "host-gateway".into())],
            aliases: vec!["web".into()],
            ..Etc::default()
        };
        let files = etc_content(&spec(NetMode::Default, etc), &slirp(), &host()).unwrap();
        let hosts = files.hosts.unwrap();
        assert!(hosts.starts_with("10.1.1.1\tdb\n192.0.2.7\tup\n127.0.0.1\tlocalhost\n"), "{hosts}");
        assert!(hosts.contains("10.0.2.100\tc1 web\n"));
        assert!(hosts.contains("192.0.2.7\thost.containers.internal host.docker.internal\n"));
        assert_eq!(files.hostname, "c1\n");
        let resolv = "search lan\nnameserver 10.0.2.3\nnameserver 192.0.2.53\noptions edns0\n";
        assert_eq!(files.resolv_conf.unwrap(), resolv);
    }

    #[test]
    fn local_stub_is_replaced() {
        let host = HostEtc {
            resolv_conf: "nameserver 127.0.0.53\n".into(),
            upstream: "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n".into(),
            ..host()
        };
        let text = |net: &NetworkState| {
            etc_content(&spec(NetMode::Default, Etc::default()), net, &host).unwrap().resolv_conf.unwrap()
        };
        assert_eq!(text(&slirp()), "nameserver 10.0.2.3\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n");
        let plain = NetworkState::default();
        assert_eq!(text(&plain), "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
    }

    #[test]
    fn the_users_dns_wins() {
        let etc = Etc {
            dns: vec!["9.9.9.9".into(), "2620:fe::fe".into()],
            dns_search: vec![".".into()],
            dns_options: vec!["ndots:2".into()],
            ..Etc::default()
        };
        let files = etc_content(&spec(NetMode::Default, etc), &slirp(), &host()).unwrap();
        assert_eq!(files.resolv_conf.unwrap(), "nameserver 9.9.9.9\nnameserver 2620:fe::fe\noptions ndots:2\n");
        let none = Etc { dns: vec!["none".into()], no_hosts: true, ..Etc::default() };
        let files = etc_content(&spec(NetMode::Default, none), &slirp(), &host()).unwrap();
        assert_eq!((files.hosts, files.resolv_conf), (None, None));
    }

    #[test]
    fn host_and_loopback_modes() {
        let files = etc_content(&spec(NetMode::Host, Etc::default()), &NetworkState::default(), &host()).unwrap();
        assert!(files.hosts.unwrap().ends_with("127.0.1.1 box\n"));
        assert!(files.resolv_conf.unwrap().contains("fe80::1%eth0"));
        let files = etc_content(&spec(NetMode::None, Etc::default()), &NetworkState::default(), &host()).unwrap();
        let hosts = files.hosts.unwrap();
        assert!(hosts.contains("127.0.0.1\tc1\n") && !hosts.contains("internal"), "{hosts}");
        let loopback = NetMode::Slirp4netns(vec!["allow_host_loopback=true".into()]);
        let files = etc_content(&spec(loopback, Etc::default()), &slirp(), &host()).unwrap();
        assert!(files.hosts.unwrap().contains("10.0.2.2\thost.containers.internal"));
    }

    #[test]
    fn bad_addresses_are_named() {
        let etc = Etc { add_hosts: vec![("db".into(), "nope".into())], ..Etc::default() };
        let e = etc_content(&spec(NetMode::None, etc), &slirp(), &host()).unwrap_err();
        assert_eq!(e.to_string(), "add host db: 'nope' is not an IP address");
        let etc = Etc { dns: vec!["x".into()], ..Etc::default() };
        assert!(etc_content(&spec(NetMode::None, etc), &slirp(), &host()).is_err());
    }
}
