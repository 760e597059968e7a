//! `HostConfig`: the spec of a container in the words of docker's API.

use super::network;
use crate::engine::doc::{Doc, fields, or_null};
use crate::spec::caps;
use crate::spec::model::{Mount, MountKind, Ns, Resources, Seccomp, Spec, UserNs};
use crate::state::container::{Config, Restart};

pub(super) fn host_config(config: &Config, spec: &Spec, docker: bool) -> Doc {
    let (added, dropped) = changed_caps(&spec.process.capabilities, docker);
    let mut doc = fields! {
        "Binds" => or_null(&binds(&spec.mounts)),
        "ContainerIDFile" => config.cidfile.clone().unwrap_or_default(),
        "LogConfig" => log_config(config),
        "NetworkMode" => network::mode(&spec.network.mode),
        "PortBindings" => network::bindings(&spec.network.ports),
        "RestartPolicy" => restart_policy(&config.restart),
        "AutoRemove" => config.auto_remove,
        "VolumeDriver" => "",
        "VolumesFrom" => or_null(&config.volumes_from),
        "CapAdd" => added,
        "CapDrop" => dropped,
        "CgroupnsMode" => ns(&spec.cgroupns),
        "Dns" => &spec.etc.dns,
        "DnsOptions" => &spec.etc.dns_options,
        "DnsSearch" => &spec.etc.dns_search,
        "ExtraHosts" => spec.etc.add_hosts.iter().map(|(name, ip)| format!("{name}:{ip}")).collect::<Vec<_>>(),
        "GroupAdd" => &spec.process.groups,
        "IpcMode" => ns(&spec.ipc),
        "OomScoreAdj" => spec.process.oom_score_adj.unwrap_or(0),
        "PidMode" => ns(&spec.pid),
        "Privileged" => spec.privileged,
        "PublishAllPorts" => config.publish_all,
        "ReadonlyRootfs" => spec.root.readonly,
        "SecurityOpt" => security_options(spec),
        "Tmpfs" => tmpfs(&spec.mounts),
        "UTSMode" => ns(&spec.uts),
        "UsernsMode" => userns(&spec.userns),
        "ShmSize" => spec.shm_size,
        "Sysctls" => &spec.sysctl,
        "Runtime" => "coracle",
        "Init" => spec.init,
    };
    push_resources(&mut doc, &spec.resources);
    doc.push("Devices", spec.devices.iter().map(device).collect::<Vec<_>>());
    doc.push(
        "Ulimits",
        spec.process
            .rlimits
            .iter()
            .map(|l| fields! { "Name" => &l.name, "Hard" => signed(l.hard), "Soft" => signed(l.soft) })
            .collect::<Vec<_>>(),
    );
    doc.push("MaskedPaths", &spec.masked_paths);
    doc.push("ReadonlyPaths", &spec.readonly_paths);
    doc.push("Annotations", &spec.annotations);
    doc
}

fn push_resources(doc: &mut Doc, r: &Resources) {
    doc.push("Memory", r.memory.unwrap_or(0));
    doc.push("MemoryReservation", r.memory_reservation.unwrap_or(0));
    doc.push("MemorySwap", r.memory_swap.unwrap_or(0));
    doc.push("NanoCpus", nano_cpus(r));
    doc.push("CpuShares", r.cpu_shares.unwrap_or(0));
    doc.push("CpuPeriod", r.cpu_period.unwrap_or(0));
    doc.push("CpuQuota", r.cpu_quota.unwrap_or(0));
    doc.push("CpusetCpus", r.cpuset_cpus.clone().unwrap_or_default());
    doc.push("CpusetMems", r.cpuset_mems.clone().unwrap_or_default());
    doc.push("PidsLimit", r.pids.unwrap_or(0));
}

/// `--cpus` as docker counts it: billionths of a CPU.
fn nano_cpus(r: &Resources) -> i64 {
    match (r.cpu_quota, r.cpu_period.unwrap_or(100_000)) {
        (Some(quota), period) if quota > 0 && period > 0 => {
            (i128::from(quota) * 1_000_000_000 / i128::from(period)) as i64
        }
        _ => 0,
    }
}

/// Docker's API has -1 for no limit.
fn signed(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(-1)
}

fn changed_caps(have: &[String], docker: bool) -> (Vec<String>, Vec<String>) {
    let default = caps::merge(&[], &[], false, docker).map(|c| c.all).unwrap_or_default();
    let named = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|c| !other.contains(c)).map(|c| format!("CAP_{c}")).collect()
    };
    (named(have, &default), named(&default, have))
}

fn log_config(config: &Config) -> Doc {
    let mut options = fields! {};
    if config.log.max_size > 0 {
        options.push("max-size", config.log.max_size.to_string());
        options.push("max-file", config.log.max_file.to_string());
    }
    for (key, value) in [("path", &config.log.path), ("tag", &config.log.tag)] {
        if let Some(value) = value {
            options.push(key, value);
        }
    }
    fields! { "Type" => &config.log.driver, "Config" => options }
}

fn restart_policy(restart: &Restart) -> Doc {
    let (name, count) = match restart {
        Restart::No => ("no", 0),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
        Restart::OnFailure(count) => ("on-failure", count.unwrap_or(0)),
    };
    fields! { "Name" => name, "MaximumRetryCount" => count }
}

fn ns(ns: &Ns) -> String {
    match ns {
        Ns::Private => "private".into(),
        Ns::Host => "host".into(),
        Ns::Container(id) => format!("container:{id}"),
        Ns::Path(path) => format!("ns:{path}"),
    }
}

fn userns(ns: &UserNs) -> String {
    match ns {
        UserNs::Private => "private".into(),
        UserNs::Host => "host".into(),
        UserNs::KeepId { uid: None, gid: None } => "keep-id".into(),
        UserNs::KeepId { uid, gid } => {
            let part = |name: &str, id: &Option<u32>| id.map(|id| format!("{name}={id}"));
            let parts: Vec<String> = [part("uid", uid), part("gid", gid)].into_iter().flatten().collect();
            format!("keep-id:{}", parts.join(","))
        }
        UserNs::Container(id) => format!("container:{id}"),
    }
}

fn security_options(spec: &Spec) -> Vec<String> {
    let mut options = Vec::new();
    if spec.process.no_new_privileges {
        options.push("no-new-privileges".to_string());
    }
    match &spec.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".into()),
        Seccomp::Profile(text) => options.push(format!("seccomp={text}")),
    }
    options
}

fn binds(mounts: &[Mount]) -> Vec<String> {
    mounts
        .iter()
        .filter_map(|m| {
            let source = match &m.kind {
                MountKind::Bind { source } => source,
                MountKind::Volume { name, .. } => name,
                _ => return None,
            };
            let mode = if m.readonly { "ro" } else { "rw" };
            let propagation = if m.propagation.is_empty() { "rprivate" } else { &m.propagation };
            Some(format!(
                "{source}:{}:{mode},{propagation},{}",
                m.destination,
                if m.recursive { "rbind" } else { "bind" }
            ))
        })
        .collect()
}

fn tmpfs(mounts: &[Mount]) -> Doc {
    let fields = mounts
        .iter()
        .filter(|m| m.kind == MountKind::Tmpfs)
        .map(|m| (m.destination.clone().into(), Doc::from(m.options.join(","))));
    Doc::Map(fields.collect())
}

fn device(device: &crate::spec::model::Device) -> Doc {
    fields! {
        "PathOnHost" => &device.source,
        "PathInContainer" => &device.destination,
        "CgroupPermissions" => &device.permissions,
    }
}
