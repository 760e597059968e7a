//! Flags + image config → config and spec.

use super::command::{Command, command};
use super::env::Env;
use super::model::{Etc, Mount, MountKind, NetMode, Network, Ns, Process, Root, Spec, UserNs};
use super::request::{Host, ImageInfo, RunRequest};
use super::storage::{Source, storage};
use super::volumes::NewVolume;
use super::{caps, devices, hosts, limits, namespaces, policy, ports, security, signal, units, volumes};
use crate::error::{Error, Result};
use crate::state::container::{Config, PortMapping, Restart, SCHEMA};

/// /dev/shm unless asked otherwise (docker's and podman's default).
const SHM_SIZE: u64 = 64 << 20;
/// Seconds between the stop signal and SIGKILL.
const STOP_TIMEOUT: u32 = 10;
/// PATH where neither the image nor a flag sets one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    pub config: Config,
    pub spec: Spec,
    /// Named volumes to make where they are missing (`Config::anonymous_volumes` has the others).
    pub volumes: Vec<NewVolume>,
    /// Settings of anonymous volumes that have any.
    pub anonymous: Vec<NewVolume>,
    /// Bind sources that have to exist on the host.
    pub sources: Vec<Source>,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
}

/// Gives the request its meaning. Pure: the same input gives the same container.
///
/// # Errors
/// `Kind::User` with one line that names the flag and the value that is wrong.
pub fn build(request: &RunRequest, image: &ImageInfo, host: &Host) -> Result<Built> {
    check_conflicts(request)?;
    let mut warnings = Vec::new();
    let command = command(request, image)?;
    let spaces = Spaces::read(request, host)?;
    let security = security::parse(request)?;
    warnings.extend(security.warnings.iter().cloned());
    if let Some(score) = request.oom_score_adj.filter(|n| *n < 0) {
        // Lowering it takes CAP_SYS_RESOURCE of the host (proc_pid_oom_score_adj(5)).
        warnings.push(format!("--oom-score-adj={score} has no effect: only the host's root can lower it"));
    }
    let caps = caps::merge(&request.cap_add, &request.cap_drop, request.privileged, request.docker)?;
    let storage = storage(request, image, host)?;
    let hostname = namespaces::hostname(request, &spaces.uts, &spaces.network, host)?;
    let exposed = exposed(request, image)?;
    let ports = published(request, &spaces.network, &exposed, &mut warnings)?;
    let etc = match (&spaces.network, hosts::etc(request, &host.name)?) {
        // The files are those of the container whose network it is.
        (NetMode::Container(_), etc) if etc.dns.is_empty() && etc.add_hosts.is_empty() => etc,
        (NetMode::Container(_), _) => {
            return Err(Error::user(
                "combine --dns or --add-host with --network=container:…: that container has the files",
            ));
        }
        (_, etc) => etc,
    };
    let process = process(request, image, &command, &hostname, &spaces.user, host, caps, security.no_new_privileges)?;
    let spec = Spec {
        version: SCHEMA,
        id: host.id.clone(),
        hostname,
        domainname: request.domainname.clone().unwrap_or_default(),
        root: Root {
            layers: image.layers.clone(),
            rootfs: request.rootfs.then(|| volumes::host_path(&request.image, &request.cwd)),
            readonly: request.read_only,
            volatile: request.rm,
        },
        process,
        mounts: storage.mounts,
        devices: request.devices.iter().map(|d| devices::parse(d)).collect::<Result<_>>()?,
        masked_paths: security.masked,
        readonly_paths: security.readonly,
        sysctl: security::sysctls(&request.sysctl, &spaces.ipc, &spaces.uts, &spaces.network)?,
        seccomp: security.seccomp,
        shm_size: shm_size(request, &spaces.ipc)?,
        init: request.init,
        privileged: request.privileged,
        resources: limits::resources(request)?,
        network: Network {
            mode: spaces.network,
            ports,
            mac: request.mac_address.as_deref().map(namespaces::mac).transpose()?,
        },
        etc: Etc { ..etc },
        annotations: policy::key_values(&request.annotations, "annotation")?,
        pid: spaces.pid,
        ipc: spaces.ipc,
        uts: spaces.uts,
        cgroupns: spaces.cgroup,
        userns: spaces.user,
        pretend_owners: false,
    };
    let names = storage.anonymous.iter().map(|v| v.name.clone()).collect();
    let mut config = config(request, image, host, &command, exposed, names)?;
    config.mounted_images = spec.mounts.iter().filter_map(mounted_image).collect();
    Ok(Built { config, spec, volumes: storage.named, anonymous: storage.anonymous, sources: storage.sources, warnings })
}

/// Flags that contradict each other.
fn check_conflicts(request: &RunRequest) -> Result<()> {
    let restart = request.restart.as_deref().map_or(Ok(Restart::No), policy::parse_restart)?;
    if request.rm && !matches!(restart, Restart::No) {
        return Err(Error::user("combine --rm with --restart: the container would be gone before its restart"));
    }
    if let Some(name) = &request.name
        && !volumes::valid_name(name)
    {
        return Err(Error::user(format!("read --name '{name}'"))
            .hint("a name starts with a letter or digit and has up to 255 letters, digits, '_', '.' and '-'"));
    }
    if request.replace && request.name.is_none() {
        return Err(Error::user("use --replace without --name: there is nothing to replace"));
    }
    if request.oom_score_adj.is_some_and(|n| !(-1000..=1000).contains(&n)) {
        return Err(Error::user("set --oom-score-adj outside -1000 to 1000"));
    }
    Ok(())
}

/// The namespaces of a request.
struct Spaces {
    pid: Ns,
    ipc: Ns,
    uts: Ns,
    cgroup: Ns,
    user: UserNs,
    network: NetMode,
}

impl Spaces {
    fn read(request: &RunRequest, host: &Host) -> Result<Spaces> {
        let ids = &host.containers;
        let mut spaces = Spaces {
            pid: namespaces::parse_ns("pid", request.pid.as_deref(), ids)?,
            ipc: namespaces::parse_ns("ipc", request.ipc.as_deref(), ids)?,
            uts: namespaces::parse_ns("uts", request.uts.as_deref(), ids)?,
            cgroup: namespaces::parse_ns("cgroupns", request.cgroupns.as_deref(), ids)?,
            user: namespaces::parse_userns(request.userns.as_deref(), ids)?,
            network: namespaces::parse_network(&request.network, ids)?,
        };
        namespaces::finish_endpoints(&mut spaces.network, request)?;
        // Members live in the user namespace of the networks' holder, which has the usual ids, or in one within it.
        if matches!(spaces.network, NetMode::Networks(_))
            && !matches!(spaces.user, UserNs::Private | UserNs::Host | UserNs::KeepId { .. })
        {
            return Err(Error::unsupported("combine --userns with a user-defined network: not supported")
                .hint("keep-id can be combined"));
        }
        if spaces.pid != Ns::Private && request.init {
            return Err(Error::user("combine --init with a pid namespace that is not the container's own"));
        }
        if request.domainname.is_some() && spaces.uts != Ns::Private {
            return Err(Error::user("set --domainname in a UTS namespace that is not the container's own"));
        }
        Ok(spaces)
    }
}

fn exposed(request: &RunRequest, image: &ImageInfo) -> Result<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    for text in image.exposed_ports.iter().chain(&request.expose) {
        for word in ports::parse_expose(text)? {
            if !out.contains(&word) {
                out.push(word);
            }
        }
    }
    Ok(out)
}

fn published(
    request: &RunRequest,
    network: &NetMode,
    exposed: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<PortMapping>> {
    let ports = ports::collect(&request.publish, request.publish_all, exposed)?;
    match network {
        _ if ports.is_empty() => Ok(ports),
        NetMode::Default | NetMode::Slirp4netns(_) | NetMode::Pasta(_) | NetMode::Networks(_) => Ok(ports),
        NetMode::Host => {
            warnings
                .push("published ports have no effect with --network=host: the container has the host's ports".into());
            Ok(Vec::new())
        }
        NetMode::None => {
            warnings.push("published ports have no effect with --network=none".into());
            Ok(Vec::new())
        }
        NetMode::Container(_) | NetMode::Path(_) => Err(Error::user(
            "combine -p or -P with a network namespace that is not the container's own: publish where it was made",
        )),
    }
}

fn shm_size(request: &RunRequest, ipc: &Ns) -> Result<u64> {
    match &request.shm_size {
        None => Ok(SHM_SIZE),
        Some(_) if *ipc != Ns::Private => {
            Err(Error::user("set --shm-size in an ipc namespace that is not the container's own"))
        }
        Some(text) => match units::parse_size(text).map_err(|e| e.context("read --shm-size"))? {
            0 => Err(Error::user("set --shm-size to 0")),
            bytes => Ok(bytes),
        },
    }
}

#[allow(clippy::too_many_arguments)]
fn process(
    request: &RunRequest,
    image: &ImageInfo,
    command: &Command,
    hostname: &str,
    userns: &UserNs,
    host: &Host,
    caps: caps::Caps,
    no_new_privileges: bool,
) -> Result<Process> {
    let mut env = Env::default();
    env.set("PATH", PATH);
    if request.tty {
        env.set("TERM", "xterm");
    }
    if !request.docker {
        // systemd and scripts look for it (systemd's CONTAINER_INTERFACE).
        env.set("container", "coracle");
    }
    if !hostname.is_empty() {
        env.set("HOSTNAME", hostname);
    }
    if !request.unset_env_all {
        env.apply(&image.env, false);
    }
    for key in &request.unset_env {
        env.remove(key);
    }
    env.apply(&request.env, request.docker);
    let cwd = match request.workdir.as_deref() {
        Some(dir) if !dir.starts_with('/') => {
            return Err(Error::user(format!("read --workdir '{dir}': it is not absolute")));
        }
        Some(dir) => volumes::clean(dir),
        None if image.working_dir.is_empty() => "/".into(),
        None => volumes::clean(&image.working_dir),
    };
    let user = match (&request.user, userns) {
        (Some(user), _) => user.clone(),
        // Who keeps his id wants to be himself.
        (None, UserNs::KeepId { uid, gid }) => {
            format!("{}:{}", uid.unwrap_or(host.uid), gid.unwrap_or(host.gid))
        }
        (None, _) => image.user.clone(),
    };
    if user.matches(':').count() > 1 || user.contains(char::is_whitespace) {
        return Err(Error::user(format!("read --user '{user}': write USER[:GROUP]")));
    }
    let umask = match request.umask.as_deref() {
        None => None,
        Some(text) => match u32::from_str_radix(text, 8) {
            Ok(mask) if mask <= 0o777 => Some(mask),
            _ => return Err(Error::user(format!("read --umask '{text}': write an octal mask like 0022"))),
        },
    };
    Ok(Process {
        args: command.args(),
        env: env.into_words(),
        cwd,
        user,
        groups: request.group_add.clone(),
        tty: request.tty,
        capabilities: caps.all,
        ambient: caps.asked,
        no_new_privileges,
        rlimits: limits::ulimits(&request.ulimit)?,
        umask,
        oom_score_adj: request.oom_score_adj,
    })
}

fn mounted_image(mount: &Mount) -> Option<String> {
    match &mount.kind {
        MountKind::Image { id, .. } => Some(id.clone()),
        _ => None,
    }
}

fn config(
    request: &RunRequest,
    image: &ImageInfo,
    host: &Host,
    command: &Command,
    exposed_ports: Vec<String>,
    anonymous_volumes: Vec<String>,
) -> Result<Config> {
    let mut labels = image.labels.clone();
    labels.extend(policy::key_values(&request.labels, "label")?);
    let stop_signal = match request.stop_signal.as_deref() {
        Some(text) => signal::parse(text).map_err(|e| e.context("read --stop-signal"))?,
        // A bad STOPSIGNAL of an image must not make it unusable.
        None => signal::parse(&image.stop_signal).unwrap_or(15),
    };
    Ok(Config {
        version: SCHEMA,
        id: host.id.clone(),
        created: host.now.clone(),
        image: request.image.clone(),
        image_ref: image.reference.clone(),
        image_id: image.id.clone(),
        command: command.args(),
        entrypoint: command.entrypoint.clone(),
        cmd: command.cmd.clone(),
        labels,
        annotations: policy::key_values(&request.annotations, "annotation")?,
        tty: request.tty,
        stdin_open: request.interactive,
        detached: request.detach,
        auto_remove: request.rm,
        restart: request.restart.as_deref().map_or(Ok(Restart::No), policy::parse_restart)?,
        log: policy::parse_log(request.log_driver.as_deref(), &request.log_opt)?,
        stop_signal,
        stop_timeout: request.stop_timeout.unwrap_or(STOP_TIMEOUT),
        detach_keys: request.detach_keys.clone(),
        init: request.init,
        pidfile: request.pidfile.clone(),
        cidfile: request.cidfile.clone(),
        anonymous_volumes,
        mounted_images: Vec::new(),
        exposed_ports,
        publish_all: request.publish_all,
        volumes_from: request.volumes_from.clone(),
        create_command: request.create_command.clone(),
    })
}
