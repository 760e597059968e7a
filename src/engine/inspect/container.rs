//! `inspect` of a container.

use super::{Style, host_config, network};
use crate::engine::Ctx;
use crate::engine::doc::{Doc, fields, or_null, set};
use crate::error::Result;
use crate::image::Store;
use crate::net;
use crate::spec::model::{Mount, MountKind, Spec};
use crate::spec::signal;
use crate::state::container::{State, Status};
use crate::state::containers::{self, Container};
use crate::userns::IdMap;
use crate::volume;
use serde_json::Value;
use std::path::Path;

/// Docker's zero time, for what has not happened.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container as `docker inspect` shows it, with podman's further fields.
pub fn container(ctx: &Ctx, container: &Container, style: Style) -> Result<Doc> {
    container.sound()?;
    let spec: Spec = containers::load_spec(&ctx.paths, &container.id)?;
    let (config, state) = (&container.config, &container.state);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let etc_dir = net::shown_etc(&ctx.paths, &spec, &container.dir);
    let etc = |name: &str| text(&etc_dir.join(name));
    let args = spec.process.args.get(1..).unwrap_or_default();
    let mut doc = fields! {
        "Id" => &container.id,
        "Created" => &config.created,
        "Path" => spec.process.args.first().cloned().unwrap_or_default(),
        "Args" => args,
        "State" => state_doc(state),
        "Image" => match (style.docker, config.image_id.is_empty()) {
            (true, false) => format!("sha256:{}", config.image_id),
            _ => config.image_id.clone(),
        },
        "ImageName" => if config.image_ref.is_empty() { &config.image } else { &config.image_ref },
        "Rootfs" => spec.root.rootfs.clone().unwrap_or_default(),
        "ResolvConfPath" => etc("resolv.conf"),
        "HostnamePath" => etc("hostname"),
        "HostsPath" => etc("hosts"),
        "LogPath" => log_path(container),
        "Name" => if style.docker { format!("/{}", container.name) } else { container.name.clone() },
        "RestartCount" => state.restarts,
        "Driver" => "overlay",
        "Platform" => "linux",
        "MountLabel" => "",
        "ProcessLabel" => "",
        "AppArmorProfile" => "",
        "BoundingCaps" => spec.process.capabilities.iter().map(|c| format!("CAP_{c}")).collect::<Vec<_>>(),
        "ExecIDs" => None::<bool>,
        "HostConfig" => host_config::host_config(config, &spec, style.docker),
        "GraphDriver" => fields! {
            "Name" => "overlay",
            "Data" => fields! {
                "LowerDir" => lower_dirs(ctx, &spec),
                "UpperDir" => text(&container.dir.upper()),
                "WorkDir" => text(&container.dir.work()),
            },
        },
    };
    if style.size {
        let (own, all) = super::super::size::container(ctx, container)?;
        doc.push("SizeRw", own);
        doc.push("SizeRootFs", all);
    }
    doc.push("Mounts", mounts(ctx, &spec.mounts));
    doc.push("Config", config_doc(container, &spec));
    doc.push("NetworkSettings", network::settings(&spec.network, &state.network, config, style.docker, state.pid));
    Ok(doc)
}

/// The unpacked layers, top-most first; those that are not there (the cache can be made again) are left out.
fn lower_dirs(ctx: &Ctx, spec: &Spec) -> String {
    let found = IdMap::detect().and_then(|map| Store::open(&ctx.paths)?.layer_dirs(&spec.root.layers, &map));
    let dirs: Vec<String> = found.unwrap_or_default().iter().map(|dir| dir.display().to_string()).collect();
    dirs.join(":")
}

/// Docker's word for a status.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Stopping => "stopping",
        Status::Exited => "exited",
    }
}

fn state_doc(state: &State) -> Doc {
    let or_never = |time: &String| if time.is_empty() { NEVER.to_string() } else { time.clone() };
    fields! {
        "Status" => status(state.status),
        "Running" => matches!(state.status, Status::Running | Status::Paused | Status::Stopping),
        "Paused" => state.status == Status::Paused,
        "Restarting" => state.status == Status::Restarting,
        "OOMKilled" => state.oom_killed,
        "Dead" => false,
        "Pid" => state.pid,
        "ConmonPid" => state.monitor_pid,
        "ExitCode" => state.exit_code,
        "Error" => &state.error,
        "StartedAt" => or_never(&state.started),
        "FinishedAt" => or_never(&state.finished),
        "CgroupPath" => &state.cgroup,
        // Present and empty, so that `{{if .State.Health}}` is false and no template fails.
        "Health" => None::<bool>,
    }
}

fn config_doc(container: &Container, spec: &Spec) -> Doc {
    let config = &container.config;
    let anonymous = spec.mounts.iter().filter_map(|m| match &m.kind {
        MountKind::Volume { .. } => Some(m.destination.clone()),
        _ => None,
    });
    fields! {
        "Hostname" => &spec.hostname,
        "Domainname" => &spec.domainname,
        "User" => &spec.process.user,
        "AttachStdin" => config.stdin_open && !config.detached,
        "AttachStdout" => !config.detached,
        "AttachStderr" => !config.detached,
        "ExposedPorts" => set(config.exposed_ports.iter().cloned()),
        "Tty" => config.tty,
        "OpenStdin" => config.stdin_open,
        "StdinOnce" => config.stdin_open && !config.detached,
        "Env" => &spec.process.env,
        "Cmd" => or_null(&config.cmd),
        "Image" => &config.image,
        "Volumes" => set(anonymous),
        "WorkingDir" => &spec.process.cwd,
        "Entrypoint" => or_null(&config.entrypoint),
        "OnBuild" => None::<bool>,
        "Labels" => &config.labels,
        "Annotations" => &config.annotations,
        "StopSignal" => signal::name(config.stop_signal),
        "StopTimeout" => config.stop_timeout,
        "CreateCommand" => &config.create_command,
        "Healthcheck" => Doc::Value(Value::Null),
    }
}

/// The user's mounts; those that every container has are not listed.
fn mounts(ctx: &Ctx, mounts: &[Mount]) -> Vec<Doc> {
    let mut docs = Vec::new();
    for mount in mounts {
        let (kind, name, source) = match &mount.kind {
            MountKind::Bind { source } => ("bind", None, source.clone()),
            MountKind::Volume { name, subpath, .. } => {
                let data = volume::data_dir(&ctx.paths, name).join(subpath);
                ("volume", Some(name.clone()), data.to_string_lossy().trim_end_matches('/').to_string())
            }
            MountKind::Tmpfs => ("tmpfs", None, String::new()),
            MountKind::Image { reference, .. } => ("image", None, reference.clone()),
            MountKind::Special { .. } => continue,
        };
        let mut doc = fields! { "Type" => kind };
        if let Some(name) = &name {
            doc.push("Name", name);
        }
        doc.push("Source", source);
        doc.push("Destination", &mount.destination);
        if name.is_some() {
            doc.push("Driver", "local");
        }
        doc.push("Mode", "");
        doc.push("Options", &mount.options);
        doc.push("RW", !mount.readonly);
        let propagation = if mount.propagation.is_empty() { "rprivate" } else { &mount.propagation };
        doc.push("Propagation", if kind == "bind" { propagation } else { "" });
        docs.push(doc);
    }
    docs
}

fn log_path(container: &Container) -> String {
    match (container.config.log.driver.as_str(), &container.config.log.path) {
        ("none" | "passthrough", _) => String::new(),
        (_, Some(path)) => path.clone(),
        (_, None) => container.dir.log().display().to_string(),
    }
}
