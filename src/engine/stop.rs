//! `stop` and `kill`.

use super::{Ctx, recover};
use crate::error::{Error, Kind, Result};
use crate::monitor::{RESTARTING, STOPPED};
use crate::state::atomic;
use crate::state::boot;
use crate::state::container::Status;
use crate::state::containers::{self, Container};
use crate::state::lock::{Flock, Life};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long a monitor may take to record the end of its container.
const RECORD: Duration = Duration::from_secs(60);

/// Ends a container: its stop signal, after `timeout` (default: the container's own) SIGKILL; returns when it has
/// ended. A container that does not run is no error. It will not be restarted by its policy.
pub fn stop(ctx: &Ctx, id: &str, timeout: Option<Duration>) -> Result<()> {
    halt(ctx, id, timeout, STOPPED)
}

/// The stop of a `restart`: the container stays even if it was made with `--rm`.
pub(super) fn stop_for_restart(ctx: &Ctx, id: &str, timeout: Option<Duration>) -> Result<()> {
    halt(ctx, id, timeout, RESTARTING)
}

fn halt(ctx: &Ctx, id: &str, timeout: Option<Duration>, wish: &str) -> Result<()> {
    let container = recover::load_repaired(ctx, id)?;
    container.sound()?;
    let named = |e: Error| e.context(format!("stop container {}", container.name));
    // Waits for a start that is under way, and for nothing longer.
    wishes(&container, wish).map_err(named)?;
    let container = match recover::load_repaired(ctx, id) {
        Ok(container) => container,
        Err(e) if e.kind == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let Ok(probe) = Life::probe(&container.dir.life()) else { return Ok(()) };
    if let Some(pidfd) = process(&container)? {
        let patience = timeout.unwrap_or(Duration::from_secs(u64::from(container.config.stop_timeout)));
        // With no patience at all the signal would only race the kill.
        let polite = patience > Duration::ZERO && signal(&pidfd, container.config.stop_signal)?;
        if !polite || !ended(&pidfd, patience)? {
            signal(&pidfd, libc::SIGKILL)?;
        }
    }
    if !Life::wait(&probe, Some(RECORD))? {
        return Err(named(Error::new(Kind::Io, "wait for its monitor: it does not finish"))
            .hint(format!("look at process {}", container.state.monitor_pid)));
    }
    Ok(())
}

/// Writes the wish for the monitor to read.
pub(super) fn wishes(container: &Container, wish: &str) -> Result<()> {
    let _lock = match Flock::exclusive(&container.dir.lock()) {
        Ok(lock) => lock,
        Err(e) if e.kind == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    atomic::write_word(&container.dir.desired(), wish)
}

/// Sends a signal to PID 1 of a running container; `Conflict` when it does not run.
pub fn kill(ctx: &Ctx, id: &str, number: i32) -> Result<()> {
    let container = recover::load_repaired(ctx, id)?;
    container.sound()?;
    let idle = || Error::conflict(format!("kill container {}: it is not running", container.name));
    let pidfd = process(&container)?.ok_or_else(idle)?;
    // Who kills a container does not want it back (docker and podman agree).
    if number == libc::SIGKILL || number == container.config.stop_signal {
        wishes(&container, STOPPED)?;
    }
    if signal(&pidfd, number)? { Ok(()) } else { Err(idle()) }
}

/// A handle on PID 1; `None` when none runs.
pub(super) fn process(container: &Container) -> Result<Option<OwnedFd>> {
    if container.state.status != Status::Running || container.state.boot_id != boot::id()? {
        return Ok(None);
    }
    boot::open(container.state.pid, container.state.start_ticks)
}

/// False when the process has ended already.
pub(super) fn signal(pidfd: &OwnedFd, number: i32) -> Result<bool> {
    match boot::signal(pidfd, number) {
        Ok(()) => Ok(true),
        Err(e) if e.kind == Kind::Conflict => Ok(false),
        Err(e) => Err(e),
    }
}

fn ended(pidfd: &OwnedFd, patience: Duration) -> Result<bool> {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    loop {
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(n) => return Ok(n > 0),
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(crate::error::IntoError::context(e, "wait for the container's end")),
        }
    }
}

/// Whether a container is gone or at rest, for callers that stop several.
pub fn at_rest(ctx: &Ctx, id: &str) -> bool {
    containers::load(&ctx.paths, id).map_or(true, |c| !c.active())
}
