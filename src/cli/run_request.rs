//! Flags → request: reads the files and variables that flags name.

use super::containers_conf::{self, Networking};
use super::run_flags::ContainerFlags;
use super::{Cx, Personality, docker_config, host_environment};
use crate::error::{Context, Error, Result};
use crate::spec::request::RunRequest;
use crate::spec::{env, policy, security};
use std::path::Path;

/// Podman's list of what `--http-proxy` passes on.
const PROXIES: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// The request that the flags make; warnings are ready for stderr.
pub fn request(flags: &ContainerFlags, cx: &Cx, detach: bool) -> Result<(RunRequest, Vec<String>)> {
    let mut warnings = Vec::new();
    let cwd = std::env::current_dir().context("find the working directory")?;
    let cwd = cwd.to_str().ok_or_else(|| Error::user("use a working directory whose name is not UTF-8"))?.to_string();
    let docker = cx.personality == Personality::Docker;
    let (basic, process, storage) = (&flags.basic, &flags.process, &flags.storage);
    let (network, isolation, resources) = (&flags.network, &flags.isolation, &flags.resources);
    if basic.runtime.is_some() {
        warnings.push("--runtime has no effect: coracle is its own runtime".to_string());
    }
    let (image, command) = flags.words.split_first().ok_or_else(|| Error::user("name an image"))?;
    if image.is_empty() {
        return Err(Error::user("read the image name '': it is empty"));
    }
    let absolute =
        |path: &Option<String>| path.as_ref().map(|p| Path::new(&cwd).join(p).to_string_lossy().into_owned());
    let request = RunRequest {
        image: image.clone(),
        rootfs: basic.rootfs,
        command: command.to_vec(),
        name: given(&basic.name),
        replace: basic.replace,
        docker,
        create_command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
        interactive: basic.interactive,
        tty: basic.tty,
        detach,
        rm: basic.rm,
        init: process.init,
        read_only: storage.read_only,
        read_only_tmpfs: storage.read_only_tmpfs,
        privileged: isolation.privileged,
        publish_all: network.publish_all,
        no_hosts: network.no_hosts,
        env: environment(flags, cx)?,
        unset_env: process.unsetenv.clone(),
        unset_env_all: process.unsetenv_all,
        entrypoint: process.entrypoint.clone(),
        workdir: given(&process.workdir),
        user: process.user.clone(),
        group_add: process.group_add.clone(),
        umask: process.umask.clone(),
        hostname: given(&network.hostname),
        domainname: given(&network.domainname),
        labels: labels(flags)?,
        annotations: basic.annotation.clone(),
        volumes: storage.volume.clone(),
        mounts: storage.mount.clone(),
        tmpfs: storage.tmpfs.clone(),
        volumes_from: storage.volumes_from.clone(),
        image_volume: storage.image_volume.clone(),
        devices: storage.device.clone(),
        shm_size: given(&storage.shm_size),
        network: match docker {
            true => network.network.clone(),
            false => Networking::read(&containers_conf::files())?.apply(&network.network),
        },
        network_alias: network.network_alias.clone(),
        publish: network.publish.clone(),
        expose: network.expose.clone(),
        add_host: network.add_host.clone(),
        dns: network.dns.clone(),
        dns_option: network.dns_option.clone(),
        dns_search: network.dns_search.clone(),
        mac_address: given(&network.mac_address),
        ip: given(&network.ip),
        ip6: given(&network.ip6),
        pid: isolation.pid.clone(),
        ipc: isolation.ipc.clone(),
        uts: isolation.uts.clone(),
        userns: isolation.userns.clone(),
        cgroupns: isolation.cgroupns.clone(),
        cap_add: isolation.cap_add.clone(),
        cap_drop: isolation.cap_drop.clone(),
        security_opt: isolation.security_opt.clone(),
        seccomp_profile: profile(&isolation.security_opt, &cwd)?,
        sysctl: isolation.sysctl.clone(),
        ulimit: resources.ulimit.clone(),
        memory: given(&resources.memory),
        memory_swap: given(&resources.memory_swap),
        memory_reservation: given(&resources.memory_reservation),
        cpus: given(&resources.cpus),
        cpu_shares: resources.cpu_shares,
        cpu_quota: resources.cpu_quota,
        cpu_period: resources.cpu_period,
        cpuset_cpus: given(&resources.cpuset_cpus),
        cpuset_mems: given(&resources.cpuset_mems),
        pids_limit: resources.pids_limit,
        oom_score_adj: resources.oom_score_adj,
        stop_signal: given(&basic.stop_signal),
        stop_timeout: basic.stop_timeout,
        restart: basic.restart.clone(),
        log_driver: given(&basic.log_driver),
        log_opt: basic.log_opt.clone(),
        detach_keys: basic.detach_keys.clone(),
        cidfile: absolute(&given(&basic.cidfile)),
        pidfile: absolute(&given(&basic.pidfile)),
        cwd,
    };
    Ok((request, warnings))
}

/// What a script's unset variable leaves (`--name "$NAME"`) counts as not given.
fn given(value: &Option<String>) -> Option<String> {
    value.clone().filter(|text| !text.is_empty())
}

/// Later layers win: proxies, the host's environment, env files, `-e`.
fn environment(flags: &ContainerFlags, cx: &Cx) -> Result<Vec<String>> {
    let process = &flags.process;
    let mut words = Vec::new();
    // Docker takes proxies from its client configuration only, podman from the environment.
    let docker = cx.personality == Personality::Docker;
    words.extend(docker_config::load(cx).proxies().into_iter().map(|(key, value)| format!("{key}={value}")));
    if process.http_proxy.unwrap_or(!docker) {
        words.extend(PROXIES.iter().filter_map(|k| std::env::var(k).ok().map(|v| format!("{k}={v}"))));
    }
    if process.env_host {
        words.extend(host_environment().into_iter().map(|(k, v)| format!("{k}={v}")));
    }
    for file in &process.env_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("read env file {file}"))?;
        words.extend(env::expand(&env::parse_file(&text, file)?, &host_environment)?);
    }
    words.extend(env::expand(&process.env, &host_environment)?);
    if words.iter().any(|w| w.contains('\0')) {
        return Err(Error::user("pass a variable with a NUL byte in it"));
    }
    Ok(words)
}

fn labels(flags: &ContainerFlags) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for file in &flags.basic.label_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("read label file {file}"))?;
        words.extend(policy::parse_label_file(&text));
    }
    words.extend(flags.basic.label.iter().cloned());
    Ok(words)
}

/// The text of the seccomp profile that `--security-opt seccomp=FILE` names.
fn profile(options: &[String], cwd: &str) -> Result<Option<String>> {
    match security::seccomp_file(options) {
        None => Ok(None),
        Some(file) => std::fs::read_to_string(Path::new(cwd).join(file))
            .with_context(|| format!("read seccomp profile {file}"))
            .map(Some),
    }
}
