//! The runtime: from a [`Spec`] to a process in its own namespaces, and into those of a running one.
//!
//! [`launch`] clones PID 1 (stage `init`), which interprets the plan made from the spec, reports `created`, waits for
//! [`Init::go`] and executes the container's program. [`exec`] puts a further process into a running container.

mod attrs;
pub mod cgroup;
pub mod copyup;
mod exec;
mod flat;
pub mod fuse;
mod host;
pub mod init;
pub mod jobs;
mod launch;
mod overlays;
pub mod owned;
pub mod owned_check;
mod plan;
mod program;
mod reaper;
mod reown;
mod rootfs;
pub mod seccomp;
mod setup;
mod terminal;
pub mod user;

pub use exec::{exec, stage_main as exec_stage};
pub use init::Phase;
pub use launch::launch;
pub use program::lowered_limits;

use crate::spec::model::{Spec, VolumeAt};
use crate::stage::Channel;
use crate::state::paths::ContainerDir;
use crate::userns::IdMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The container's standard streams.
#[derive(Debug)]
pub enum Stdio {
    /// The container's ends. Pipes are given to the container's user, so that he can reopen /dev/stdout.
    Pipes { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// Streams of somebody else (log driver `passthrough`): their owner stays.
    Given { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// A pty in the container's devpts; the master comes back in [`Created`].
    Pty,
}

/// Pidfds (of other containers' PID 1) or namespace files for the `container:` and path namespaces of the spec.
#[derive(Debug, Default)]
pub struct Joins {
    /// Join this user namespace instead of a new one (`--userns container:`; also needed for the owner of a joined
    /// network, pid, ipc or uts namespace of another container: a sibling may not enter them).
    pub user: Option<OwnedFd>,
    /// Within `user` the container gets a user namespace of its own, with other ids of the same user.
    pub nested: bool,
    pub net: Option<OwnedFd>,
    pub pid: Option<OwnedFd>,
    pub ipc: Option<OwnedFd>,
    pub uts: Option<OwnedFd>,
    pub cgroup: Option<OwnedFd>,
}

/// What makes the root file system of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootKind {
    /// The first that works: kernel overlay, fuse-overlayfs, copy.
    #[default]
    Auto,
    Fuse,
    Copy,
}

/// A user namespace that was begun before the launch ([`crate::userns::Early`]).
pub struct EarlyUser<'a> {
    pub namespace: OwnedFd,
    /// The container's own is to be one below it.
    pub nested: bool,
    /// Waits until its maps are written, those of [`LaunchRequest::idmap`] unless it is an outer one. Called once,
    /// whether it is used or not.
    pub mapped: &'a dyn Fn() -> crate::error::Result<()>,
}

/// Everything that [`launch`] needs.
pub struct LaunchRequest<'a> {
    pub spec: &'a Spec,
    /// `upper` and `work` (made by the runtime where missing).
    pub dir: &'a ContainerDir,
    /// A directory: of `hosts`, `hostname`, `resolv.conf` in it those that exist at launch are bound to /etc; fill them
    /// in place (no rename) until [`Init::go`].
    pub etc: &'a Path,
    /// Unpacked layers, top-most first. Empty with `--rootfs`.
    pub lowers: Vec<PathBuf>,
    /// The same of the images mounted in it, by destination.
    pub images: BTreeMap<String, Vec<PathBuf>>,
    pub idmap: &'a IdMap,
    pub joins: Joins,
    pub early: Option<EarlyUser<'a>>,
    pub stdio: Stdio,
    /// Descriptors that the program gets as 3, 4, …
    pub passed: &'a [OwnedFd],
    /// Names of the first of them, which are listening sockets.
    pub listening: &'a [String],
    /// Directory of the container's cgroup v2: PID 1 is born in it.
    pub cgroup: Option<OwnedFd>,
    /// Named volumes of the spec.
    pub volumes: BTreeMap<String, VolumeAt>,
    /// Rows and columns of the pty.
    pub window: Option<(u16, u16)>,
    pub root: RootKind,
}

/// What PID 1 set up.
#[derive(Debug)]
pub struct Created {
    pub pty_master: Option<OwnedFd>,
    /// One-line warnings (a sysctl that is not namespaced, a device that is missing).
    pub warnings: Vec<String>,
}

/// PID 1 of a container on its way to the program. Dropping it kills it, unless [`Init::executed`] said yes.
#[derive(Debug)]
pub struct Init {
    /// In the host's pid namespace.
    pub pid: i32,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
    phases: Vec<Phase>,
    channel: Channel,
    fuse: Option<fuse::Server>,
    /// The file that the launcher was told to execute.
    executing: Option<String>,
    executed: bool,
    /// [`Init::go`] found it dead.
    unheard: bool,
    reaped: bool,
}

/// A further process for a running container.
#[derive(Debug)]
pub struct ExecRequest<'a> {
    /// The container's spec: its environment, capabilities, seccomp profile and limits are the base.
    pub spec: &'a Spec,
    /// Host pid of the container's PID 1 and its start time (proc(5) stat field 22), so that a reused pid is refused.
    pub init_pid: i32,
    pub start_ticks: u64,
    pub args: Vec<String>,
    /// `KEY=value`, added to the spec's environment.
    pub env: Vec<String>,
    /// Default: the container's working directory.
    pub cwd: Option<String>,
    /// Default: the container's user.
    pub user: Option<String>,
    pub privileged: bool,
    /// A pty in the container's devpts instead of `stdio`.
    pub tty: bool,
    /// Rows and columns of the pty.
    pub window: Option<(u16, u16)>,
    /// Fds 0, 1, 2 of the process without a tty; `None` = the caller's own (no copying at all).
    pub stdio: Option<(OwnedFd, OwnedFd, OwnedFd)>,
    /// Leads its own session and is not ours to wait for (`exec -d`).
    pub detach: bool,
    /// Directory of the container's cgroup v2.
    pub cgroup: Option<PathBuf>,
}

/// A child of the caller in the container.
#[derive(Debug)]
pub struct ExecProcess {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub pty_master: Option<OwnedFd>,
}
