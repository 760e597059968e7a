//! One container as a row of `ps`: docker's fields and podman's.

use super::{Cx, Personality, human};
use crate::engine::filter::network_name;
use crate::spec::model::{MountKind, Spec};
use crate::state::container::{PortMapping, Status};
use crate::state::containers::{self, Container};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// What a row is to hold beyond the cheap fields.
pub struct Need {
    /// Bytes of the containers' own files by id; empty where nobody asked.
    pub sizes: HashMap<String, u64>,
    /// Fields that need spec.json.
    pub spec: bool,
    /// Nothing shortened.
    pub full: bool,
}

/// In quotes, as docker has it: neither a line's end nor a terminal's code gets through.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The row.
pub fn row(cx: &Cx, c: &Container, need: &Need) -> Value {
    let id = if need.full { c.id.as_str() } else { c.short_id() };
    let command = c.config.command.join(" ");
    let command = quoted(&if need.full { command } else { human::ellipsis(&command, 20) });
    let labels: Vec<String> = c.config.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let label: Map<String, Value> = c.config.labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let image = match cx.personality {
        Personality::Podman => image(c),
        _ if c.config.image.is_empty() => human::short_id(&c.config.image_id),
        _ => &c.config.image,
    };
    let mut row = json!({
        "ID": id,
        "Image": image,
        "ImageID": if need.full { &c.config.image_id } else { human::short_id(&c.config.image_id) },
        "Command": command,
        "CreatedAt": human::created_at(&c.config.created),
        "RunningFor": human::ago_text(&c.config.created),
        "Ports": ports(&c.state.network.ports, &c.config.exposed_ports, c.active()),
        "State": state(c),
        "Status": status(c),
        "HealthStatus": "",
        "Names": c.name,
        "Labels": labels.join(","),
        "_Label": label,
        "Pid": c.state.pid,
        "ExitCode": c.state.exit_code,
        "Restarts": c.state.restarts,
        "Size": need.sizes.get(&c.id).map_or_else(|| "0B".into(), |bytes| human::size(*bytes)),
        "Platform": "",
    });
    if cx.personality != Personality::Docker {
        // Podman's further names.
        row["Created"] = row["RunningFor"].clone();
        row["CreatedHuman"] = row["RunningFor"].clone();
        row["StartedAt"] = seconds(&c.state.started).into();
        row["ExitedAt"] = seconds(&c.state.finished).into();
        row["Exited"] = (c.state.status == Status::Exited).into();
        row["AutoRemove"] = c.config.auto_remove.into();
        row["Pod"] = "".into();
        row["PodName"] = "".into();
    }
    if need.spec
        && let Some(map) = row.as_object_mut()
    {
        let spec: Spec = containers::load_spec(&cx.engine.paths, &c.id).unwrap_or_default();
        let mounts: Vec<&str> = spec
            .mounts
            .iter()
            .filter_map(|m| match &m.kind {
                MountKind::Volume { name, .. } => Some(name.as_str()),
                MountKind::Bind { source } => Some(source.as_str()),
                _ => None,
            })
            .collect();
        let volumes = spec.mounts.iter().filter(|m| matches!(m.kind, MountKind::Volume { .. })).count();
        map.insert("Mounts".into(), mounts.join(",").into());
        map.insert("Networks".into(), network_name(&spec.network.mode).into());
        map.insert("LocalVolumes".into(), volumes.to_string().into());
    }
    row
}

/// The name of its image in full, as podman shows it.
fn image(c: &Container) -> &str {
    let names = [&c.config.image_ref, &c.config.image, &c.config.image_id];
    names.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
}

/// Seconds since 1970; for what has not happened Go's zero time, as podman has it.
fn seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(-62_135_596_800, |t| t.as_second())
}

/// The container as podman's `--format json` has it, which scripts take apart: lists are lists, times seconds.
pub fn podman(cx: &Cx, c: &Container, need: &Need) -> Value {
    let spec: Spec = containers::load_spec(&cx.engine.paths, &c.id).unwrap_or_default();
    let user = |m: &&crate::spec::model::Mount| matches!(m.kind, MountKind::Volume { .. } | MountKind::Bind { .. });
    let mounts: Vec<&str> = spec.mounts.iter().filter(user).map(|m| m.destination.as_str()).collect();
    let port = |p: &PortMapping| {
        json!({"host_ip": p.host_ip, "container_port": p.container_port, "host_port": p.host_port, "range": 1,
            "protocol": p.protocol})
    };
    let ports: Vec<Value> = c.state.network.ports.iter().map(port).collect();
    let networks = Some(network_name(&spec.network.mode)).filter(|n| !["none", "host"].contains(&n.as_str()));
    let labels = &c.config.labels;
    json!({
        "AutoRemove": c.config.auto_remove,
        "Command": c.config.command,
        "CreatedAt": human::ago_text(&c.config.created),
        "Exited": c.state.status == Status::Exited,
        "ExitedAt": seconds(&c.state.finished),
        "ExitCode": c.state.exit_code,
        "Id": c.id,
        "Image": image(c),
        "ImageID": c.config.image_id,
        "IsInfra": false,
        "Labels": if labels.is_empty() { Value::Null } else { json!(labels) },
        "Mounts": mounts,
        "Names": [c.name],
        "Namespaces": {},
        "Networks": networks.into_iter().collect::<Vec<_>>(),
        "Pid": c.state.pid,
        "Pod": "",
        "PodName": "",
        "Ports": if ports.is_empty() { Value::Null } else { json!(ports) },
        "Restarts": c.state.restarts,
        "Size": need.sizes.get(&c.id).map(|bytes| json!({"rwSize": bytes})),
        "StartedAt": seconds(&c.state.started),
        "State": state(c),
        "Status": status(c),
        "Created": seconds(&c.config.created),
    })
}

/// One word: docker's State.
pub fn state(c: &Container) -> &'static str {
    match c.state.status {
        _ if c.damaged.is_some() => "dead",
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Stopping => "stopping",
        Status::Exited => "exited",
    }
}

/// In words: `Up 2 hours`, `Exited (0) 3 minutes ago`.
pub fn status(c: &Container) -> String {
    let up = || format!("Up {}", human::since_text(&c.state.started));
    match c.state.status {
        _ if c.damaged.is_some() => "Dead (its records are damaged; remove it)".into(),
        Status::Created => "Created".into(),
        Status::Running => up(),
        Status::Paused => format!("{} (Paused)", up()),
        Status::Stopping => format!("{} (Stopping)", up()),
        Status::Restarting => {
            format!("Restarting ({}) {}", c.state.exit_code, human::ago_text(&c.state.finished))
        }
        Status::Exited if c.state.finished.is_empty() => format!("Exited ({})", c.state.exit_code),
        Status::Exited => format!("Exited ({}) {}", c.state.exit_code, human::ago_text(&c.state.finished)),
    }
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp`, then exposed ports that are not published.
fn ports(published: &[PortMapping], exposed: &[String], active: bool) -> String {
    let mut texts = Vec::new();
    for p in published {
        let hosts: &[&str] = if p.host_ip.is_empty() { &["0.0.0.0", "::"] } else { &[p.host_ip.as_str()] };
        for host in hosts {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
            texts.push(format!("{host}:{}->{}/{}", p.host_port, p.container_port, p.protocol));
        }
    }
    for port in exposed.iter().filter(|_| active) {
        let text = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
        if !published.iter().any(|p| format!("{}/{}", p.container_port, p.protocol) == text) {
            texts.push(text);
        }
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_ports_as_docker_does() {
        let web = PortMapping { host_ip: String::new(), host_port: 8080, container_port: 80, protocol: "tcp".into() };
        let dns =
            PortMapping { host_ip: "127.0.0.1".into(), host_port: 53, container_port: 53, protocol: "udp".into() };
        let six = PortMapping { host_ip: "::1".into(), ..web.clone() };
        let exposed = ["80/tcp".to_string(), "443".to_string()];
        assert_eq!(
            ports(&[web, dns], &exposed, true),
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:53->53/udp, 443/tcp"
        );
        assert_eq!(ports(&[six], &[], true), "[::1]:8080->80/tcp");
        assert_eq!(ports(&[], &exposed, false), "");
    }
}
