//! Host names of registries.
//!
//! A dynamic build asks the C library, so that the host's NSS modules apply. A static one must not: glibc would load
//! those modules at run time and they may not fit. It reads the hosts file and asks the servers of resolv.conf itself.

mod conf;
mod query;

use super::options::Env;
use conf::ResolvConf;
use query::Answer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// Addresses handed to ureq, which keeps no more.
const MAX_ADDRESSES: usize = 16;

/// An agent with the resolver that suits this build; `CORACLE_RESOLVER=builtin` or `system` overrides the choice.
pub fn agent(config: Config, env: &Env) -> Agent {
    let builtin = match env.var("CORACLE_RESOLVER") {
        Some("builtin") => true,
        Some("system") => false,
        _ => cfg!(target_feature = "crt-static"),
    };
    if builtin {
        Agent::with_parts(config, DefaultConnector::new(), Builtin::new(env))
    } else {
        Agent::new_with_config(config)
    }
}

/// Our own resolver.
#[derive(Debug)]
pub struct Builtin {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    /// For `options rotate`.
    turn: AtomicUsize,
}

impl Builtin {
    pub fn new(env: &Env) -> Builtin {
        Builtin {
            hosts: env.system("etc/hosts"),
            resolv_conf: env.system("etc/resolv.conf"),
            turn: AtomicUsize::new(0),
        }
    }

    /// The addresses of `name`, best first; `Ok` with none when the name does not exist.
    fn lookup(&self, name: &str, timeout: Duration) -> io::Result<Vec<IpAddr>> {
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        // Missing files are empty files (resolv.conf(5)).
        let hosts = std::fs::read_to_string(&self.hosts).unwrap_or_default();
        let mut found = conf::hosts_lookup(&hosts, name);
        let local = name.trim_end_matches('.').to_ascii_lowercase();
        if found.is_empty() && (local == "localhost" || local.ends_with(".localhost")) {
            // RFC 6761 §6.3: never asked of a server.
            found = vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
        }
        if found.is_empty() {
            let text = std::fs::read_to_string(&self.resolv_conf).unwrap_or_default();
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            found = ask_servers(&ResolvConf::parse(&text), name, turn, Instant::now() + timeout)?;
        }
        found.sort_by_key(|address| !reachable(*address));
        Ok(found)
    }
}

impl Resolver for Builtin {
    fn resolve(&self, uri: &Uri, _config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let authority = uri.authority().ok_or_else(|| Error::BadUri(uri.to_string()))?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default);
        let addresses = self.lookup(authority.host(), *timeout.after).map_err(|e| {
            // The words getaddrinfo failures have in std, by which the error is recognised later.
            Error::Io(io::Error::other(format!("failed to lookup address information: Temporary failure: {e}")))
        })?;
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            resolved.push(SocketAddr::new(address, port));
        }
        if resolved.is_empty() { Err(Error::HostNotFound) } else { Ok(resolved) }
    }
}

/// Asks for each candidate name until one has addresses. Servers that fail are passed over, each round anew.
fn ask_servers(conf: &ResolvConf, name: &str, turn: usize, deadline: Instant) -> io::Result<Vec<IpAddr>> {
    let mut servers = conf.servers.clone();
    if conf.rotate {
        servers.rotate_left(turn % conf.servers.len());
    }
    let mut fault = None;
    for candidate in conf.candidates(name) {
        match ask_about(conf, &servers, &candidate, deadline) {
            Ok(Answer::Addresses(addresses)) => return Ok(addresses),
            Ok(Answer::Nothing) => {}
            Err(e) => fault = Some(e),
        }
    }
    match fault {
        Some(e) => Err(e),
        None => Ok(Vec::new()),
    }
}

fn ask_about(conf: &ResolvConf, servers: &[SocketAddr], name: &str, deadline: Instant) -> io::Result<Answer> {
    let mut fault = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..conf.attempts {
        for server in servers {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(fault);
            }
            match query::ask(*server, name, conf.tcp, conf.timeout.min(left)) {
                Ok(answer) => return Ok(answer),
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(Answer::Nothing),
                Err(e) => {
                    log::debug!("name server {server}: {e}");
                    let why = match (e.kind(), e.raw_os_error()) {
                        (io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock, _) => "does not answer".to_string(),
                        (kind, Some(_)) => format!("can't be reached ({kind})"),
                        _ => format!("fails ({e})"),
                    };
                    fault = io::Error::other(format!("name server {} {why}", server.ip()));
                }
            }
        }
    }
    Err(fault)
}

/// Whether there is a route: connecting a UDP socket asks the kernel without sending anything. Addresses without one go
/// last (the essence of RFC 6724: no IPv6 address first on a host without IPv6).
fn reachable(address: IpAddr) -> bool {
    let any = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}

#[cfg(test)]
mod tests;
