//! Repair of what dead monitors, dead CLIs and reboots leave behind; lazily, object by object.

use super::Ctx;
use crate::error::{Kind, Result};
use crate::monitor::remove;
use crate::runtime::cgroup;
use crate::state::atomic::{self, Class};
use crate::state::container::State;
use crate::state::containers::{self, Container};
use crate::state::lock::{Flock, Life};
use crate::state::{boot, events};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::path::Path;
use std::time::Duration;

/// Brings the files of one container into order if its monitor is dead: kills what is left of it, writes the exit
/// record, removes it if it was made with `--rm`. Does nothing to a container that is in order.
pub fn repair(ctx: &Ctx, id: &str) -> Result<()> {
    let dir = ctx.paths.container(id);
    let lock = match Flock::exclusive(&dir.lock()) {
        Ok(lock) => lock,
        Err(e) if e.kind == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    repair_locked(ctx, id, &lock).map(drop)
}

/// As [`repair`], without waiting for anybody: readers that happen to see a stale container use it.
pub fn repair_idle(ctx: &Ctx, id: &str) {
    if let Ok(Some(lock)) = Flock::try_exclusive(&ctx.paths.container(id).lock()) {
        let _ = repair_locked(ctx, id, &lock);
    }
}

/// The repair itself; the caller has the container's lock. True when the container is gone now.
pub fn repair_locked(ctx: &Ctx, id: &str, _lock: &Flock) -> Result<bool> {
    let dir = ctx.paths.container(id);
    let Some(life) = Life::acquire(&dir.life(), Duration::ZERO)? else { return Ok(false) };
    let (state, lost) = match atomic::read_json::<State>(&dir.state()) {
        Ok(state) => (state, false),
        Err(e) if e.kind == Kind::NotFound => return Ok(false),
        Err(_) => (containers::lost(), true),
    };
    if !containers::is_active(state.status) && state.pid == 0 && !lost {
        return Ok(false);
    }
    let boot_id = boot::id()?;
    if state.boot_id == boot_id {
        // It normally died with its monitor (PDEATHSIG); a set-id program may have lost that tie.
        end_process(&state);
        if !state.cgroup.is_empty() {
            cgroup::remove(Path::new(&state.cgroup));
        }
    }
    let sockets = ctx.paths.sockets(id);
    let _ = std::fs::remove_file(sockets.join("attach"));
    let _ = std::fs::remove_dir(&sockets);
    let mut fixed = containers::corrected(state, &boot_id);
    if fixed.finished.is_empty() && !fixed.started.is_empty() {
        fixed.finished = events::now();
    }
    atomic::write_json(&dir.state(), &fixed, Class::Durable)?;
    let container = containers::load(&ctx.paths, id)?;
    let attributes = [("exitCode", fixed.exit_code.to_string()), ("reason", fixed.error.clone())];
    events::container(&ctx.paths, "die", id, &container.name, &attributes);
    if container.config.auto_remove && container.damaged.is_none() {
        let trash = remove::unlink(&ctx.paths, id, &container.name, &container.config, true)?;
        drop(life);
        remove::destroy(&trash, None);
        return Ok(true);
    }
    Ok(false)
}

fn end_process(state: &State) {
    let Ok(Some(pidfd)) = boot::open(state.pid, state.start_ticks) else { return };
    let _ = boot::signal(&pidfd, libc::SIGKILL);
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    let _ = rustix::event::poll(&mut fds, Some(&patience));
}

/// The container, repaired first where its monitor is dead. `NotFound` when the repair removed it.
pub fn load_repaired(ctx: &Ctx, id: &str) -> Result<Container> {
    let container = containers::load(&ctx.paths, id)?;
    if !container.stale {
        return Ok(container);
    }
    repair(ctx, id)?;
    containers::load(&ctx.paths, id)
}

/// Deletes what nobody uses in tmp/ and trash/.
pub fn sweep(ctx: &Ctx) {
    remove::sweep(&ctx.paths, None);
}
