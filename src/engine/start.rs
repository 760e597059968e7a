//! `start`: spawns the monitor and waits until the container's program executes.

use super::attach::{self, Attachment};
use super::{Ctx, logout, recover};
use crate::error::{Error, Kind, Result};
use crate::image::Store;
use crate::monitor::proto::{EarlyKind, Mapped, StartFrame, StartReply};
use crate::monitor::{self, remove};
use crate::runtime;
use crate::spec::model::{MountKind, Spec};
use crate::stage::{self, Channel, Streams};
use crate::state::container::State;
use crate::state::containers::{self, Container};
use crate::state::hook;
use crate::state::lock::{Flock, Life};
use crate::userns::{Early, IdMap};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a start waits for the last clean-up of the run before.
const PREDECESSOR: Duration = Duration::from_secs(30);

/// Layers unpacked at once, should the cache of unpacked layers be gone.
const UNPACK_JOBS: usize = 2;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachStreams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// How to start a container.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Foreground: the attachment comes back connected before the program runs, and gets every byte (the container
    /// waits for a slow reader).
    pub attach: Option<AttachStreams>,
    /// (rows, columns) of the caller's terminal, for a container with a pty.
    pub window: Option<(u16, u16)>,
    /// Collect the times of the phases.
    pub trace: bool,
    /// What the caller was started with, for the container.
    pub inherited: Rc<Inherited>,
}

/// Descriptors from outside.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Listening sockets and their names (sd_listen_fds(3)): for the published ports of their addresses, or else for the
    /// program.
    pub listening: Vec<(String, OwnedFd)>,
    /// For the program, behind those.
    pub preserved: Vec<OwnedFd>,
}

/// As many as fit into one frame, besides our own.
const MAX_INHERITED: usize = 20;

/// A container whose program executes.
#[derive(Debug)]
pub struct Started {
    pub state: State,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
    pub attachment: Option<Attachment>,
    /// Phase and microseconds since the start was asked for.
    pub trace: Vec<(String, u64)>,
    /// It ran already; nothing was done.
    pub already: bool,
}

/// A monitor that has no container yet. Dropping it ends it.
#[derive(Debug)]
pub struct Standby {
    monitor: stage::Child,
    channel: Channel,
    /// Writing its id maps takes as long as all the rest of a start.
    user: Option<Early>,
}

/// Starts a monitor early: it gets ready while its container is made, and so does the container's user namespace if it
/// is to have one of its own with the usual map (`own_user`). With `trace` the monitor may write to stderr.
pub fn standby(ctx: &Ctx, own_user: bool, trace: bool) -> Result<Standby> {
    let outer = |map: &IdMap| monitor::outer::find(&ctx.paths, map);
    let user = if own_user { Early::begin(IdMap::detect()?, outer) } else { None };
    let (channel, remote) = Channel::pair()?;
    let stderr = if trace { Streams::Stderr } else { Streams::Null };
    // Our copy of the monitor's end, which would keep its death from being seen, goes with this function.
    let monitor = stage::forked(monitor::STAGE, monitor::main, &[remote.as_fd()], stderr)?;
    Ok(Standby { monitor, channel, user })
}

/// Starts a created or exited container by its full id. An error of the kinds CannotExec and CommandNotFound is the
/// program's (exit codes 126 and 127). A container with `--rm` is gone after an error.
pub fn start(ctx: &Ctx, id: &str, options: &StartOptions) -> Result<Started> {
    start_with(ctx, id, options, None)
}

/// As [`start`], with a monitor that stands by.
pub fn start_with(ctx: &Ctx, id: &str, options: &StartOptions, standby: Option<Standby>) -> Result<Started> {
    let begin = Instant::now();
    let dir = ctx.paths.container(id);
    // Held until the program executes, so nobody else starts, stops or removes it meanwhile.
    let lock = Flock::exclusive(&dir.lock()).map_err(|e| match e.kind {
        Kind::NotFound => Error::not_found(format!("start container {id}: no such container")),
        _ => e,
    })?;
    let container = settle(ctx, id, &lock)?;
    if container.alive && container.active() {
        drop(lock);
        let running = container.state;
        let attachment = options.attach.map(|streams| attach::connect(ctx, id, streams)).transpose()?;
        return Ok(Started { state: running, warnings: Vec::new(), attachment, trace: Vec::new(), already: true });
    }
    let result = spawn(ctx, container, options, standby, begin);
    // The monitor itself cleans up after a failed start. This is for a failure before there was one, or its death.
    if result.is_err() && dir.path().is_dir() && Life::held(&dir.life()).is_ok_and(|held| !held) {
        abandon(ctx, id, &lock);
    }
    result
}

/// Brings the container into a state to start from, unless it runs already.
fn settle(ctx: &Ctx, id: &str, lock: &Flock) -> Result<Container> {
    let container = containers::load(&ctx.paths, id)?;
    container.sound()?;
    if container.stale {
        if recover::repair_locked(ctx, id, lock)? {
            return Err(Error::not_found(format!("start container {id}: it was made with --rm and has ended")));
        }
        return containers::load(&ctx.paths, id);
    }
    if container.alive && !container.active() {
        // The monitor of the run before is at its last clean-up.
        let probe = Life::probe(&container.dir.life())?;
        if !Life::wait(&probe, Some(PREDECESSOR))? {
            return Err(Error::conflict(format!("start container {id}: its former monitor does not end"))
                .hint(format!("look at process {}", container.state.monitor_pid)));
        }
        if !container.dir.path().is_dir() {
            return Err(Error::not_found(format!("start container {id}: it was made with --rm and has ended")));
        }
        return containers::load(&ctx.paths, id);
    }
    Ok(container)
}

fn spawn(
    ctx: &Ctx,
    container: Container,
    options: &StartOptions,
    standby: Option<Standby>,
    begin: Instant,
) -> Result<Started> {
    let spec: Spec = containers::load_spec(&ctx.paths, &container.id)?;
    spawn_with(ctx, container, &spec, options, standby, begin).map_err(|e| super::volume::by_place(e, &spec.mounts))
}

fn spawn_with(
    ctx: &Ctx,
    container: Container,
    spec: &Spec,
    options: &StartOptions,
    standby: Option<Standby>,
    begin: Instant,
) -> Result<Started> {
    let _ = std::fs::remove_file(container.dir.desired());
    let passthrough = container.config.log.driver == "passthrough";
    let Standby { monitor, channel, user } = standby.map_or_else(|| self::standby(ctx, false, options.trace), Ok)?;
    let (mut frame, mut warnings) = frame(ctx, &container, spec, user.as_ref())?;
    frame.window = options.window;
    frame.trace = options.trace;
    frame.passthrough = passthrough;
    let streams = options.attach.map(|s| if passthrough { AttachStreams::default() } else { s });
    let (ours, theirs) = streams.map(|s| attach::pair(ctx, &container, s)).transpose()?.unzip();
    frame.attached = theirs.is_some();
    let mut trace = vec![("load".to_string(), micros(begin))];
    hook::stop_at("cli:spawn");
    let mut fds: Vec<BorrowedFd> = user.iter().map(Early::namespace).collect();
    fds.extend(theirs.iter().map(AsFd::as_fd));
    if passthrough {
        fds.extend([rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]);
    }
    let inherited = &options.inherited;
    fds.extend(inherited.listening.iter().map(|(_, fd)| fd.as_fd()));
    fds.extend(inherited.preserved.iter().map(AsFd::as_fd));
    frame.listening = inherited.listening.iter().map(|(name, _)| name.clone()).collect();
    frame.preserved = inherited.preserved.len();
    if frame.listening.len() + frame.preserved > MAX_INHERITED {
        return Err(Error::user(format!(
            "pass {} descriptors on: at most {MAX_INHERITED} can be",
            frame.listening.len() + frame.preserved
        )));
    }
    let lost = || {
        Error::new(Kind::Io, "start: the monitor ended unexpectedly")
            .hint("it may have been killed: look at memory limits and at the kernel's log")
    };
    channel.send(&frame, &fds).map_err(|_| lost())?;
    drop(theirs);
    hook::stop_at("cli:maps");
    if let Some(user) = user {
        // A monitor that is gone has left its reason, or is missed below.
        let _ = channel.send(&Mapped(user.finish().err()), &[]);
    }
    trace.push(("monitor".into(), micros(begin)));
    let offset = micros(begin);
    hook::stop_at("cli:wait");
    match channel.recv::<StartReply>()? {
        Some((StartReply::Started { state, warnings: more, trace: phases }, _)) => {
            warnings.extend(more);
            trace.extend(phases.into_iter().map(|(phase, at)| (phase, offset + at)));
            trace.push(("answer".into(), micros(begin)));
            if options.attach.is_none() {
                warnings.extend(logout::warning(&[state.pid, state.monitor_pid]));
            }
            Ok(Started { state: *state, warnings, attachment: ours, trace, already: false })
        }
        Some((StartReply::Failed { error, .. }, _)) => {
            // Its lock must be free when the caller goes on.
            let _ = monitor.wait();
            Err(error)
        }
        None => {
            let _ = monitor.wait();
            Err(lost())
        }
    }
}

/// What the monitor has to know beyond the container's files.
fn frame(ctx: &Ctx, container: &Container, spec: &Spec, user: Option<&Early>) -> Result<(StartFrame, Vec<String>)> {
    // The usual map even for keep-id: the runtime derives the container's own and fits the layers to it.
    let idmap = user.map_or_else(IdMap::detect, |early| Ok(early.map().clone()))?;
    let mut warnings: Vec<String> = idmap.note().into_iter().collect();
    warnings.extend(runtime::lowered_limits(&spec.process.rlimits));
    let mut volumes = BTreeMap::new();
    for mount in &spec.mounts {
        if let MountKind::Volume { name, .. } = &mount.kind {
            volumes.insert(name.clone(), super::volume::place(ctx, name, &container.id)?);
        }
    }
    let frame = StartFrame {
        paths: ctx.paths.clone(),
        id: container.id.clone(),
        images: mounted_images(ctx, container, spec, &idmap)?,
        lowers: layers(ctx, container, spec, &idmap)?,
        idmap,
        volumes,
        attached: false,
        early: user.map_or(EarlyKind::None, |early| if early.nested() { EarlyKind::Outer } else { EarlyKind::Own }),
        passthrough: false,
        listening: Vec::new(),
        preserved: 0,
        window: None,
        trace: false,
    };
    Ok((frame, warnings))
}

/// The container's unpacked layers.
pub(super) fn layers(ctx: &Ctx, container: &Container, spec: &Spec, idmap: &IdMap) -> Result<Vec<PathBuf>> {
    unpacked(ctx, container, &spec.root.layers, (&container.config.image_id, &container.config.image), idmap)
}

/// Those of the images mounted in it, by destination.
fn mounted_images(
    ctx: &Ctx,
    container: &Container,
    spec: &Spec,
    idmap: &IdMap,
) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut found = BTreeMap::new();
    for mount in &spec.mounts {
        if let MountKind::Image { reference, id, layers, .. } = &mount.kind {
            found.insert(mount.destination.clone(), unpacked(ctx, container, layers, (id, reference), idmap)?);
        }
    }
    Ok(found)
}

/// The directories of layers, top-most first. They are a cache: what is missing is unpacked again from the image, which
/// has an id and a name.
fn unpacked(
    ctx: &Ctx,
    container: &Container,
    layers: &[String],
    image: (&str, &str),
    idmap: &IdMap,
) -> Result<Vec<PathBuf>> {
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    let store = Store::open(&ctx.paths)?;
    if let Ok(found) = store.layer_dirs(layers, idmap) {
        return Ok(found);
    }
    let image = store.resolve(image.0).map_err(|e| {
        e.context(format!("find the layers of container {}", container.name))
            .hint(format!("pull the image again: coracle pull {}", image.1))
    })?;
    store.unpack(&image.manifest, UNPACK_JOBS, idmap, &|_| {})?;
    store.layer_dirs(layers, idmap)
}

/// A start that left no monitor: nothing may seem to run, and a `--rm` container goes.
fn abandon(ctx: &Ctx, id: &str, lock: &Flock) {
    if recover::repair_locked(ctx, id, lock).unwrap_or(true) {
        return;
    }
    let Ok(container) = containers::load(&ctx.paths, id) else { return };
    if container.config.auto_remove
        && !container.alive
        && container.damaged.is_none()
        && let Ok(trash) = remove::unlink(&ctx.paths, id, &container.name, &container.config, true)
    {
        remove::destroy(&trash, None);
    }
}

fn micros(begin: Instant) -> u64 {
    begin.elapsed().as_micros() as u64
}
