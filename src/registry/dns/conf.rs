//! `/etc/hosts` (hosts(5)) and `/etc/resolv.conf` (resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// How to ask, as glibc reads resolv.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// At most three.
    pub servers: Vec<SocketAddr>,
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the search list first.
    pub ndots: usize,
    /// For one server in one round.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: usize,
    /// Start with another server each time.
    pub rotate: bool,
    /// Never use UDP.
    pub tcp: bool,
}

const MAX_SERVERS: usize = 3;
const DNS_PORT: u16 = 53;

impl Default for ResolvConf {
    fn default() -> Self {
        ResolvConf {
            servers: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS_PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            tcp: false,
        }
    }
}

impl ResolvConf {
    /// Lines that can't be understood are skipped, as glibc does.
    pub fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf { servers: Vec::new(), ..ResolvConf::default() };
        for line in text.lines() {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if conf.servers.len() < MAX_SERVERS => {
                    conf.servers.extend(words.next().and_then(server));
                }
                // The last of domain and search wins.
                Some("domain") => conf.search = words.next().map(bare).into_iter().collect(),
                Some("search") => conf.search = words.map(bare).collect(),
                Some("options") => words.for_each(|option| conf.option(option)),
                _ => {}
            }
        }
        conf.search.retain(|domain| !domain.is_empty());
        if conf.servers.is_empty() {
            conf.servers = ResolvConf::default().servers;
        }
        conf
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        let number = value.parse::<u64>().ok();
        match (name, number) {
            ("ndots", Some(n)) => self.ndots = n.min(15) as usize,
            ("timeout", Some(n)) => self.timeout = Duration::from_secs(n.clamp(1, 30)),
            ("attempts", Some(n)) => self.attempts = n.clamp(1, 5) as usize,
            ("rotate", _) => self.rotate = true,
            ("use-vc", _) => self.tcp = true,
            _ => {}
        }
    }

    /// The absolute names to ask for, in order.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_string()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let as_is = std::iter::once(name.to_string());
        if name.matches('.').count() >= self.ndots {
            as_is.chain(searched).collect()
        } else {
            searched.chain(as_is).collect()
        }
    }
}

fn bare(domain: &str) -> String {
    domain.trim_matches('.').to_string()
}

/// `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0`.
fn server(text: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, DNS_PORT));
    };
    let scope = match zone.parse() {
        Ok(index) => index,
        Err(_) if zone.contains('/') => return None,
        Err(_) => std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok()?,
    };
    Some(SocketAddr::V6(SocketAddrV6::new(address.parse().ok()?, DNS_PORT, 0, scope)))
}

/// All addresses of `name` in the text of a hosts file, in its order.
pub fn hosts_lookup(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|a| a.parse().ok()) else { continue };
        if words.any(|n| n.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resolv_conf_as_glibc_does() {
        let conf = ResolvConf::parse(
            "# c\n; c\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver bad\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n\
             domain old.example\nsearch a.example. b.example\noptions ndots:2 timeout:1 attempts:9 rotate use-vc edns0 x:y\nsortlist 1\n",
        );
        let shown: Vec<String> = conf.servers.iter().map(|s| s.to_string()).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]);
        assert_eq!(conf.search, ["a.example", "b.example"]);
        assert_eq!((conf.ndots, conf.attempts, conf.rotate, conf.tcp), (2, 5, true, true));
        assert_eq!(conf.timeout, Duration::from_secs(1));
        assert_eq!(ResolvConf::parse(""), ResolvConf::default());
    }

    #[test]
    fn the_search_list_comes_before_or_after_by_ndots() {
        let conf = ResolvConf { search: vec!["x.y".into()], ..ResolvConf::default() };
        for (name, want) in
            [("reg", vec!["reg.x.y", "reg"]), ("reg.io", vec!["reg.io", "reg.io.x.y"]), ("reg.", vec!["reg"])]
        {
            assert_eq!(conf.candidates(name), want, "{name}");
        }
    }

    #[test]
    fn hosts_files() {
        let text = "127.0.0.1 localhost\n# 1.1.1.1 no\n10.0.0.1\treg Reg.Example # x\nbad reg\n::2 reg.example\n10.0.0.1 reg.example\n";
        let want: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "::2".parse().unwrap()];
        assert_eq!(hosts_lookup(text, "REG.example."), want);
        assert!(hosts_lookup(text, "no").is_empty());
    }
}
