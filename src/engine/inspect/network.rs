//! `NetworkSettings` and the ports of a container.

use crate::engine::doc::{Doc, fields};
use crate::spec::model::{NetMode, Network};
use crate::state::container::{Config, EndpointState, NetworkState, PortMapping};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null}`: published ports, and exposed ones that
/// are not.
pub fn ports(published: &[PortMapping], exposed: &[String]) -> Doc {
    let mut by_port: BTreeMap<String, Vec<Doc>> = exposed.iter().map(|p| (p.clone(), Vec::new())).collect();
    for port in published {
        let shown = |ip: &str| fields! { "HostIp" => ip, "HostPort" => port.host_port.to_string() };
        let list = by_port.entry(format!("{}/{}", port.container_port, port.protocol)).or_default();
        // Both families on all addresses are two bindings to docker; scripts that take the first get IPv4.
        match port.host_ip.as_str() {
            "" => list.extend([shown("0.0.0.0"), shown("::")]),
            ip => list.push(shown(ip)),
        }
    }
    let or_null = |list: Vec<Doc>| if list.is_empty() { Doc::Value(Value::Null) } else { Doc::List(list) };
    Doc::Map(by_port.into_iter().map(|(k, v)| (Cow::Owned(k), or_null(v))).collect())
}

/// `HostConfig.PortBindings`: what was asked for.
pub(super) fn bindings(asked: &[PortMapping]) -> Doc {
    let mut by_port: BTreeMap<String, Vec<Doc>> = BTreeMap::new();
    for port in asked {
        let host_port = if port.host_port == 0 { String::new() } else { port.host_port.to_string() };
        by_port
            .entry(format!("{}/{}", port.container_port, port.protocol))
            .or_default()
            .push(fields! { "HostIp" => &port.host_ip, "HostPort" => host_port });
    }
    Doc::Map(by_port.into_iter().map(|(k, v)| (Cow::Owned(k), Doc::List(v))).collect())
}

/// `HostConfig.NetworkMode`.
pub(super) use crate::engine::filter::network_name as mode;

/// `NetworkSettings` of a container with `state` (empty addresses while it does not run).
pub(super) fn settings(spec: &Network, state: &NetworkState, config: &Config, docker: bool, pid: i32) -> Doc {
    let published = if pid > 0 { state.ports.as_slice() } else { &[] };
    let name = match &spec.mode {
        NetMode::Default if docker => "bridge".into(),
        NetMode::Default => "podman".into(),
        other => mode(other),
    };
    let networks = match (&spec.mode, state.networks.is_empty()) {
        (NetMode::Networks(endpoints), true) => {
            let none = EndpointState::default();
            endpoints.iter().map(|e| (Cow::Owned(e.network.clone()), endpoint(&none, &e.aliases, config))).collect()
        }
        (NetMode::Networks(_), false) => {
            state.networks.iter().map(|e| (Cow::Owned(e.network.clone()), endpoint(e, &e.aliases, config))).collect()
        }
        _ => vec![(Cow::Owned(name.clone()), single(&name, state))],
    };
    let gateway6 = state.networks.first().map_or("", |e| e.gateway6.as_str());
    fields! {
        "Bridge" => "",
        "SandboxID" => "",
        "SandboxKey" => if pid > 0 { format!("/proc/{pid}/ns/net") } else { String::new() },
        "Ports" => ports(published, &config.exposed_ports),
        "EndpointID" => "",
        "Gateway" => &state.gateway,
        "IPAddress" => &state.ip,
        "IPPrefixLen" => state.prefix,
        "IPv6Gateway" => gateway6,
        "GlobalIPv6Address" => &state.ip6,
        "GlobalIPv6PrefixLen" => state.prefix6,
        "MacAddress" => &state.mac,
        "Networks" => Doc::Map(networks),
    }
}

/// The one network of a container that is on none of the user's.
fn single(name: &str, state: &NetworkState) -> Doc {
    fields! {
        "IPAMConfig" => None::<bool>,
        "Links" => None::<bool>,
        "Aliases" => None::<bool>,
        "MacAddress" => &state.mac,
        "NetworkID" => name,
        "EndpointID" => "",
        "Gateway" => &state.gateway,
        "IPAddress" => &state.ip,
        "IPPrefixLen" => state.prefix,
        "IPv6Gateway" => "",
        "GlobalIPv6Address" => &state.ip6,
        "GlobalIPv6PrefixLen" => state.prefix6,
        "DriverOpts" => None::<bool>,
    }
}

/// A place in a user-defined network.
fn endpoint(state: &EndpointState, aliases: &[String], config: &Config) -> Doc {
    // Docker lists the short id among them.
    let mut names = aliases.to_vec();
    names.push(config.id.chars().take(12).collect());
    fields! {
        "IPAMConfig" => None::<bool>,
        "Links" => None::<bool>,
        "Aliases" => Doc::List(names.iter().map(|n| Doc::from(n.as_str())).collect()),
        "MacAddress" => &state.mac,
        "NetworkID" => &state.id,
        "EndpointID" => "",
        "Gateway" => &state.gateway,
        "IPAddress" => &state.ip,
        "IPPrefixLen" => state.prefix,
        "IPv6Gateway" => &state.gateway6,
        "GlobalIPv6Address" => &state.ip6,
        "GlobalIPv6PrefixLen" => state.prefix6,
        "DriverOpts" => None::<bool>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_docker_lists_them() {
        let port = |ip: &str, host, inside| PortMapping {
            host_ip: ip.into(),
            host_port: host,
            container_port: inside,
            protocol: "tcp".into(),
        };
        let doc = ports(&[port("", 8080, 80), port("127.0.0.1", 99, 9)], &["80/tcp".into(), "5/udp".into()]);
        assert_eq!(
            serde_json::to_string(&doc).unwrap(),
            r#"{"5/udp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"9/tcp":[{"HostIp":"127.0.0.1","HostPort":"99"}]}"#
        );
        let asked = serde_json::to_string(&bindings(&[port("", 0, 80)])).unwrap();
        assert_eq!(asked, r#"{"80/tcp":[{"HostIp":"","HostPort":""}]}"#);
    }
}
