//! Published ports: listeners in the host's network namespace.

use crate::error::{Context, Error, Kind, Result};
use crate::state::container::PortMapping;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

/// Connections that the kernel completes while the forwarder is busy or between two incarnations of the container.
const BACKLOG: i32 = 1024;
/// Attempts to find a random port that is free for each family.
const RANDOM_TRIES: usize = 32;

/// One bound socket of the host.
#[derive(Debug)]
pub struct Listener {
    /// Its name for the forwarder, never used again in the container's life.
    pub key: u64,
    pub fd: OwnedFd,
    /// The address it is bound to; `[::]` of a dual-stack socket serves IPv4 too.
    pub local: SocketAddr,
    /// Port inside the container.
    pub container_port: u16,
    /// UDP, else TCP.
    pub udp: bool,
}

/// A UDP and a listening TCP socket at `address`, for packets from `interface` only: the address answers nobody else.
pub(super) fn name_service(address: SocketAddr, interface: &str) -> Result<[OwnedFd; 2]> {
    let open = |udp: bool| -> Result<OwnedFd> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let kind = if udp { SocketType::DGRAM } else { SocketType::STREAM };
        let fd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
            .context("open a socket")?;
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).context("bind a socket to its bridge")?;
        rustix::net::sockopt::set_socket_reuseaddr(&fd, true).context("set SO_REUSEADDR")?;
        rustix::net::bind(&fd, &address).with_context(|| format!("bind {address}"))?;
        if !udp {
            rustix::net::listen(&fd, 64).context("listen")?;
        }
        Ok(fd)
    };
    Ok([open(true)?, open(false)?])
}

/// A socket for questions to a member of the network behind `interface`, not yet connected.
pub(super) fn name_client(interface: &str, ipv6: bool, tcp: bool) -> Result<OwnedFd> {
    let family = if ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let kind = if tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let fd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
        .context("open a socket")?;
    setsockopt(&fd, sockopt::BindToDevice, &interface.into()).context("bind a socket to its bridge")?;
    Ok(fd)
}

/// All published ports of one container. The monitor keeps it through restarts, so that no port is lost between two
/// incarnations and clients wait in the backlog.
#[derive(Debug, Default)]
pub struct HostPorts {
    pub listeners: Vec<Listener>,
    /// The mappings with random ports filled in.
    pub resolved: Vec<PortMapping>,
    /// The mappings as they were asked for.
    pub(super) wanted: Vec<PortMapping>,
    /// The next listener's key.
    pub(super) next: u64,
    /// The soft limit of open files before it was raised for the listeners: what programs expect to be started with.
    pub soft_limit: Option<u64>,
}

/// Who has published a port: the name of a container, where one of ours has it.
pub type Publisher<'a> = &'a dyn Fn(&PortMapping) -> Option<String>;

/// A listening socket that the caller was started with (sd_listen_fds(3)).
#[derive(Debug)]
pub struct GivenSocket {
    pub name: String,
    pub fd: OwnedFd,
}

/// Takes out the first of `given` that serves `mapping`, ready for the forwarder.
fn take_given(given: &mut Vec<GivenSocket>, mapping: &PortMapping, udp: bool) -> Result<Option<(OwnedFd, SocketAddr)>> {
    let wanted = parse_host_ip(&mapping.host_ip)?;
    let kind = if udp { SocketType::DGRAM } else { SocketType::STREAM };
    let serves = |fd: &OwnedFd| -> Option<SocketAddr> {
        let local = SocketAddr::try_from(rustix::net::getsockname(fd).ok()?).ok()?;
        let fits = local.port() == mapping.host_port && wanted.is_none_or(|ip| ip == local.ip());
        (fits && rustix::net::sockopt::socket_type(fd) == Ok(kind)).then_some(local)
    };
    let found = given.iter().enumerate().find_map(|(i, socket)| Some((i, serves(&socket.fd)?)));
    let Some((i, local)) = found else { return Ok(None) };
    let fd = given.remove(i).fd;
    rustix::io::ioctl_fionbio(&fd, true).context("make a given socket non-blocking")?;
    match udp {
        true => tell_destination(&fd, local.is_ipv6())?,
        false => rustix::net::listen(&fd, BACKLOG).context("listen at a given socket")?,
    }
    Ok(Some((fd, local)))
}

/// Binds all ports or none; a socket that was `given` for one is taken out and used. A port in use is [`Kind::Conflict`] and names the port, and the container that has it.
pub fn bind_ports(
    mappings: &[PortMapping],
    publisher: Publisher<'_>,
    given: &mut Vec<GivenSocket>,
) -> Result<HostPorts> {
    let mut ports = HostPorts { soft_limit: room_for(mappings.len())?, ..HostPorts::default() };
    for mapping in mappings {
        ports.bind(mapping, publisher, given)?;
    }
    Ok(ports)
}

/// What [`HostPorts::change`] has done: for the forwarder.
#[derive(Debug)]
pub struct PortChange {
    /// The ports of before, with the listeners that are no more.
    pub former: HostPorts,
    /// Keys of listeners that are new.
    pub opened: Vec<u64>,
}

impl PortChange {
    /// Keys of the listeners that are no more.
    pub fn closed(&self) -> Vec<u64> {
        self.former.listeners.iter().map(|l| l.key).collect()
    }
}

impl HostPorts {
    fn bind(&mut self, mapping: &PortMapping, publisher: Publisher<'_>, given: &mut Vec<GivenSocket>) -> Result<()> {
        let udp = match mapping.protocol.as_str() {
            "" | "tcp" => false,
            "udp" => true,
            other => {
                return Err(Error::unsupported(format!("publish port {}/{other}", mapping.container_port))
                    .hint("tcp and udp can be published"));
            }
        };
        if mapping.container_port == 0 {
            return Err(Error::user(format!("publish port {}: the container's port can't be 0", describe(mapping))));
        }
        let (fd, local) = match take_given(given, mapping, udp)? {
            Some(socket) => socket,
            None => bind_one(mapping, udp).map_err(|e| match publisher(mapping) {
                Some(name) if e.is_errno(libc::EADDRINUSE) => {
                    let hint = format!("container {name} has it: publish another port, or coracle stop {name}");
                    Error { hint: Some(hint), ..e }
                }
                _ => e,
            })?,
        };
        self.add(mapping, Listener { key: self.next, fd, local, container_port: mapping.container_port, udp });
        self.next += 1;
        Ok(())
    }

    fn add(&mut self, mapping: &PortMapping, listener: Listener) {
        self.resolved.push(PortMapping { host_port: listener.local.port(), ..mapping.clone() });
        self.wanted.push(mapping.clone());
        self.listeners.push(listener);
    }

    /// Binds what is new in `mappings` and keeps what is there already; all or nothing. The listeners that are no more
    /// close with the result's drop.
    ///
    /// # Errors
    /// As [`bind_ports`]; nothing has changed then.
    pub fn change(&mut self, mappings: &[PortMapping], publisher: Publisher<'_>) -> Result<PortChange> {
        let mut left: Vec<Option<usize>> = (0..self.listeners.len()).map(Some).collect();
        // Which present listener serves a mapping: the same one, or one of the same host port for another port inside.
        let mut take = |fits: &dyn Fn(&PortMapping) -> bool| {
            let found = left.iter_mut().find(|i| i.is_some_and(|i| fits(&self.wanted[i])));
            found.and_then(Option::take)
        };
        let same: Vec<Option<usize>> = mappings.iter().map(|m| take(&|w| w == m)).collect();
        let host = |m: &PortMapping| (m.host_ip.clone(), m.host_port, m.protocol.clone());
        let fits = |m: &PortMapping, w: &PortMapping| m.host_port != 0 && host(m) == host(w);
        let moved: Vec<Option<usize>> = mappings
            .iter()
            .zip(&same)
            .map(|(m, same)| if same.is_none() { take(&|w| fits(m, w)) } else { None })
            .collect();
        let soft_limit = room_for(self.listeners.len() + mappings.len())?;
        let mut bound = HostPorts::default();
        for ((mapping, same), moved) in mappings.iter().zip(&same).zip(&moved) {
            if same.or(*moved).is_none() {
                bound.bind(mapping, publisher, &mut Vec::new())?;
            }
        }
        let mut bound = bound.listeners.into_iter();
        let mut old: Vec<Option<Listener>> = self.listeners.drain(..).map(Some).collect();
        let mut new = HostPorts { soft_limit: self.soft_limit.or(soft_limit), next: self.next, ..HostPorts::default() };
        let mut opened = Vec::new();
        for ((mapping, same), moved) in mappings.iter().zip(&same).zip(&moved) {
            if let Some(listener) = same.and_then(|i| old[i].take()) {
                new.add(mapping, listener);
                continue;
            }
            // The descriptor of a moved one is shared with the listener that goes.
            let listener = match moved.and_then(|i| old[i].as_ref()) {
                Some(l) => l.fd.try_clone().ok().map(|fd| Listener { fd, ..*l }),
                None => bound.next(),
            };
            if let Some(listener) = listener {
                opened.push(new.next);
                new.add(mapping, Listener { key: new.next, container_port: mapping.container_port, ..listener });
                new.next += 1;
            }
        }
        let mut former = std::mem::replace(self, new);
        former.listeners = old.into_iter().flatten().collect();
        Ok(PortChange { former, opened })
    }
}

/// Descriptors that a monitor needs besides the listeners.
const OTHER_FILES: u64 = 200;

/// Raises the soft limit of open files where so many listeners need it; gives what it was then.
fn room_for(listeners: usize) -> Result<Option<u64>> {
    let needed = listeners as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let may = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if listeners == 0 || may(limit.current) {
        return Ok(None);
    }
    let hard = limit.maximum.unwrap_or(u64::MAX);
    if !may(limit.maximum) {
        return Err(Error::errno(libc::EMFILE, format!("publish {listeners} ports"))
            .kind(Kind::User)
            .hint(format!("this user may open {hard} files (ulimit -Hn), each port needs one")));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("raise the limit of open files")?;
    Ok(limit.current)
}

fn bind_one(mapping: &PortMapping, udp: bool) -> Result<(OwnedFd, SocketAddr)> {
    let port = mapping.host_port;
    match parse_host_ip(&mapping.host_ip)? {
        Some(ip) => listen(SocketAddr::new(ip, port), udp, true).map_err(|e| explain(e, mapping)),
        // One dual-stack socket serves both families; it also takes the port away from IPv4-only binders.
        None => {
            for _ in 0..RANDOM_TRIES {
                match listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), udp, false) {
                    // The kernel picks an IPv6 port; its IPv4 side may be taken.
                    Err(e) if port == 0 && e.is_errno(libc::EADDRINUSE) => {}
                    Err(e) if e.is_errno(libc::EAFNOSUPPORT) || e.is_errno(libc::EADDRNOTAVAIL) => break,
                    other => return other.map_err(|e| explain(e, mapping)),
                }
            }
            // A host without IPv6.
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), udp, true).map_err(|e| explain(e, mapping))
        }
    }
}

/// The address of `-p ADDRESS:…`; `None` = all addresses of both families.
fn parse_host_ip(text: &str) -> Result<Option<IpAddr>> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return Ok(None);
    }
    match bare.parse() {
        Ok(ip) => Ok(Some(ip)),
        Err(_) if bare == "localhost" => Ok(Some(Ipv4Addr::LOCALHOST.into())),
        Err(_) => Err(Error::user(format!("publish on '{text}': not an IP address"))),
    }
}

fn listen(address: SocketAddr, udp: bool, only_own_family: bool) -> Result<(OwnedFd, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if udp { SocketType::DGRAM } else { SocketType::STREAM };
    let fd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
        .context("open a socket")?;
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&fd, only_own_family).context("set IPV6_V6ONLY")?;
    }
    if udp {
        tell_destination(&fd, address.is_ipv6())?;
    } else {
        // Only past connections in TIME_WAIT are ignored by it. On UDP it would let a second socket take the port.
        rustix::net::sockopt::set_socket_reuseaddr(&fd, true).context("set SO_REUSEADDR")?;
    }
    rustix::net::bind(&fd, &address).context("bind")?;
    if !udp {
        rustix::net::listen(&fd, BACKLOG).context("listen")?;
    }
    let local = rustix::net::getsockname(&fd).context("read the bound address")?;
    let local = SocketAddr::try_from(local).context("read the bound address")?;
    Ok((fd, local))
}

/// A reply must leave from the address that the client sent to; on a dual-stack socket the IPv6 form carries IPv4
/// addresses too.
fn tell_destination(fd: &OwnedFd, ipv6: bool) -> Result<()> {
    match ipv6 {
        true => setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true).context("set IPV6_RECVPKTINFO"),
        false => setsockopt(fd, sockopt::Ipv4PacketInfo, &true).context("set IP_PKTINFO"),
    }
}

fn explain(e: Error, mapping: &PortMapping) -> Error {
    let what = format!("publish port {}", describe(mapping));
    match e.errno {
        Some(libc::EADDRINUSE) => Error { context: vec![what], ..e }
            .kind(Kind::Conflict)
            .hint(format!("another program has it (ss -lnp 'sport = :{}')", mapping.host_port)),
        Some(libc::EACCES) => Error { context: vec![what], ..e }.kind(Kind::Denied).hint(format!(
            "ports below {} need privilege: publish a higher one, be started by a systemd.socket(5) that has it, or as root: sysctl net.ipv4.ip_unprivileged_port_start={}",
            unprivileged_start(),
            mapping.host_port
        )),
        Some(libc::EADDRNOTAVAIL) => {
            Error { context: vec![what], ..e }.kind(Kind::User).hint("the address is not one of this host")
        }
        _ => e.context(what),
    }
}

fn unprivileged_start() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    text.trim().parse().unwrap_or(1024)
}

/// `[address:]port/protocol` of the host's side.
fn describe(mapping: &PortMapping) -> String {
    let protocol = if mapping.protocol.is_empty() { "tcp" } else { &mapping.protocol };
    match parse_host_ip(&mapping.host_ip) {
        Ok(Some(IpAddr::V6(ip))) => format!("{}/{protocol}", SocketAddrV6::new(ip, mapping.host_port, 0, 0)),
        Ok(Some(ip)) => format!("{ip}:{}/{protocol}", mapping.host_port),
        _ => format!("{}/{protocol}", mapping.host_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    fn bind(mappings: &[PortMapping]) -> Result<HostPorts> {
        bind_ports(mappings, &|_| None, &mut Vec::new())
    }

    fn mapping(host_ip: &str, host_port: u16, protocol: &str) -> PortMapping {
        PortMapping { host_ip: host_ip.into(), host_port, container_port: 80, protocol: protocol.into() }
    }

    #[test]
    fn random_ports_serve_both_families() {
        let ports = bind(&[mapping("", 0, "tcp"), mapping("", 0, "udp"), mapping("127.0.0.1", 0, "tcp")]).unwrap();
        let tcp = ports.resolved[0].host_port;
        assert_ne!(tcp, 0);
        TcpStream::connect(("127.0.0.1", tcp)).unwrap();
        if ports.listeners[0].local.is_ipv6() {
            TcpStream::connect(("::1", tcp)).unwrap();
        }
        assert!(UdpSocket::bind(("127.0.0.1", ports.resolved[1].host_port)).is_err());
        assert_eq!(ports.listeners[2].local.ip(), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn a_port_in_use_is_named_and_nothing_stays_bound() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let probe = bind(&[mapping("", 0, "tcp")]).unwrap();
        let free = probe.resolved[0].host_port;
        drop(probe);
        let e = bind(&[mapping("", free, "tcp"), mapping("", port, "tcp")]).unwrap_err();
        assert_eq!(e.kind, Kind::Conflict);
        assert!(e.to_string().starts_with(&format!("publish port {port}/tcp: address already in use")), "{e}");
        assert!(bind(&[mapping("", free, "tcp")]).is_ok());
    }

    #[test]
    fn changes_keep_what_stays() {
        let mut ports = bind(&[mapping("127.0.0.1", 0, "tcp"), mapping("127.0.0.1", 0, "udp")]).unwrap();
        let (first, udp) = (ports.resolved[0].host_port, ports.resolved[1].host_port);
        let none: Publisher<'_> = &|_| None;
        // One is added.
        let wanted = [mapping("127.0.0.1", 0, "tcp"), mapping("127.0.0.1", 0, "udp"), mapping("127.0.0.2", 0, "tcp")];
        let change = ports.change(&wanted, none).unwrap();
        assert_eq!((change.opened.as_slice(), change.closed().as_slice()), (&[2][..], &[][..]));
        assert_eq!((ports.resolved[0].host_port, ports.resolved[1].host_port), (first, udp));
        // A conflict changes nothing.
        let added = ports.resolved[2].host_port;
        let e = ports.change(&[mapping("127.0.0.1", first, "tcp")], none).unwrap_err();
        assert_eq!((e.kind, ports.listeners.len()), (Kind::Conflict, 3));
        // One stays, two go.
        let change = ports.change(&wanted[2..], none).unwrap();
        assert_eq!((change.opened.len(), change.closed().as_slice()), (0, &[0, 1][..]));
        drop(change);
        assert!(TcpListener::bind(("127.0.0.1", first)).is_ok() && UdpSocket::bind(("127.0.0.1", udp)).is_ok());
        assert_eq!(ports.resolved[0].host_port, added);
    }

    #[test]
    fn a_host_port_goes_to_another_port_inside_without_a_gap() {
        let free = bind(&[mapping("127.0.0.1", 0, "tcp")]).unwrap().resolved[0].host_port;
        let mut ports = bind(&[mapping("127.0.0.1", free, "tcp")]).unwrap();
        let moved = PortMapping { container_port: 81, ..mapping("127.0.0.1", free, "tcp") };
        let change = ports.change(&[moved], &|_| None).unwrap();
        assert_eq!((change.opened.as_slice(), change.closed().as_slice()), (&[1][..], &[0][..]));
        drop(change);
        assert_eq!(ports.listeners[0].container_port, 81);
        TcpStream::connect(("127.0.0.1", free)).unwrap();
    }

    #[test]
    fn two_containers_cannot_share_a_udp_port() {
        let first = bind(&[mapping("", 0, "udp")]).unwrap();
        let again = bind(&[mapping("", first.resolved[0].host_port, "udp")]);
        assert_eq!(again.unwrap_err().kind, Kind::Conflict);
    }

    #[test]
    fn bad_input() {
        for (mapping, text) in [
            (mapping("nowhere", 0, "tcp"), "publish on 'nowhere': not an IP address"),
            (mapping("", 0, "sctp"), "publish port 80/sctp (hint: tcp and udp can be published)"),
            (mapping("203.0.113.77", 1, "tcp"), "publish port 203.0.113.77:1/tcp: cannot assign requested address"),
        ] {
            assert!(bind(&[mapping]).unwrap_err().to_string().starts_with(text));
        }
        let ipv6 = mapping("[::1]", 80, "tcp");
        assert_eq!(describe(&ipv6), "[::1]:80/tcp");
    }
}
