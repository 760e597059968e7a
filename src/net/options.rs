//! The options of `--network slirp4netns:…` and what follows from them.

use crate::error::{Error, Result};
use crate::net::pasta_options::PastaOptions;
use crate::spec::model::NetMode;
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// As podman's users know it; every container has it to itself.
const DEFAULT_CIDR: &str = "10.0.2.0/24";
/// The largest that a tap device and the helpers take: fewest system calls for a byte.
pub const MTU: u32 = 65520;

/// How to run slirp4netns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlirpOptions {
    pub network: Ipv4Net,
    pub mtu: u32,
    pub ipv6: bool,
    /// The gateway's address leads to the host's 127.0.0.1.
    pub host_loopback: bool,
    /// Address or interface that outgoing connections use on the host.
    pub outbound: Option<String>,
    pub outbound6: Option<String>,
}

impl Default for SlirpOptions {
    fn default() -> Self {
        SlirpOptions {
            network: DEFAULT_CIDR.parse().unwrap_or_default(),
            mtu: MTU,
            ipv6: true,
            host_loopback: false,
            outbound: None,
            outbound6: None,
        }
    }
}

impl SlirpOptions {
    /// Parses `key=value` options with podman's names.
    pub fn parse(options: &[String]) -> Result<SlirpOptions> {
        let mut out = SlirpOptions::default();
        for option in options.iter().filter(|o| !o.is_empty()) {
            let bad = |why: &str| Error::user(format!("use --network slirp4netns:{option}: {why}"));
            let Some((key, value)) = option.split_once('=') else {
                return Err(bad("not KEY=VALUE"));
            };
            match key {
                "cidr" => {
                    let network: Ipv4Net = value.parse().map_err(|_| bad("not an IPv4 network"))?;
                    // slirp4netns(1): it hands out .2, .3 and .100 of the network.
                    if network.prefix_len() > 25 {
                        return Err(bad("the network must have a prefix of 25 bits or less"));
                    }
                    out.network = network.trunc();
                }
                "mtu" => {
                    out.mtu = value.parse().ok().filter(|m| (68..=65521).contains(m)).ok_or(bad("not 68..65521"))?;
                }
                "enable_ipv6" => out.ipv6 = boolean(value).ok_or(bad("not true or false"))?,
                "allow_host_loopback" => out.host_loopback = boolean(value).ok_or(bad("not true or false"))?,
                "outbound_addr" => out.outbound = Some(value.to_owned()),
                "outbound_addr6" => out.outbound6 = Some(value.to_owned()),
                // Both of podman's handlers are our own forwarder here, which is as fast as the one and keeps the
                // client's address as the other.
                "port_handler" if matches!(value, "rootlesskit" | "slirp4netns") => {}
                "port_handler" => return Err(bad("not rootlesskit or slirp4netns")),
                _ => {
                    return Err(bad("unknown option").hint(
                        "known: cidr, mtu, enable_ipv6, allow_host_loopback, outbound_addr, outbound_addr6, port_handler",
                    ));
                }
            }
        }
        if out.outbound6.is_some() && !out.ipv6 {
            return Err(Error::user("use --network slirp4netns:outbound_addr6 with enable_ipv6=false"));
        }
        Ok(out)
    }

    /// Whether the host has what outgoing connections are to use: slirp4netns would say nothing, and lose them all.
    ///
    /// # Errors
    /// `Kind::User`, with the option.
    pub fn check_outbound(&self) -> Result<()> {
        for (option, value, ipv4) in
            [("outbound_addr", &self.outbound, true), ("outbound_addr6", &self.outbound6, false)]
        {
            let Some(value) = value else { continue };
            let bad = |why: String| Err(Error::user(format!("use --network slirp4netns:{option}={value}: {why}")));
            match value.parse::<IpAddr>() {
                Ok(ip) if ip.is_ipv4() != ipv4 => {
                    return bad(format!("not an IPv{} address", if ipv4 { 4 } else { 6 }));
                }
                Ok(ip) => {
                    if let Err(e) = UdpSocket::bind((ip, 0)) {
                        return match e.kind() {
                            std::io::ErrorKind::AddrNotAvailable => bad("this host does not have that address".into()),
                            _ => bad(e.to_string()),
                        };
                    }
                }
                Err(_) => {
                    let known = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                        .is_ok_and(|s| rustix::net::netdevice::name_to_index(&s, value).is_ok());
                    if !known {
                        return bad("neither an address nor an interface of this host".into());
                    }
                }
            }
        }
        Ok(())
    }

    pub fn gateway(&self) -> Ipv4Addr {
        self.nth(2)
    }
    pub fn dns(&self) -> Ipv4Addr {
        self.nth(3)
    }
    /// The container's own address.
    pub fn address(&self) -> Ipv4Addr {
        self.nth(100)
    }
    fn nth(&self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network.network()).wrapping_add(n))
    }
}

/// True where the gateway's address leads to the host's loopback: only if the user asked for it.
pub fn reaches_host_loopback(mode: &NetMode) -> bool {
    match mode {
        NetMode::Slirp4netns(options) => SlirpOptions::parse(options).is_ok_and(|o| o.host_loopback),
        NetMode::Pasta(options) => PastaOptions::parse(options).is_ok_and(|o| o.has(&["--map-gw"])),
        _ => false,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SlirpOptions> {
        SlirpOptions::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_and_addresses() {
        let options = parse("").unwrap();
        assert_eq!(options, SlirpOptions::default());
        assert_eq!(options.address().to_string(), "10.0.2.100");
        let options = parse("cidr=192.168.7.9/24,mtu=1500,enable_ipv6=false,port_handler=slirp4netns").unwrap();
        assert_eq!((options.gateway().to_string(), options.mtu), ("192.168.7.2".to_owned(), 1500));
        assert_eq!((options.dns().to_string(), options.ipv6), ("192.168.7.3".to_owned(), false));
        let loopback = vec!["allow_host_loopback=true".to_owned()];
        assert!(reaches_host_loopback(&NetMode::Slirp4netns(loopback)));
        assert!(!reaches_host_loopback(&NetMode::Default));
    }

    #[test]
    fn outgoing_addresses_are_the_hosts() {
        let check = |text: &str| parse(text).unwrap().check_outbound();
        for good in ["", "outbound_addr=127.0.0.1", "outbound_addr=lo,outbound_addr6=lo"] {
            check(good).unwrap();
        }
        for bad in ["outbound_addr=192.0.2.213", "outbound_addr=::1", "outbound_addr6=127.0.0.1", "outbound_addr=no0"] {
            let e = check(bad).unwrap_err().to_string();
            assert!(e.contains(bad), "{e}");
        }
        assert!(parse("enable_ipv6=false,outbound_addr6=::1").is_err());
    }

    #[test]
    fn bad_options_are_named() {
        for (text, why) in [
            ("cidr=10.0.0.0/26", "25 bits"),
            ("cidr=::/64", "not an IPv4 network"),
            ("mtu=9", "not 68..65521"),
            ("enable_ipv6=maybe", "not true or false"),
            ("nonsense", "not KEY=VALUE"),
            ("color=red", "unknown option"),
            ("port_handler=x", "rootlesskit"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(text) && e.contains(why), "{e}");
        }
    }
}
