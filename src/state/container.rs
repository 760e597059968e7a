//! The records of one container: what was asked for (config) and what became of it (state).
//!
//! `config.json` is intent: host facts are resolved at each start, so yesterday's container starts after an upgrade.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const SCHEMA: u32 = 1;

/// What the user asked for; written once at create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub version: u32,
    /// --rm. So early in the record that what a power cut leaves of it still says so.
    pub auto_remove: bool,
    /// 64 hex digits.
    pub id: String,
    /// RFC 3339, nanoseconds, UTC.
    pub created: String,
    /// As the user named it (`debian`), fully qualified (`docker.io/library/debian:latest`), or empty with --rootfs.
    pub image: String,
    pub image_ref: String,
    /// Hex of the image's config digest (the "image id"), or empty with --rootfs.
    pub image_id: String,
    /// Full command as run, for `ps` and `inspect`.
    pub command: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub tty: bool,
    /// stdin stays open for attach (-i).
    pub stdin_open: bool,
    /// -d: nobody waits in the foreground.
    pub detached: bool,
    pub restart: Restart,
    pub log: LogConfig,
    /// Signal number; the image's STOPSIGNAL or SIGTERM.
    pub stop_signal: i32,
    /// Seconds until SIGKILL.
    pub stop_timeout: u32,
    /// Detach keys as the user wrote them ("ctrl-p,ctrl-q").
    pub detach_keys: Option<String>,
    pub init: bool,
    pub pidfile: Option<String>,
    pub cidfile: Option<String>,
    /// Names of anonymous volumes made for this container: removed by `rm -v` and --rm.
    pub anonymous_volumes: Vec<String>,
    /// Ids of the images that are mounted in it, beside its own.
    pub mounted_images: Vec<String>,
    pub exposed_ports: Vec<String>,
    /// -P.
    pub publish_all: bool,
    /// --volumes-from, as written.
    pub volumes_from: Vec<String>,
    /// The command line that made it, for `inspect`'s Config.CreateCommand.
    pub create_command: Vec<String>,
}

impl Config {
    /// Whether the image with this id is its own, or mounted in it.
    pub fn uses_image(&self, id: &str) -> bool {
        self.image_id == id || self.mounted_images.iter().any(|i| i == id)
    }

    /// Ids of its image and those mounted in it.
    pub fn all_images(self) -> impl Iterator<Item = String> {
        std::iter::once(self.image_id).chain(self.mounted_images)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// `None`: no limit of retries.
    OnFailure(Option<u32>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// `k8s-file` (our default; `json-file` is taken as a name for it), `none`, `passthrough`.
    pub driver: String,
    /// Rotation size in bytes; 0 = never.
    pub max_size: u64,
    /// Files of a rotated log, the live one among them (docker's `max-file`).
    pub max_file: u32,
    /// --log-opt path=.
    pub path: Option<String>,
    pub tag: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { driver: "k8s-file".into(), max_size: 0, max_file: 1, path: None, tag: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Stopping,
    Exited,
}

/// What became of it; replaced as a whole by rename.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub version: u32,
    pub status: Status,
    /// Host pid of the container's PID 1 and its start time in clock ticks since boot (proc(5) stat field 22).
    pub pid: i32,
    pub start_ticks: u64,
    /// /proc/sys/kernel/random/boot_id at the last start.
    pub boot_id: String,
    pub monitor_pid: i32,
    /// RFC 3339 or empty.
    pub started: String,
    pub finished: String,
    pub exit_code: i32,
    /// Signal that ended PID 1, or 0.
    pub signal: i32,
    pub oom_killed: bool,
    /// Why the last start failed or what repair did ("monitor lost").
    pub error: String,
    pub restarts: u32,
    /// Resolved at start: address inside, gateway, published ports with their real host ports.
    pub network: NetworkState,
    /// Cgroup directory of the container, or empty.
    pub cgroup: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkState {
    /// `slirp4netns`, `pasta`, `host`, `none`, `container:<id>`, `bridge` (user-defined networks).
    pub mode: String,
    pub ip: String,
    pub prefix: u8,
    pub ip6: String,
    pub prefix6: u8,
    pub gateway: String,
    /// The resolvers inside the container's network (separated by spaces), or empty.
    pub dns: String,
    pub mac: String,
    pub ports: Vec<PortMapping>,
    /// On user-defined networks: the place in each; the fields above are then those of the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<EndpointState>,
}

/// A place in a user-defined network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointState {
    /// Name and id of the network.
    pub network: String,
    pub id: String,
    /// Name of the interface inside.
    pub interface: String,
    pub ip: String,
    pub prefix: u8,
    pub gateway: String,
    pub ip6: String,
    pub prefix6: u8,
    pub gateway6: String,
    pub mac: String,
    pub aliases: Vec<String>,
    /// Address of the network's name service, or empty.
    pub dns: String,
    pub internal: bool,
}

/// One published port; ranges are expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Host address, empty = all of both families.
    pub host_ip: String,
    /// 0 = any free port (replaced at start).
    pub host_port: u16,
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}
