//! Spec → steps: what PID 1 will do, decided before it exists. Pure, so that tests can read it.

use super::attrs::{self, Attrs};
use super::owned::Layers;
use crate::spec::model::{Device, Mount, MountKind, NetMode, Ns, Spec, VolumeAt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One thing to do, in the container's own mount namespace. Paths called `target` are inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The root: layers below a writable directory, mounted at `upper`.
    Overlay {
        layers: Layers,
        upper: PathBuf,
        work: PathBuf,
        volatile: bool,
    },
    /// The root is a directory of the host, in place.
    Rootfs {
        dir: PathBuf,
    },
    /// A fresh file system.
    Fresh {
        fstype: String,
        target: String,
        options: Vec<String>,
        attrs: Attrs,
        chown: bool,
        copy_up: bool,
        or: Or,
    },
    /// A directory or file of the host; `subpath` is resolved inside it (a volume's content is the container's).
    Bind {
        source: PathBuf,
        subpath: String,
        target: String,
        recursive: bool,
        attrs: Attrs,
        chown: bool,
        /// `source` is the `_data` of a volume, which an interrupted import may have left to be completed.
        volume: bool,
        copy_up: bool,
        /// An overlay over it.
        writes: Option<Writes>,
        or: Or,
    },
    /// An image's root file system, or `subpath` in it: read-only, or with what is written in a directory of its own.
    Image {
        layers: Layers,
        subpath: String,
        target: String,
        attrs: Attrs,
        writes: Option<Writes>,
        /// A directory of ours for the moment.
        place: PathBuf,
    },
    /// The /dev/shm of the container whose IPC namespace is joined, or a fresh one with these options.
    SharedMemory {
        options: Vec<String>,
    },
    /// The file `name` of /dev, from the host.
    Node {
        name: String,
    },
    Link {
        at: String,
        to: String,
    },
    /// The pty: master for the monitor, slave as /dev/console and standard streams.
    Terminal {
        window: Option<(u16, u16)>,
    },
    Names {
        hostname: Option<String>,
        domain: Option<String>,
    },
    Loopback,
    /// Unprivileged ICMP sockets for all mapped groups, where no sysctl was asked for.
    PingRange,
    Sysctl {
        name: String,
        value: String,
    },
    /// Nothing to be seen there.
    Mask {
        target: String,
    },
    ReadOnly {
        target: String,
    },
    /// The new root becomes /, the host's tree goes away.
    Pivot,
    ReadOnlyRoot,
}

/// Where an overlay keeps what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    pub upper: PathBuf,
    pub work: PathBuf,
    /// Both are emptied first: they are ours.
    pub fresh: bool,
}

/// What to do when the kernel refuses a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Or {
    Fail,
    /// The host's, read-only where the attributes say so.
    Host(PathBuf),
    /// Leave the place empty.
    Skip,
}

/// Facts of this start.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub layers: Layers,
    /// Of the images mounted in it, by destination.
    pub images: BTreeMap<String, Layers>,
    /// For what is written to overlays of mounts.
    pub scratch: PathBuf,
    pub upper: PathBuf,
    pub work: PathBuf,
    /// `hosts`, `hostname`, `resolv.conf` that exist.
    pub etc: Vec<PathBuf>,
    pub volumes: BTreeMap<String, VolumeAt>,
    pub window: Option<(u16, u16)>,
    /// Group 5 (tty of the usual distributions) is mapped.
    pub tty_group: bool,
    /// The network namespace is a new one, or one that belongs to the container's user namespace.
    pub own_network: bool,
    /// Device nodes of the host that the user may open, for --privileged.
    pub devices: Vec<PathBuf>,
}

/// Device nodes of every container (OCI runtime spec, "default devices").
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Puts the steps in order. Volumes that `facts` does not know become binds of nothing and fail with their name.
pub fn plan(spec: &Spec, facts: &Facts) -> Vec<Step> {
    let mut steps = vec![match &spec.root.rootfs {
        Some(dir) => Step::Rootfs { dir: dir.into() },
        None => Step::Overlay {
            layers: facts.layers.clone(),
            upper: facts.upper.clone(),
            work: facts.work.clone(),
            volatile: spec.root.volatile,
        },
    }];
    let user = |target: &str| spec.mounts.iter().any(|m| same(&m.destination, target));
    // Whoever mounts his own /dev (or /proc, /sys) gets what is in it.
    let hidden = |target: &str| spec.mounts.iter().any(|m| below(target, &m.destination));
    kernel_mounts(spec, facts, &hidden, &mut steps);
    if !user("/dev") {
        dev(spec, facts, &mut steps);
    }
    for (n, mount) in spec.mounts.iter().enumerate() {
        steps.push(asked(n, mount, facts));
    }
    for file in &facts.etc {
        let target = format!("/etc/{}", file.file_name().unwrap_or_default().to_string_lossy());
        if !user(&target) {
            steps.push(bind(file, &target));
        }
    }
    for device in &spec.devices {
        steps.push(node(device));
    }
    if spec.process.tty {
        steps.push(Step::Terminal { window: facts.window });
    }
    inside(spec, facts, &mut steps);
    steps.push(Step::Pivot);
    if spec.root.readonly {
        steps.push(Step::ReadOnlyRoot);
    }
    steps
}

/// /proc, /sys, the cgroup tree, and what belongs into /dev.
fn kernel_mounts(spec: &Spec, facts: &Facts, hidden: &dyn Fn(&str) -> bool, steps: &mut Vec<Step>) {
    let all = Attrs::NOSUID | Attrs::NODEV | Attrs::NOEXEC;
    let read_only = if spec.privileged { all } else { all | Attrs::RDONLY };
    let mut fresh = |fstype: &str, target: &str, options: &[&str], attrs: Attrs, or: Or| {
        if !hidden(target) {
            steps.push(Step::Fresh {
                fstype: fstype.into(),
                target: target.into(),
                options: options.iter().map(|o| o.to_string()).collect(),
                attrs,
                chown: false,
                copy_up: false,
                or,
            });
        }
    };
    // Refused in another's pid namespace, and where an outer container masks its own /proc.
    fresh("proc", "/proc", &[], all, Or::Host("/proc".into()));
    fresh("sysfs", "/sys", &[], read_only, Or::Host("/sys".into()));
    if spec.cgroupns == Ns::Private {
        fresh("cgroup2", "/sys/fs/cgroup", &[], read_only, Or::Skip);
    } else if facts.own_network {
        fresh("cgroup2", "/sys/fs/cgroup", &[], read_only, Or::Host("/sys/fs/cgroup".into()));
    }
    // As runc: writable, no set-id; devices work since they are binds of the host's nodes.
    fresh("tmpfs", "/dev", &["mode=755", "size=65536k"], Attrs::NOSUID | Attrs::NOEXEC | Attrs::STRICTATIME, Or::Fail);
    let mut pts = vec!["newinstance", "ptmxmode=0666", "mode=0620"];
    if facts.tty_group {
        pts.push("gid=5");
    }
    fresh("devpts", "/dev/pts", &pts, Attrs::NOSUID | Attrs::NOEXEC, Or::Fail);
    let shm = format!("size={}", spec.shm_size);
    match &spec.ipc {
        Ns::Private => {
            fresh("mqueue", "/dev/mqueue", &[], all, Or::Skip);
            let size = if spec.shm_size > 0 { shm.as_str() } else { "size=65536000" };
            fresh("tmpfs", "/dev/shm", &["mode=1777", size], all, Or::Fail);
        }
        // The host's queues and shared memory come with its IPC namespace.
        Ns::Host => {
            for place in ["/dev/mqueue", "/dev/shm"] {
                if !hidden(place) {
                    steps.push(as_bind(Path::new(place), place).with(all).optional());
                }
            }
        }
        Ns::Container(_) | Ns::Path(_) => {
            fresh("mqueue", "/dev/mqueue", &[], all, Or::Skip);
            if !hidden("/dev/shm") {
                steps.push(Step::SharedMemory { options: vec!["mode=1777".into(), shm] });
            }
        }
    }
}

fn dev(spec: &Spec, facts: &Facts, steps: &mut Vec<Step>) {
    let taken = |target: &str| spec.mounts.iter().any(|m| same(&m.destination, target));
    for name in NODES {
        if !taken(&format!("/dev/{name}")) {
            steps.push(Step::Node { name: name.into() });
        }
    }
    if spec.privileged {
        for device in &facts.devices {
            let target = device.to_string_lossy().into_owned();
            if !taken(&target) {
                steps.push(as_bind(device, &target).optional());
            }
        }
    }
    for (at, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/core", "/proc/kcore"),
        ("/dev/ptmx", "pts/ptmx"),
    ] {
        if !taken(at) {
            steps.push(Step::Link { at: at.into(), to: to.into() });
        }
    }
}

/// What is set from inside, once all file systems are there.
fn inside(spec: &Spec, facts: &Facts, steps: &mut Vec<Step>) {
    if spec.uts == Ns::Private {
        let name = |s: &String| (!s.is_empty()).then(|| s.clone());
        steps.push(Step::Names { hostname: name(&spec.hostname), domain: name(&spec.domainname) });
    }
    let fresh_net = !matches!(spec.network.mode, NetMode::Host | NetMode::Container(_) | NetMode::Path(_));
    if fresh_net && facts.own_network {
        steps.push(Step::Loopback);
        if !spec.sysctl.keys().any(|k| k == "net.ipv4.ping_group_range") {
            steps.push(Step::PingRange);
        }
    }
    for (name, value) in &spec.sysctl {
        steps.push(Step::Sysctl { name: name.clone(), value: value.clone() });
    }
    // Read-only first: a masked path below one of them stays masked.
    steps.extend(spec.readonly_paths.iter().map(|p| Step::ReadOnly { target: p.clone() }));
    steps.extend(spec.masked_paths.iter().map(|p| Step::Mask { target: p.clone() }));
}

/// The `n`th mount of the spec.
fn asked(n: usize, mount: &Mount, facts: &Facts) -> Step {
    let found = match &mount.kind {
        MountKind::Volume { name, .. } => facts.volumes.get(name).cloned(),
        _ => None,
    };
    let mut options = found.as_ref().map_or_else(Vec::new, |at| at.options.clone());
    options.extend(mount.options.iter().cloned());
    let (mut attrs, rest) = attrs::parse(&options);
    if mount.readonly {
        attrs = attrs | Attrs::RDONLY;
    }
    attrs.propagation = attrs::propagation(&mount.propagation);
    let target = mount.destination.clone();
    let writes = mount.overlay.as_ref().map(|overlay| match (&overlay.upper, &overlay.work) {
        (Some(upper), Some(work)) => Writes { upper: upper.into(), work: work.into(), fresh: false },
        _ => {
            let dir = facts.scratch.join(n.to_string());
            Writes { upper: dir.join("upper"), work: dir.join("work"), fresh: true }
        }
    });
    match &mount.kind {
        MountKind::Bind { source } => Step::Bind {
            source: source.into(),
            subpath: String::new(),
            target,
            recursive: mount.recursive,
            attrs,
            chown: mount.chown,
            volume: false,
            copy_up: false,
            writes,
            or: Or::Fail,
        },
        MountKind::Volume { name, copy_up, subpath } => {
            // Without a directory of its own the name says what is missing.
            let at = found.unwrap_or(VolumeAt { dir: Some(name.into()), ..VolumeAt::default() });
            let Some(source) = at.dir else {
                let copy = if *copy_up { ["tmpcopyup".to_string()].to_vec() } else { Vec::new() };
                return fresh(target, "tmpfs", attrs, [rest, copy].concat(), mount.chown);
            };
            Step::Bind {
                source,
                subpath: subpath.clone(),
                target,
                recursive: true,
                attrs,
                chown: mount.chown,
                volume: at.own,
                copy_up: *copy_up && subpath.is_empty(),
                writes,
                or: Or::Fail,
            }
        }
        MountKind::Image { subpath, .. } => Step::Image {
            layers: facts.images.get(&target).cloned().unwrap_or_default(),
            subpath: subpath.clone(),
            target,
            attrs,
            writes,
            place: facts.scratch.join(n.to_string()).join("image"),
        },
        MountKind::Tmpfs => fresh(target, "tmpfs", attrs, rest, mount.chown),
        MountKind::Special { fstype } => {
            fresh(target, if fstype == "cgroup" { "cgroup2" } else { fstype }, attrs, rest, mount.chown)
        }
    }
}

fn fresh(target: String, fstype: &str, attrs: Attrs, rest: Vec<String>, chown: bool) -> Step {
    let copy_up = rest.iter().any(|o| o == "tmpcopyup");
    let mut options: Vec<String> = rest.into_iter().filter(|o| o != "tmpcopyup" && o != "notmpcopyup").collect();
    // With what the image has there comes its mode, but for one that was asked for.
    if fstype == "tmpfs" && !copy_up && !options.iter().any(|o| o.starts_with("mode=")) {
        options.push("mode=1777".into());
    }
    Step::Fresh { fstype: fstype.into(), target, options, attrs, chown, copy_up, or: Or::Fail }
}

fn node(device: &Device) -> Step {
    let target = if device.destination.is_empty() { &device.source } else { &device.destination };
    let readonly = !device.permissions.is_empty() && !device.permissions.contains('w');
    let step = as_bind(Path::new(&device.source), target);
    if readonly { step.with(Attrs::RDONLY) } else { step }
}

fn bind(source: &Path, target: &str) -> Step {
    as_bind(source, target)
}

fn as_bind(source: &Path, target: &str) -> Step {
    Step::Bind {
        source: source.into(),
        subpath: String::new(),
        target: target.into(),
        recursive: true,
        attrs: Attrs { propagation: attrs::propagation(""), ..Attrs::default() },
        chown: false,
        volume: false,
        copy_up: false,
        writes: None,
        or: Or::Fail,
    }
}

impl Step {
    /// Nothing is mounted where the source is missing.
    fn optional(mut self) -> Step {
        if let Step::Bind { or, .. } = &mut self {
            *or = Or::Skip;
        }
        self
    }

    fn with(mut self, more: Attrs) -> Step {
        if let Step::Bind { attrs, .. } = &mut self {
            *attrs = *attrs | more;
        }
        self
    }
}

fn same(a: &str, b: &str) -> bool {
    Path::new(a).components().eq(Path::new(b).components())
}

/// Whether `path` is `dir` or below it. The root itself hides nothing: it can't be mounted over.
fn below(path: &str, dir: &str) -> bool {
    Path::new(dir).components().count() > 1 && Path::new(path).starts_with(dir)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
