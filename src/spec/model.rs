//! The runtime spec: everything needed to start a container, as intent.
//!
//! Written once as `spec.json`; host facts (layer paths, device nodes, id ranges, resolv.conf) are resolved at each
//! start by `runtime::plan`.

use crate::state::container::PortMapping;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    pub version: u32,
    pub id: String,
    /// Empty with a host UTS namespace.
    pub hostname: String,
    pub domainname: String,
    pub pid: Ns,
    pub ipc: Ns,
    pub uts: Ns,
    pub cgroupns: Ns,
    pub userns: UserNs,
    pub root: Root,
    pub process: Process,
    /// In mount order. The runtime adds /proc, /sys, /dev, devpts, mqueue, /dev/shm, cgroup by itself, unless a mount
    /// here has the same destination.
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    /// Absolute paths inside the container.
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
    pub sysctl: BTreeMap<String, String>,
    pub seccomp: Seccomp,
    /// Bytes of /dev/shm.
    pub shm_size: u64,
    /// --init: our reaper stays PID 1.
    pub init: bool,
    pub privileged: bool,
    pub resources: Resources,
    pub network: Network,
    pub etc: Etc,
    pub annotations: BTreeMap<String, String>,
    /// Where there is one id only: changes of owners and ids report success and do nothing.
    pub pretend_owners: bool,
}

/// Where a namespace comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ns {
    #[default]
    Private,
    Host,
    /// Full id of another container; resolved to its PID 1 at start.
    Container(String),
    /// A namespace file (`ns:/proc/1/ns/net`).
    Path(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserNs {
    /// All ids the user has: 0 is the user, 1.. the subordinate ranges.
    #[default]
    Private,
    /// Same map as Private (rootless `--userns host` means "no further namespace").
    Host,
    /// The user's own id inside is `uid`/`gid` (default: the same as outside).
    KeepId {
        uid: Option<u32>,
        gid: Option<u32>,
    },
    Container(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Chain ids (hex) of the image's layers, lowest first; resolved through the layer store at start.
    pub layers: Vec<String>,
    /// --rootfs DIR instead of layers: used in place.
    pub rootfs: Option<String>,
    pub readonly: bool,
    /// Overlay without syncs: --rm containers and scratch.
    pub volatile: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Full argv; argv[0] is looked up in PATH inside the container.
    pub args: Vec<String>,
    /// `KEY=value`, in order.
    pub env: Vec<String>,
    pub cwd: String,
    /// `user[:group]` as given (names or numbers); resolved from the container's passwd at start. Empty = 0:0.
    pub user: String,
    /// --group-add names or numbers; `keep-groups` keeps the caller's.
    pub groups: Vec<String>,
    pub tty: bool,
    /// Names without `CAP_`, upper case: bounding (and permitted/effective for uid 0) set.
    pub capabilities: Vec<String>,
    /// Those of them that a user who is not root gets too, as ambient capabilities (asked for by --cap-add).
    pub ambient: Vec<String>,
    pub no_new_privileges: bool,
    pub rlimits: Vec<Rlimit>,
    pub umask: Option<u32>,
    pub oom_score_adj: Option<i32>,
}

/// `u64::MAX` = unlimited. Clamped to the caller's hard limit at start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Lower case without `RLIMIT_`: `nofile`.
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// Absolute path in the container.
    pub destination: String,
    pub readonly: bool,
    /// Further kernel options: `nosuid`, `noexec`, `nodev`, `size=64m`, `mode=1777`.
    pub options: Vec<String>,
    /// `private rprivate shared rshared slave rslave unbindable` or empty = rprivate.
    pub propagation: String,
    /// Bind recursively (rbind): docker's default.
    pub recursive: bool,
    /// `U`: chown the source to the container's user first.
    pub chown: bool,
    /// `O`: what is written goes to a directory of its own, the source stays as it is.
    #[serde(default)]
    pub overlay: Option<Overlay>,
}

/// What a named volume is at this start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAt {
    /// Its directory; `None`: it is in memory.
    pub dir: Option<PathBuf>,
    /// The directory is the engine's, not one of the user's that the volume stands for.
    pub own: bool,
    /// Mount options that the volume brings.
    pub options: Vec<String>,
}

impl From<PathBuf> for VolumeAt {
    /// The engine's own directory.
    fn from(dir: PathBuf) -> VolumeAt {
        VolumeAt { dir: Some(dir), own: true, options: Vec::new() }
    }
}

/// Where an overlay keeps what is written: in the container, until it starts the next time, or in these directories of
/// the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    pub upper: Option<String>,
    pub work: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// Host path, absolute.
    Bind { source: String },
    /// Named volume; `copy_up` fills it from the image at first use; `subpath` below `_data`.
    Volume { name: String, copy_up: bool, subpath: String },
    #[default]
    Tmpfs,
    /// The root file system of an image, or `subpath` in it.
    Image {
        /// As the user named it.
        reference: String,
        /// Hex of its config digest.
        id: String,
        /// Chain ids (hex), lowest layer first.
        layers: Vec<String>,
        subpath: String,
    },
    /// Anything else the runtime mounts by type (`proc`, `sysfs`, `mqueue`, `cgroup`).
    Special { fstype: String },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Host path; bound in place, since mknod of real devices is refused in user namespaces.
    pub source: String,
    pub destination: String,
    /// `rwm` subset.
    pub permissions: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// Docker's default profile, compiled for the container's capabilities.
    #[default]
    Default,
    Unconfined,
    /// The text of a profile in Docker's JSON format.
    Profile(String),
}

/// `None` = no limit asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory+swap as docker counts; `-1` = unlimited.
    pub memory_swap: Option<i64>,
    pub memory_reservation: Option<u64>,
    /// cpu.max quota and period in microseconds.
    pub cpu_quota: Option<i64>,
    pub cpu_period: Option<u64>,
    /// Docker's 2..262144 shares.
    pub cpu_shares: Option<u64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// -1 = unlimited.
    pub pids: Option<i64>,
    /// `pids` is our default, not the user's wish: it is dropped silently where it can't be applied.
    pub pids_default: bool,
    /// Asked for by the user rather than a default: a limit that can't be applied then warns.
    pub explicit: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub mode: NetMode,
    pub ports: Vec<PortMapping>,
    pub mac: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetMode {
    /// Own interface and way out: slirp4netns, else pasta, else none with a note.
    #[default]
    Default,
    /// Own namespace with loopback only.
    None,
    Host,
    /// With user options (`key=value`).
    Slirp4netns(Vec<String>),
    Pasta(Vec<String>),
    /// Full id.
    Container(String),
    Path(String),
    /// User-defined networks, in the order of the interfaces (`eth0`, `eth1`, …).
    Networks(Vec<Endpoint>),
}

/// How a container takes part in a user-defined network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Name of the network.
    pub network: String,
    /// Addresses asked for.
    pub ips: Vec<IpAddr>,
    pub mac: Option<String>,
    /// Further names in this network.
    pub aliases: Vec<String>,
    /// Name of the interface inside, instead of the next `ethN`.
    pub interface: Option<String>,
}

/// /etc files that we generate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Etc {
    /// --add-host `name` → address or `host-gateway`.
    pub add_hosts: Vec<(String, String)>,
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// --no-hosts.
    pub no_hosts: bool,
    /// Names for the container's own address besides the hostname (container name, aliases).
    pub aliases: Vec<String>,
}

impl Spec {
    /// Chain ids of all layers that the container needs, those of images mounted in it included.
    pub fn all_layers(self) -> impl Iterator<Item = String> {
        let mounted = self.mounts.into_iter().filter_map(|mount| match mount.kind {
            MountKind::Image { layers, .. } => Some(layers),
            _ => None,
        });
        self.root.layers.into_iter().chain(mounted.flatten())
    }
}
