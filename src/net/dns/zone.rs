//! Which names mean which members, and what each member may see of them.

use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// A suffix that podman's users know.
const PODMAN_SUFFIX: &str = ".dns.podman";

/// A member's names and addresses in one network.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The network's id.
    pub network: String,
    pub ips: Vec<IpAddr>,
    /// Besides the container's name and id.
    pub aliases: Vec<String>,
}

/// A container with a place in at least one network.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Full id.
    pub id: String,
    pub name: String,
    /// Its own choice of upstream servers.
    pub servers: Vec<IpAddr>,
    pub places: Vec<Place>,
}

/// A network as far as names are concerned.
#[derive(Clone, Debug, Default)]
pub struct Net {
    pub name: String,
    pub subnets: Vec<IpNet>,
    pub internal: bool,
    /// Upstream servers of the network.
    pub servers: Vec<IpAddr>,
}

/// Everything that can be answered without asking anybody.
#[derive(Debug, Default)]
pub struct Zone {
    networks: BTreeMap<String, Net>,
    members: Vec<Member>,
    /// Lower-case name → network and address.
    names: HashMap<String, Vec<(String, IpAddr)>>,
    /// (network, address) → index of its member.
    owners: HashMap<(String, IpAddr), usize>,
}

/// What a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    A,
    Aaaa,
    Ptr,
    Other,
}

/// What to do about a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Our name; no address of the family asked for is an empty list.
    Addresses(Vec<IpAddr>),
    /// The names of an address.
    Names(Vec<String>),
    /// There is no such name.
    Unknown,
    /// Ask these servers, with the network (id) of those that are in one of the client's; none = the host's.
    Ask(Vec<(IpAddr, Option<String>)>),
    /// Members of internal networks only learn nothing of the outside, but from servers beside them.
    Refuse,
}

impl Zone {
    pub fn new(networks: BTreeMap<String, Net>, members: Vec<Member>) -> Zone {
        let mut zone = Zone { networks, members, ..Zone::default() };
        for (index, member) in zone.members.iter().enumerate() {
            for place in &member.places {
                let own = [member.name.as_str(), &member.id, member.id.get(..12).unwrap_or(&member.id)];
                let network = zone.networks.get(&place.network).map_or("", |n| n.name.as_str());
                for name in own.into_iter().chain(place.aliases.iter().map(String::as_str)) {
                    let name = name.to_ascii_lowercase();
                    for name in [name.clone(), format!("{name}.{network}"), format!("{name}{PODMAN_SUFFIX}")] {
                        let list = zone.names.entry(name).or_default();
                        for ip in &place.ips {
                            let entry = (place.network.clone(), *ip);
                            if !list.contains(&entry) {
                                list.push(entry);
                            }
                        }
                    }
                }
                for ip in &place.ips {
                    zone.owners.insert((place.network.clone(), *ip), index);
                }
            }
        }
        zone
    }

    /// What `client`, who asks through `network`, is to hear about `name` (without the closing dot).
    pub fn resolve(&self, network: &str, client: IpAddr, name: &str, kind: Kind) -> Verdict {
        let member = self.owners.get(&(network.to_string(), client)).map(|i| &self.members[*i]);
        let seen = |id: &str| match member {
            Some(member) => member.places.iter().any(|p| p.network == id),
            None => id == network,
        };
        let name = name.to_ascii_lowercase();
        if let Some(found) = self.names.get(&name) {
            let mut visible = found.iter().filter(|(id, _)| seen(id)).map(|(_, ip)| *ip).peekable();
            if visible.peek().is_some() {
                return Verdict::Addresses(match kind {
                    Kind::A => visible.filter(IpAddr::is_ipv4).collect(),
                    Kind::Aaaa => visible.filter(IpAddr::is_ipv6).collect(),
                    Kind::Ptr | Kind::Other => Vec::new(),
                });
            }
        }
        if let Some(ip) = reverse(&name) {
            let within = self.networks.iter().filter(|(_, n)| n.subnets.iter().any(|s| s.contains(&ip)));
            let ids: Vec<&String> = within.map(|(id, _)| id).collect();
            let owner = ids.iter().filter(|id| seen(id)).find_map(|id| self.owners.get(&((*id).clone(), ip)));
            match owner.map(|i| &self.members[*i]) {
                Some(owner) if kind == Kind::Ptr => return Verdict::Names(vec![owner.name.clone()]),
                Some(_) => return Verdict::Names(Vec::new()),
                // Nobody outside knows better about our subnets.
                None if !ids.is_empty() => return Verdict::Unknown,
                None => {}
            }
        }
        if name.ends_with(PODMAN_SUFFIX) {
            return Verdict::Unknown;
        }
        let outside = |id: &str| self.networks.get(id).is_some_and(|n| !n.internal);
        let places: Vec<&str> = match member {
            Some(member) => member.places.iter().map(|p| p.network.as_str()).collect(),
            None => vec![network],
        };
        let own = member.map(|m| m.servers.clone()).unwrap_or_default();
        let of_network = || self.networks.get(network).map(|n| n.servers.clone()).unwrap_or_default();
        let within = |ip: &IpAddr| {
            let holds = |id: &&&str| self.networks.get(**id).is_some_and(|n| n.subnets.iter().any(|s| s.contains(ip)));
            places.iter().find(holds).map(|id| (*id).to_string())
        };
        let asked = if own.is_empty() { of_network() } else { own };
        // A server that asks us would be asked itself.
        let is_client = |ip: &IpAddr| member.map_or(*ip == client, |m| m.places.iter().any(|p| p.ips.contains(ip)));
        let mut servers: Vec<(IpAddr, Option<String>)> =
            asked.into_iter().filter(|ip| !is_client(ip)).map(|ip| (ip, within(&ip))).collect();
        if !places.iter().any(|id| outside(id)) {
            servers.retain(|(_, network)| network.is_some());
            if servers.is_empty() {
                return Verdict::Refuse;
            }
        }
        Verdict::Ask(servers)
    }
}

/// The address that a name under in-addr.arpa or ip6.arpa stands for.
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(rest) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<u8> = rest.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [d, c, b, a] = parts.try_into().ok()?;
        return Some(IpAddr::from([a, b, c, d]));
    }
    let rest = name.strip_suffix(".ip6.arpa")?;
    let digits: Vec<u8> = rest.split('.').map(|d| u8::from_str_radix(d, 16)).collect::<Result<_, _>>().ok()?;
    if digits.len() != 32 || digits.iter().any(|d| *d > 15) {
        return None;
    }
    let number = digits.iter().rev().fold(0u128, |n, d| n << 4 | u128::from(*d));
    Some(IpAddr::from(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn zone() -> Zone {
        let net = |name: &str, subnet: &str, internal| Net {
            name: name.into(),
            subnets: vec![subnet.parse().unwrap()],
            internal,
            servers: vec![],
        };
        let networks = [
            ("front".to_string(), net("front", "10.1.0.0/24", false)),
            ("back".to_string(), net("back", "fd01::/64", true)),
        ];
        let place = |network: &str, address: &str, alias: &str| Place {
            network: network.into(),
            ips: vec![ip(address)],
            aliases: vec![alias.into()],
        };
        let member = |name: &str, letter: &str, places: Vec<Place>| Member {
            id: letter.repeat(64),
            name: name.into(),
            servers: vec![],
            places,
        };
        Zone::new(
            networks.into(),
            vec![
                member("web", "a", vec![place("front", "10.1.0.2", "www")]),
                member("app", "b", vec![place("front", "10.1.0.3", "svc"), place("back", "fd01::3", "svc")]),
                member("db", "c", vec![place("back", "fd01::4", "SQL")]),
                member("app2", "d", vec![place("front", "10.1.0.4", "svc")]),
            ],
        )
    }

    #[test]
    fn members_see_their_networks() {
        let zone = zone();
        let ask = |client: &str, name: &str, kind| {
            let network = if client.contains(':') { "back" } else { "front" };
            zone.resolve(network, ip(client), name, kind)
        };
        assert_eq!(ask("10.1.0.3", "WEB", Kind::A), Verdict::Addresses(vec![ip("10.1.0.2")]));
        assert_eq!(ask("10.1.0.3", "www.front", Kind::A), Verdict::Addresses(vec![ip("10.1.0.2")]));
        assert_eq!(ask("10.1.0.2", &"b".repeat(12), Kind::A), Verdict::Addresses(vec![ip("10.1.0.3")]));
        assert_eq!(ask("10.1.0.2", "svc", Kind::A), Verdict::Addresses(vec![ip("10.1.0.3"), ip("10.1.0.4")]));
        // The other network's address of the same name stays hidden; no such family is not no such name.
        assert_eq!(ask("10.1.0.2", "app", Kind::Aaaa), Verdict::Addresses(vec![]));
        assert_eq!(ask("10.1.0.2", "db", Kind::A), Verdict::Ask(vec![]));
        // Who is in both asks either.
        assert_eq!(ask("10.1.0.3", "db", Kind::Aaaa), Verdict::Addresses(vec![ip("fd01::4")]));
        assert_eq!(ask("fd01::3", "web", Kind::A), Verdict::Addresses(vec![ip("10.1.0.2")]));
        assert_eq!(ask("fd01::4", "sql", Kind::Aaaa), Verdict::Addresses(vec![ip("fd01::4")]));
        assert_eq!(ask("fd01::4", "example.org", Kind::A), Verdict::Refuse);
        assert_eq!(ask("fd01::3", "example.org", Kind::A), Verdict::Ask(vec![]));
        assert_eq!(ask("10.1.0.2", "nobody.dns.podman", Kind::A), Verdict::Unknown);
        // Servers of the client's own: beside it, elsewhere, itself; the only way out of an internal network.
        let servers = |list: &[&str]| list.iter().map(|text| ip(text)).collect::<Vec<_>>();
        let mut zone = zone;
        zone.members[0].servers = servers(&["10.1.0.53", "9.9.9.9", "10.1.0.2", "fd01::53"]);
        zone.members[2].servers = servers(&["9.9.9.9", "fd01::53"]);
        let ask = |client: &str, network: &str| zone.resolve(network, ip(client), "example.org", Kind::A);
        let beside = |address: &str, network: &str| (ip(address), Some(network.to_string()));
        let of_web = vec![beside("10.1.0.53", "front"), (ip("9.9.9.9"), None), (ip("fd01::53"), None)];
        assert_eq!(ask("10.1.0.2", "front"), Verdict::Ask(of_web));
        assert_eq!(ask("fd01::4", "back"), Verdict::Ask(vec![beside("fd01::53", "back")]));
        let ask = |client: &str, name: &str, kind| zone.resolve("front", ip(client), name, kind);
        // A stranger on the bridge sees that network alone.
        assert_eq!(ask("10.1.0.99", "web", Kind::A), Verdict::Addresses(vec![ip("10.1.0.2")]));
    }

    #[test]
    fn addresses_have_names() {
        let zone = zone();
        let ptr = |client: &str, name: &str| zone.resolve("front", ip(client), name, Kind::Ptr);
        assert_eq!(ptr("10.1.0.3", "2.0.1.10.in-addr.arpa"), Verdict::Names(vec!["web".into()]));
        assert_eq!(ptr("10.1.0.3", "77.0.1.10.in-addr.arpa"), Verdict::Unknown);
        assert_eq!(ptr("10.1.0.3", "1.2.0.192.in-addr.arpa"), Verdict::Ask(vec![]));
        let four = "4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.d.f.ip6.arpa";
        assert_eq!(ptr("10.1.0.3", four), Verdict::Names(vec!["db".into()]));
        assert_eq!(ptr("10.1.0.2", four), Verdict::Unknown);
        assert_eq!(reverse("x.in-addr.arpa"), None);
    }
}
