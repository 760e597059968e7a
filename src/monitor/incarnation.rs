//! One run of the container's program: everything that is made for it and goes with it.

use super::joins::{self, joined_network};
use super::proto::StartFrame;
use super::stdio::Streams;
use crate::error::{Context, Error, Result};
use crate::net::{self, HostPorts};
use crate::runtime::cgroup::{self, Cgroup};
use crate::runtime::{self, LaunchRequest, Stdio};
use crate::spec::model::Spec;
use crate::state::atomic::{self, Class};
use crate::state::container::{Config, NetworkState, State, Status};
use crate::state::paths::ContainerDir;
use crate::state::{boot, hook};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// The container as the monitor knows it, the same for all incarnations.
pub struct Subject {
    pub frame: StartFrame,
    pub dir: ContainerDir,
    pub config: Config,
    pub spec: Spec,
    pub name: String,
    pub boot_id: String,
    pub ports: HostPorts,
    /// fds 0, 1, 2 of the CLI, for the log driver `passthrough`.
    pub own_stdio: Option<[OwnedFd; 3]>,
    /// Descriptors for the program, the first of them listening sockets of these names.
    pub passed: Vec<OwnedFd>,
    pub listening: Vec<String>,
    pub trace: Trace,
}

/// A program that executes.
pub struct Incarnation {
    pub pidfd: OwnedFd,
    pub streams: Streams,
    pub state: State,
    pub started: Instant,
    pub warnings: Vec<String>,
    /// Its drop ends the helpers.
    pub net: Option<net::Active>,
    /// The network after the container's end: its helpers are killed and still to be waited for.
    pub remains: Option<net::Active>,
    pub cgroup: Option<Cgroup>,
    /// Keeps the container's mounts until the exit is recorded: unmounting an overlay syncs its whole file system.
    pub mounts: Option<OwnedFd>,
    /// Keeps what `runtime` attached to the process.
    pub init: runtime::Init,
}

/// When which phase was reached, in microseconds.
pub struct Trace {
    begin: Instant,
    pub phases: Vec<(String, u64)>,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { begin: Instant::now(), phases: Vec::new() }
    }
}

impl Trace {
    pub fn mark(&mut self, phase: &str) {
        self.phases.push((phase.into(), self.begin.elapsed().as_micros() as u64));
    }
}

/// Launches the container. `caller_gone` is asked once, before the program may execute: nobody is there to hear of it
/// any more, so nothing is started. An error leaves nothing behind.
pub fn incarnate(
    subject: &mut Subject,
    before: &State,
    early: Option<runtime::EarlyUser<'_>>,
    caller_gone: &dyn Fn() -> bool,
) -> Result<Incarnation> {
    let mut warnings = Vec::new();
    let joined = joined_network(subject)?;
    let places = places(subject)?;
    let mut network = match (&joined, &places) {
        (Some(state), _) => state.clone(),
        (None, Some(places)) => NetworkState { ports: subject.ports.resolved.clone(), ..places.state.clone() },
        (None, None) => net::expected(&subject.spec.network, &subject.ports),
    };
    let etc = net::provide_etc(&subject.frame.paths, &subject.spec, &network, &subject.dir)?;
    let (cgroup, notes) = cgroup::create(&subject.frame.id, &subject.spec.resources)?;
    warnings.extend(notes);
    let (mut streams, stdio) = stdio(subject)?;
    let joins = joins::open(subject, places.as_ref())?;
    subject.trace.mark("prepare");
    hook::stop_at("monitor:launch");
    let cgroup = Guarded(cgroup);
    let mut init = runtime::launch(LaunchRequest {
        spec: &subject.spec,
        dir: &subject.dir,
        etc: &etc,
        passed: &subject.passed,
        listening: &subject.listening,
        lowers: subject.frame.lowers.clone(),
        images: subject.frame.images.clone(),
        idmap: &subject.frame.idmap,
        joins,
        early,
        stdio,
        cgroup: cgroup.dir()?,
        volumes: subject.frame.volumes.clone(),
        window: subject.frame.window,
        root: runtime::RootKind::Auto,
    })?;
    subject.trace.mark("namespaces");
    let pidfd = init.pidfd.try_clone().context("duplicate the pidfd")?;
    // Should the monitor die now, whoever repairs the container knows what to kill.
    let mut state = State {
        status: before.status,
        pid: init.pid,
        start_ticks: boot::start_ticks(init.pid).unwrap_or(0),
        boot_id: subject.boot_id.clone(),
        monitor_pid: std::process::id() as i32,
        cgroup: cgroup.0.as_ref().map(|c| c.path.display().to_string()).unwrap_or_default(),
        exit_code: 0,
        signal: 0,
        oom_killed: false,
        error: String::new(),
        ..before.clone()
    };
    atomic::write_json(&subject.dir.state(), &state, Class::Volatile)?;
    hook::stop_at("monitor:launched");
    let active = network_up(subject, init.pid, joined.as_ref(), places)?;
    subject.trace.mark("network");
    warnings.extend(active.warnings.iter().cloned());
    if active.state != network {
        network = active.state.clone();
        net::provide_etc(&subject.frame.paths, &subject.spec, &network, &subject.dir)?;
    }
    hook::stop_at("monitor:network");
    let created = init.created()?;
    subject.trace.mark("root file system");
    warnings.extend(created.warnings);
    if let Some(master) = created.pty_master {
        streams.set_master(master, subject.config.stdin_open)?;
    }
    let mounts = (!subject.spec.root.volatile).then(|| mount_namespace(init.pid)).flatten();
    hook::stop_at("monitor:created");
    if caller_gone() {
        return Err(Error::new(crate::error::Kind::Interrupted, "start: the caller went away"));
    }
    init.go()?;
    init.executed()?;
    subject.trace.mark("execute");
    hook::stop_at("monitor:executed");
    state.status = Status::Running;
    state.started = crate::state::events::now();
    state.finished = String::new();
    state.network = network;
    atomic::write_json(&subject.dir.state(), &state, Class::Volatile)?;
    if let Some(path) = &subject.config.pidfile
        && let Err(e) = std::fs::write(path, format!("{}\n", init.pid))
    {
        warnings.push(format!("write pid file {path}: {e}"));
    }
    Ok(Incarnation {
        pidfd,
        streams,
        state,
        started: Instant::now(),
        warnings,
        net: Some(active),
        remains: None,
        cgroup: cgroup.release(),
        mounts,
        init,
    })
}

/// The places in user-defined networks, if that is where the container is.
pub(super) fn places(subject: &Subject) -> Result<Option<net::Places>> {
    let (id, spec) = (&subject.frame.id, &subject.spec);
    let container = net::PlaceOf { id, name: &subject.name, mode: &spec.network.mode, etc: &spec.etc };
    net::Places::prepare(&subject.frame.paths, container)
}

fn network_up(
    subject: &Subject,
    init_pid: i32,
    joined: Option<&NetworkState>,
    places: Option<net::Places>,
) -> Result<net::Active> {
    net::setup(net::NetRequest {
        spec: &subject.spec.network,
        init_pid,
        ports: &subject.ports,
        etc: &subject.spec.etc,
        run_dir: &subject.frame.paths.sockets(&subject.frame.id),
        joined,
        places,
    })
}

/// After a helper's death: the network's processes anew, for the container that runs on. The state says how it went.
pub fn revive_network(subject: &Subject, incarnation: &mut Incarnation) {
    let membership = incarnation.net.take().and_then(net::Active::part);
    let up = joined_network(subject)
        .and_then(|joined| network_up(subject, incarnation.state.pid, joined.as_ref(), places(subject)?));
    // Renewed by now, so that the container kept its interfaces.
    drop(membership);
    match up {
        Ok(active) => {
            incarnation.state.network = active.state.clone();
            incarnation.net = Some(active);
        }
        Err(e) => incarnation.state.error = format!("the network failed: {e}"),
    }
    let _ = atomic::write_json(&subject.dir.state(), &incarnation.state, Class::Volatile);
}

/// Removes the cgroup if the start fails.
struct Guarded(Option<Cgroup>);

impl Guarded {
    fn dir(&self) -> Result<Option<OwnedFd>> {
        self.0.as_ref().map(|c| c.dir.try_clone().context("duplicate the cgroup")).transpose()
    }
    fn release(mut self) -> Option<Cgroup> {
        self.0.take()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.0 {
            cgroup.remove();
        }
    }
}

fn stdio(subject: &Subject) -> Result<(Streams, Stdio)> {
    let config = &subject.config;
    match &subject.own_stdio {
        Some([stdin, stdout, stderr]) if !config.tty => {
            let copy = |fd: &OwnedFd| fd.try_clone().context("duplicate a standard stream");
            let theirs = Stdio::Given { stdin: copy(stdin)?, stdout: copy(stdout)?, stderr: copy(stderr)? };
            Ok((Streams::default(), theirs))
        }
        _ => Streams::new(config.tty, config.stdin_open),
    }
}

fn mount_namespace(pid: i32) -> Option<OwnedFd> {
    joins::namespace_file(&format!("/proc/{pid}/ns/mnt")).ok()
}
