//! The options of `--network pasta:…`: which are coracle's own, which are passed on, and what they make of the state.

use crate::error::{Error, Result};
use crate::net::options::SlirpOptions;
use crate::net::pasta::NAME;
use crate::state::container::NetworkState;
use std::net::IpAddr;

/// Options of pasta(1) that take a value, also of versions newer than the oldest that we use: short and long name.
const VALUED: [(&str, &str); 34] = [
    ("-l", "--log-file"),
    ("", "--log-size"),
    ("", "--runas"),
    ("-I", "--ns-ifname"),
    ("-F", "--fd"),
    ("-p", "--pcap"),
    ("-P", "--pid"),
    ("-m", "--mtu"),
    ("-a", "--address"),
    ("-n", "--netmask"),
    ("-M", "--mac-addr"),
    ("-g", "--gateway"),
    ("-i", "--interface"),
    ("-o", "--outbound"),
    ("", "--outbound-if4"),
    ("", "--outbound-if6"),
    ("-D", "--dns"),
    ("-S", "--search"),
    ("-H", "--hostname"),
    ("", "--fqdn"),
    ("", "--dns-forward"),
    ("", "--dns-host"),
    ("-t", "--tcp-ports"),
    ("-u", "--udp-ports"),
    ("-T", "--tcp-ns"),
    ("-U", "--udp-ns"),
    ("", "--userns"),
    ("", "--netns"),
    ("", "--ns-mac-addr"),
    ("", "--map-host-loopback"),
    ("", "--map-guest-addr"),
    ("-s", "--socket"),
    ("", "--socket-path"),
    ("", "--repair-path"),
];

/// Options without a value.
const FLAGS: [(&str, &str); 31] = [
    ("-d", "--debug"),
    ("", "--trace"),
    ("-q", "--quiet"),
    ("-f", "--foreground"),
    ("-e", "--stderr"),
    ("-h", "--help"),
    ("", "--version"),
    ("-1", "--one-off"),
    ("", "--dhcp-dns"),
    ("", "--no-dhcp-dns"),
    ("", "--dhcp-search"),
    ("", "--no-dhcp-search"),
    ("", "--no-tcp"),
    ("", "--no-udp"),
    ("", "--no-icmp"),
    ("", "--no-dhcp"),
    ("", "--no-ndp"),
    ("", "--no-dhcpv6"),
    ("", "--no-ra"),
    ("", "--freebind"),
    ("", "--map-gw"),
    ("", "--no-map-gw"),
    ("-4", "--ipv4-only"),
    ("-6", "--ipv6-only"),
    ("", "--config-net"),
    ("", "--no-copy-routes"),
    ("", "--no-copy-addrs"),
    ("", "--netns-only"),
    ("", "--no-netns-quit"),
    ("", "--host-lo-to-ns-lo"),
    ("", "--no-splice"),
];

/// What coracle says itself; another word would make pasta serve something else, or end at once.
const OWN: [&str; 12] = [
    "--fd",
    "--foreground",
    "--pid",
    "--userns",
    "--netns",
    "--netns-only",
    "--no-netns-quit",
    "--socket",
    "--socket-path",
    "--one-off",
    "--help",
    "--version",
];

/// The user's options, in order: long name where one is known, value, and the words that pasta gets.
#[derive(Clone, Debug, Default)]
pub struct PastaOptions(Vec<(String, Option<String>, Vec<String>)>);

impl PastaOptions {
    /// Reads what stands between the commas of `--network pasta:…`. Options that are not known are left to pasta to
    /// judge, with the word that follows.
    ///
    /// # Errors
    /// `Kind::User`: a word that is no option's value, which pasta would take for a command; an option without its
    /// value, which would take the next one; an option of coracle's own.
    pub fn parse(words: &[String]) -> Result<PastaOptions> {
        let mut options = Vec::new();
        let mut words = words.iter().filter(|w| !w.is_empty()).peekable();
        while let Some(word) = words.next() {
            let bad = |why: &str| Error::user(format!("use --network pasta:{word}: {why}"));
            if !word.starts_with('-') || word == "-" || word == "--" {
                return Err(bad("not an option").hint("write --OPTION,VALUE or --OPTION=VALUE, as in pasta(1)"));
            }
            let (given, mut value) = match word.split_once('=') {
                Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
                _ if word.starts_with("--") => (word.as_str(), None),
                _ => match word.char_indices().nth(2) {
                    Some((at, _)) => (&word[..at], Some(word[at..].to_owned())),
                    None => (word.as_str(), None),
                },
            };
            let long = |table: &[(&str, &str)]| {
                table.iter().find(|(short, long)| *short == given || *long == given).map(|(_, l)| (*l).to_owned())
            };
            let mut passed = vec![word.clone()];
            let name = match (long(&VALUED), long(&FLAGS)) {
                (Some(name), _) => {
                    if value.is_none() {
                        value = words.next().cloned();
                        passed.push(value.clone().ok_or_else(|| bad("it needs a value"))?);
                    }
                    name
                }
                (None, Some(name)) => name,
                (None, None) => {
                    if value.is_none() && words.peek().is_some_and(|w| !w.starts_with('-')) {
                        value = words.next().cloned();
                        passed.extend(value.clone());
                    }
                    given.to_owned()
                }
            };
            if OWN.contains(&name.as_str()) {
                return Err(bad("coracle sets this itself"));
            }
            options.push((name, value, passed));
        }
        Ok(PastaOptions(options))
    }

    /// Whether the user says something about one of these (long names).
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(name, ..)| names.contains(&name.as_str()))
    }

    /// The user's IPv4 addresses for an option, or the IPv6 ones.
    fn address(&self, option: &str, ipv6: bool) -> Option<IpAddr> {
        let values = self.0.iter().filter(|(name, ..)| name == option).filter_map(|(_, value, _)| value.as_ref());
        values.filter_map(|v| v.parse::<IpAddr>().ok()).find(|ip| ip.is_ipv6() == ipv6)
    }

    /// What pasta gets, without podman's word for not adding `--no-map-gw`.
    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|(name, ..)| name != "--map-gw").flat_map(|(.., words)| words)
    }

    /// What pasta will most likely give a container with these options and this hardware address;
    /// [`super::facts`] finds out the rest.
    pub(super) fn state(&self, mac: Option<&str>) -> NetworkState {
        let usual = SlirpOptions::default();
        let ipv4 = !self.has(&["--ipv6-only"]);
        let text = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string());
        let of = |option: &str, usual: String| match ipv4 {
            true => text(self.address(option, false)).unwrap_or(usual),
            false => String::new(),
        };
        let ip6 = text(self.address("--address", true)).unwrap_or_default();
        let netmask = self.0.iter().find(|(name, ..)| name == "--netmask").and_then(|(_, value, _)| value.as_deref());
        let prefix = netmask.and_then(|mask| {
            let bits = mask.parse().ok().map(|mask: std::net::Ipv4Addr| u32::from(mask).count_ones() as u8);
            mask.parse().ok().or(bits)
        });
        NetworkState {
            mode: NAME.into(),
            ip: of("--address", usual.address().to_string()),
            prefix: prefix.unwrap_or(usual.network.prefix_len()),
            prefix6: if ip6.is_empty() { 0 } else { 64 },
            ip6,
            gateway: of("--gateway", usual.gateway().to_string()),
            dns: match of("--dns-forward", usual.dns().to_string()) {
                none if none.is_empty() => text(self.address("--dns-forward", true)).unwrap_or_default(),
                server => server,
            },
            mac: mac.unwrap_or_default().to_owned(),
            ..NetworkState::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PastaOptions> {
        PastaOptions::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_their_values() {
        let options = parse("--map-gw,-a,10.9.0.7,-n,255.255.255.0,-t80,--mtu=1500,--new,5,--flag").unwrap();
        assert!(options.has(&["--tcp-ports"]) && options.has(&["--mtu"]) && !options.has(&["--udp-ports"]));
        let words: Vec<&String> = options.words().collect();
        assert_eq!(words, ["-a", "10.9.0.7", "-n", "255.255.255.0", "-t80", "--mtu=1500", "--new", "5", "--flag"]);
        let state = options.state(None);
        assert_eq!((state.ip.as_str(), state.prefix, state.dns.as_str()), ("10.9.0.7", 24, "10.0.2.3"));
        let six = parse("-6,-a,fd01::5,--dns-forward,fd01::3").unwrap().state(Some("02:00:00:00:00:01"));
        assert_eq!((six.ip.as_str(), six.gateway.as_str(), six.ip6.as_str()), ("", "", "fd01::5"));
        assert_eq!((six.dns.as_str(), six.mac.as_str()), ("fd01::3", "02:00:00:00:00:01"));
    }

    #[test]
    fn words_that_would_mean_something_else() {
        for (text, why) in [
            ("foo", "not an option"),
            ("--ipv4-only,sh", "not an option"),
            ("--mtu", "needs a value"),
            ("-I", "needs a value"),
            ("--pid=/x", "sets this itself"),
            ("-P/x", "sets this itself"),
            ("--netns,/x", "sets this itself"),
            ("--", "not an option"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(text.split(',').next_back().unwrap()) || e.contains("--netns"), "{e}");
            assert!(e.contains(why), "{e}");
        }
    }
}
