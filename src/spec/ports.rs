//! `--publish` and `--expose`.

use crate::error::{Error, Result};
use crate::state::container::PortMapping;
use std::net::IpAddr;

/// `[[ip:][hostPort]:]containerPort[/protocol]`, ports may be ranges, IPv6 addresses stand in brackets.
/// Ranges come back expanded; host port 0 means any free one.
///
/// # Errors
/// `Kind::User` that quotes the value.
pub fn parse_publish(text: &str) -> Result<Vec<PortMapping>> {
    let bad = |why: &str| {
        Error::user(format!("read published port '{text}': {why}")).hint("write [[ip:]hostport:]port[/tcp|/udp]")
    };
    let (ports, protocol) = split_protocol(text).map_err(|why| bad(&why))?;
    let (host_ip, rest) = if let Some(inner) = ports.strip_prefix('[') {
        let (ip, rest) = inner.split_once(']').ok_or_else(|| bad("the bracket is not closed"))?;
        let rest = rest.strip_prefix(':').ok_or_else(|| bad("a colon belongs after the address"))?;
        let ip: IpAddr = ip.parse().map_err(|_| bad("the address is not an IP address"))?;
        (ip.to_string(), rest)
    } else {
        match ports.rsplitn(3, ':').collect::<Vec<_>>().as_slice() {
            [_, _, ""] => (String::new(), &ports[1..]),
            [_, _, ip] => {
                if ip.contains(':') {
                    return Err(bad("an IPv6 address stands in brackets"));
                }
                let ip_text: IpAddr = ip.parse().map_err(|_| bad("the address is not an IP address"))?;
                (ip_text.to_string(), &ports[ip.len() + 1..])
            }
            _ => (String::new(), ports),
        }
    };
    let (host, container) = match rest.split_once(':') {
        Some((host, container)) => (host, container),
        None => ("", rest),
    };
    let inside = parse_range(container).map_err(|why| bad(&why))?;
    let outside = match host {
        "" => None,
        "0" => None,
        _ => Some(parse_range(host).map_err(|why| bad(&why))?),
    };
    if let Some((start, end)) = outside
        && end - start != inside.1 - inside.0
    {
        return Err(bad("the two port ranges have different lengths"));
    }
    Ok((inside.0..=inside.1)
        .map(|container_port| PortMapping {
            host_ip: host_ip.clone(),
            host_port: outside.map_or(0, |(start, _)| start + (container_port - inside.0)),
            container_port,
            protocol: protocol.clone(),
        })
        .collect())
}

/// Published ports to give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpublish {
    text: String,
    /// `None`: whatever it is.
    host: Option<(String, u16)>,
    container_port: u16,
    protocol: String,
}

/// `--publish-rm`: a container's port, as a whole or by what was published, as in [`parse_publish`].
pub fn parse_unpublish(text: &str) -> Result<Vec<Unpublish>> {
    let ports = parse_publish(text).map_err(|e| e.hint("write port[/udp] or [ip:]hostport:port[/udp]"))?;
    let one = |p: PortMapping| Unpublish {
        text: text.to_string(),
        host: (p.host_port != 0 || !p.host_ip.is_empty()).then_some((p.host_ip, p.host_port)),
        container_port: p.container_port,
        protocol: p.protocol,
    };
    Ok(ports.into_iter().map(one).collect())
}

/// The published ports of a container after a change. `real`: the ports it has, with random ones filled in, if it runs.
///
/// # Errors
/// `NotFound` when a port to give up is not published, `User` when one is asked for twice.
pub fn change(
    wanted: &[PortMapping],
    real: &[PortMapping],
    remove: &[Unpublish],
    add: &[PortMapping],
) -> Result<Vec<PortMapping>> {
    let mut left: Vec<(&PortMapping, &PortMapping)> =
        wanted.iter().enumerate().map(|(i, w)| (w, real.get(i).unwrap_or(w))).collect();
    for gone in remove {
        let before = left.len();
        left.retain(|(wanted, real)| !gone.is(wanted) && !gone.is(real));
        if left.len() == before {
            return Err(Error::not_found(format!("find the published port '{}'", gone.text)));
        }
    }
    let mut out: Vec<PortMapping> = left.into_iter().map(|(wanted, _)| wanted.clone()).collect();
    for port in add {
        if let Some(other) = out.iter().find(|other| clash(other, port)) {
            return Err(Error::conflict(format!(
                "publish {}/{} again: the container's port {} has it",
                port.host_port, port.protocol, other.container_port
            ))
            .hint(format!("free it with --publish-rm {}:{}", other.host_port, other.container_port)));
        }
        out.push(port.clone());
    }
    Ok(out)
}

impl Unpublish {
    fn is(&self, port: &PortMapping) -> bool {
        let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
        let host = self
            .host
            .as_ref()
            .is_none_or(|(ip, number)| *number == port.host_port && (ip.is_empty() || *ip == port.host_ip));
        host && self.container_port == port.container_port && self.protocol == protocol
    }
}

/// `port[-port][/protocol]` as `port/protocol` words, one each.
pub fn parse_expose(text: &str) -> Result<Vec<String>> {
    let bad = |why: &str| Error::user(format!("read exposed port '{text}': {why}"));
    let (ports, protocol) = split_protocol(text).map_err(|why| bad(&why))?;
    let (start, end) = parse_range(ports).map_err(|why| bad(&why))?;
    Ok((start..=end).map(|port| format!("{port}/{protocol}")).collect())
}

/// Puts all `-p` and `-P` together and refuses the same host port twice.
pub fn collect(publish: &[String], all: bool, exposed: &[String]) -> Result<Vec<PortMapping>> {
    let mut ports: Vec<PortMapping> = Vec::new();
    for text in publish {
        for port in parse_publish(text)? {
            // The very same mapping said twice is no conflict, and a shell script easily says it.
            if ports.contains(&port) && port.host_port != 0 {
                continue;
            }
            if let Some(other) = ports.iter().find(|other| clash(other, &port)) {
                return Err(Error::user(format!(
                    "publish {}/{} twice: container ports {} and {} ask for the same host port",
                    port.host_port, port.protocol, other.container_port, port.container_port
                )));
            }
            ports.push(port);
        }
    }
    if all {
        for word in exposed {
            let (port, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
            let port: u16 = port.parse().map_err(|_| Error::user(format!("read exposed port '{word}'")))?;
            if !ports.iter().any(|p| p.container_port == port && p.protocol == protocol) {
                ports.push(PortMapping {
                    host_ip: String::new(),
                    host_port: 0,
                    container_port: port,
                    protocol: protocol.to_string(),
                });
            }
        }
    }
    Ok(ports)
}

fn clash(a: &PortMapping, b: &PortMapping) -> bool {
    let wide = |ip: &str| ip.is_empty() || ip == "0.0.0.0" || ip == "::";
    a.host_port != 0
        && a.host_port == b.host_port
        && a.protocol == b.protocol
        && (a.host_ip == b.host_ip || a.host_ip.is_empty() || b.host_ip.is_empty() || {
            // 0.0.0.0 and :: take their whole family.
            let family = |ip: &str| ip.contains(':');
            family(&a.host_ip) == family(&b.host_ip) && (wide(&a.host_ip) || wide(&b.host_ip))
        })
}

fn split_protocol(text: &str) -> Result<(&str, String), String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    match protocol.as_str() {
        "tcp" | "udp" => Ok((ports, protocol)),
        "sctp" => Err("sctp can't be published from a user namespace, only tcp and udp".into()),
        other => Err(format!("protocol '{other}' is neither tcp nor udp")),
    }
}

fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let one = |word: &str| match word.parse::<u16>() {
        Ok(port) if port > 0 && word.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ if word.is_empty() => Err("a port is missing".to_string()),
        _ => Err(format!("'{word}' is not a port from 1 to 65535")),
    };
    match text.split_once('-') {
        None => one(text).map(|port| (port, port)),
        Some((start, end)) => {
            let (start, end) = (one(start)?, one(end)?);
            if start > end { Err(format!("the range {start}-{end} runs backwards")) } else { Ok((start, end)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(ports: &[PortMapping]) -> String {
        let one = |p: &PortMapping| format!("{}|{}>{}/{}", p.host_ip, p.host_port, p.container_port, p.protocol);
        ports.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn forms() {
        let cases: &[(&str, &str)] = &[
            ("80", "|0>80/tcp"),
            ("8080:80", "|8080>80/tcp"),
            ("8080:80/udp", "|8080>80/udp"),
            ("8080:80/UDP", "|8080>80/udp"),
            (":80", "|0>80/tcp"),
            ("0:80", "|0>80/tcp"),
            ("127.0.0.1:8080:80", "127.0.0.1|8080>80/tcp"),
            ("127.0.0.1::80", "127.0.0.1|0>80/tcp"),
            ("[::1]:8080:80", "::1|8080>80/tcp"),
            ("[::1]::80", "::1|0>80/tcp"),
            ("[2001:DB8::1]:53:53/udp", "2001:db8::1|53>53/udp"),
            ("8000-8002:80-82", "|8000>80/tcp |8001>81/tcp |8002>82/tcp"),
            ("90-91", "|0>90/tcp |0>91/tcp"),
        ];
        for (text, want) in cases {
            assert_eq!(show(&parse_publish(text).unwrap()), *want, "{text}");
        }
        for bad in [
            "",
            "x",
            "0",
            "65536",
            "80/sctp",
            "80/icmp",
            "1:2:3:4",
            "::1:80:80",
            "localhost:80:80",
            "8000-8001:80",
            "82-80",
            "[::1:80",
            "[::1]80",
            "80:",
            "-1:80",
            "+80",
            "a:80",
        ] {
            assert!(parse_publish(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn exposing() {
        assert_eq!(parse_expose("80").unwrap(), ["80/tcp"]);
        assert_eq!(parse_expose("80-81/udp").unwrap(), ["80/udp", "81/udp"]);
        assert!(parse_expose("x").is_err());
    }

    #[test]
    fn changing() {
        let have = collect(&["8080:80", "127.0.0.1:8081:81", "82", "53:53/udp"].map(String::from), false, &[]).unwrap();
        let mut real = have.clone();
        real[2].host_port = 40000;
        let after = |remove: &str, add: &str| {
            let parsed = |text: &str| if text.is_empty() { Ok(vec![]) } else { parse_publish(text) };
            let gone = if remove.is_empty() { vec![] } else { parse_unpublish(remove)? };
            change(&have, &real, &gone, &parsed(add)?).map(|ports| show(&ports))
        };
        let rest = "127.0.0.1|8081>81/tcp |0>82/tcp |53>53/udp";
        assert_eq!(after("80", "").unwrap(), rest);
        assert_eq!(after("8080:80", "90:90").unwrap(), format!("{rest} |90>90/tcp"));
        assert_eq!(after("40000:82", "").unwrap(), "|8080>80/tcp 127.0.0.1|8081>81/tcp |53>53/udp");
        assert_eq!(after("127.0.0.1:8081:81", "").unwrap(), "|8080>80/tcp |0>82/tcp |53>53/udp");
        assert_eq!(after("8080:80", "8080:88").unwrap(), format!("{rest} |8080>88/tcp"));
        for bad in ["81/udp", "8082:81", "127.0.0.2:8081:81", "x"] {
            assert!(after(bad, "").is_err(), "{bad}");
        }
        assert!(after("", "8080:81").unwrap_err().to_string().contains("--publish-rm 8080:80"));
    }

    #[test]
    fn together() {
        let words = |list: &[&str]| list.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        let got = collect(&words(&["8080:80"]), true, &words(&["80/tcp", "443/tcp", "53/udp"])).unwrap();
        assert_eq!(show(&got), "|8080>80/tcp |0>443/tcp |0>53/udp");
        assert!(collect(&words(&["80:80", "80:81"]), false, &[]).is_err());
        assert!(collect(&words(&["127.0.0.1:80:80", "80:81"]), false, &[]).is_err());
        assert!(collect(&words(&["0.0.0.0:80:80", "127.0.0.1:80:81"]), false, &[]).is_err());
        assert_eq!(collect(&words(&["0.0.0.0:80:80", "[::]:80:80"]), false, &[]).unwrap().len(), 2);
        assert_eq!(collect(&words(&["127.0.0.1:80:80", "127.0.0.2:80:80"]), false, &[]).unwrap().len(), 2);
        assert_eq!(collect(&words(&["80:80", "80:80"]), false, &[]).unwrap().len(), 1);
        assert_eq!(collect(&words(&["80:80", "80:80/udp"]), false, &[]).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9a-f:.\\[\\]/-]{0,30}") {
            let _ = parse_publish(&text);
            let _ = parse_expose(&text);
        }
        #[test]
        fn ranges_keep_their_distance(start in 1u16..60000, len in 0u16..50, shift in 0u16..5000) {
            let text = format!("{}-{}:{}-{}", start + shift, start + shift + len, start, start + len);
            let ports = parse_publish(&text).unwrap();
            prop_assert_eq!(ports.len(), len as usize + 1);
            prop_assert!(ports.iter().all(|p| p.host_port - p.container_port == shift));
        }
    }
}
