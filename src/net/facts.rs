//! The addresses of a process's network namespace, read from outside: /proc/PID/net needs no entering.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses that others can use to reach the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub ip: Option<(Ipv4Addr, u8)>,
    pub ip6: Option<(Ipv6Addr, u8)>,
    pub gateway: Option<Ipv4Addr>,
}

impl Facts {
    /// Of process `pid`; what can't be read is not known.
    pub(super) fn of(pid: i32) -> Facts {
        let text = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
        let routes = parse_routes(&text("route"));
        Facts {
            ip: own_address(&text("fib_trie"), &routes),
            ip6: parse_inet6(&text("if_inet6")),
            gateway: routes.iter().find(|r| r.mask == 0).map(|r| Ipv4Addr::from(r.gateway)),
        }
    }
}

struct Route {
    network: u32,
    gateway: u32,
    mask: u32,
}

/// proc(5) `net/route`: hexadecimal in network byte order, read as a number of this machine.
fn parse_routes(text: &str) -> Vec<Route> {
    let number = |word: Option<&&str>| word.and_then(|w| u32::from_str_radix(w, 16).ok()).map(u32::from_be);
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(Route { network: number(words.get(1))?, gateway: number(words.get(2))?, mask: number(words.get(7))? })
        })
        .collect()
}

/// The first local address (`/32 host LOCAL` in `net/fib_trie`) that isn't loopback, with its network's prefix.
fn own_address(trie: &str, routes: &[Route]) -> Option<(Ipv4Addr, u8)> {
    let mut candidate = None;
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            candidate = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(ip) = candidate.filter(|ip| !ip.is_loopback())
        {
            let bits = u32::from(ip);
            let network = routes.iter().find(|r| r.mask != 0 && r.gateway == 0 && bits & r.mask == r.network);
            return Some((ip, network.map_or(32, |r| r.mask.count_ones() as u8)));
        }
    }
    None
}

/// proc(5) `net/if_inet6`: address, index, prefix, scope, flags, name; scope 0 is global.
fn parse_inet6(text: &str) -> Option<(Ipv6Addr, u8)> {
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, prefix, scope) = (words.first()?, words.get(2)?, words.get(3)?);
        (*scope == "00").then_some(())?;
        let address = u128::from_str_radix(address, 16).ok()?;
        Some((Ipv6Addr::from(address), u8::from_str_radix(prefix, 16).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let routes = parse_routes(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             tap0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             tap0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
        );
        assert_eq!(Ipv4Addr::from(routes[0].gateway).to_string(), "10.0.2.2");
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.0.2.100\n        \
             /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(own_address(trie, &routes), Some(("10.0.2.100".parse().unwrap(), 24)));
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fd000000000000000000000000000002 02 40 00 02     tap0\n";
        assert_eq!(parse_inet6(inet6), Some(("fd00::2".parse().unwrap(), 64)));
        assert_eq!(Facts::of(-1), Facts::default());
        assert!(parse_routes("x\ny z\n").is_empty() && own_address("", &[]).is_none());
    }
}
