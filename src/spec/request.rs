//! What `run` and `create` were asked for: the flags as plain data, still in the words of the user.
//!
//! The command line fills it (it alone may read the environment and files); [`super::build`] gives it meaning.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every flag of `run` and `create` that shapes the container. Lists keep the order of the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRequest {
    /// Image name, id or digest; with `rootfs` a directory.
    pub image: String,
    /// `--rootfs`: `image` is a directory, used in place.
    pub rootfs: bool,
    /// The words after the image.
    pub command: Vec<String>,
    pub name: Option<String>,
    /// `--replace`: an existing container of that name goes first.
    pub replace: bool,
    /// Docker's habits where docker and podman differ (default capabilities, missing bind sources are made).
    pub docker: bool,
    /// Absolute working directory of the caller: base of relative bind sources.
    pub cwd: String,
    /// The whole command line, for `inspect`.
    pub create_command: Vec<String>,

    pub interactive: bool,
    pub tty: bool,
    pub detach: bool,
    pub rm: bool,
    pub init: bool,
    pub read_only: bool,
    /// `--read-only-tmpfs=false` switches the writable /run, /tmp and /var/tmp of a read-only container off.
    pub read_only_tmpfs: Option<bool>,
    pub privileged: bool,
    pub publish_all: bool,
    pub no_hosts: bool,

    /// `KEY=value`, with env files and host variables already put in.
    pub env: Vec<String>,
    /// Variables of the image to leave out; `unset_env_all` leaves out all of them.
    pub unset_env: Vec<String>,
    pub unset_env_all: bool,
    /// `None` keeps the image's; `Some("")` clears it (and the image's CMD).
    pub entrypoint: Option<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub group_add: Vec<String>,
    pub umask: Option<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// `key=value` or `key`, label files already read.
    pub labels: Vec<String>,
    pub annotations: Vec<String>,

    pub volumes: Vec<String>,
    pub mounts: Vec<String>,
    pub tmpfs: Vec<String>,
    pub volumes_from: Vec<String>,
    /// What to do with VOLUMEs of the image: `anonymous` (default), `tmpfs`, `ignore`.
    pub image_volume: Option<String>,
    pub devices: Vec<String>,
    pub shm_size: Option<String>,

    /// `--network`, several only where a later version connects several.
    pub network: Vec<String>,
    pub network_alias: Vec<String>,
    pub publish: Vec<String>,
    pub expose: Vec<String>,
    pub add_host: Vec<String>,
    pub dns: Vec<String>,
    pub dns_option: Vec<String>,
    pub dns_search: Vec<String>,
    pub mac_address: Option<String>,
    pub ip: Option<String>,
    pub ip6: Option<String>,

    pub pid: Option<String>,
    pub ipc: Option<String>,
    pub uts: Option<String>,
    pub userns: Option<String>,
    pub cgroupns: Option<String>,

    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
    /// The text of the profile named by `seccomp=FILE`, read by the command line.
    pub seccomp_profile: Option<String>,
    pub sysctl: Vec<String>,
    pub ulimit: Vec<String>,

    pub memory: Option<String>,
    pub memory_swap: Option<String>,
    pub memory_reservation: Option<String>,
    pub cpus: Option<String>,
    pub cpu_shares: Option<u64>,
    pub cpu_quota: Option<i64>,
    pub cpu_period: Option<u64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub pids_limit: Option<i64>,
    pub oom_score_adj: Option<i32>,

    pub stop_signal: Option<String>,
    pub stop_timeout: Option<u32>,
    pub restart: Option<String>,
    pub log_driver: Option<String>,
    pub log_opt: Vec<String>,
    pub detach_keys: Option<String>,
    /// Absolute paths.
    pub cidfile: Option<String>,
    pub pidfile: Option<String>,
}

/// What `build` needs to know of the image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageInfo {
    /// Fully qualified name (`docker.io/library/debian:latest`), or empty.
    pub reference: String,
    /// Hex of the config digest.
    pub id: String,
    /// Chain ids (hex), lowest layer first.
    pub layers: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub user: String,
    pub working_dir: String,
    pub volumes: Vec<String>,
    /// `80/tcp`.
    pub exposed_ports: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: String,
}

/// Facts of this host and store that `build` may not look up itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// The new container's id, 64 hex digits.
    pub id: String,
    /// RFC 3339, nanoseconds, UTC.
    pub now: String,
    /// The container's name, when known before its creation.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// The host's own name.
    pub hostname: String,
    /// The hostname of the container whose network is joined.
    pub joined_hostname: Option<String>,
    /// Full ids of the containers that `RunRequest::container_refs` names.
    pub containers: BTreeMap<String, String>,
    /// Mounts of the `--volumes-from` containers, in the order of the flags.
    pub volumes_from: Vec<Vec<super::model::Mount>>,
    /// Images that mounts name, by the name in the flag.
    pub images: BTreeMap<String, ImageInfo>,
    /// What the patterns of `--mount type=glob` match, sorted.
    pub globs: BTreeMap<String, Vec<String>>,
}
