//! `rm`.

use super::{Ctx, recover, stop};
use crate::error::{Error, Kind, Result};
use crate::image::Store;
use crate::monitor::{STOPPED, remove};
use crate::state::containers::{self, Container};
use crate::state::lock::{Flock, Life};
use std::path::PathBuf;
use std::time::Duration;

/// How long the clean-up of a container that just ended may take.
const CLEANUP: Duration = Duration::from_secs(30);

/// How to remove.
#[derive(Clone, Copy, Debug, Default)]
pub struct RmOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// With `force`: time between the stop signal and SIGKILL; `None` = SIGKILL at once.
    pub timeout: Option<Duration>,
}

/// Removes a container by its full id. `Conflict` when it runs and `force` is not given.
pub fn rm(ctx: &Ctx, id: &str, options: RmOptions) -> Result<()> {
    if let Some(trash) = unlink(ctx, id, options)? {
        remove::destroy(&trash, None);
    }
    Ok(())
}

/// As [`rm`], but leaves its files in the trash and gives their place; `None` when it is gone already.
pub(super) fn unlink(ctx: &Ctx, id: &str, options: RmOptions) -> Result<Option<PathBuf>> {
    // Another start may slip in between the end of a run and our lock; a user who restarts in a loop wins in the end.
    for _ in 0..20 {
        let container = match recover::load_repaired(ctx, id) {
            Ok(container) => container,
            // It was made with --rm, and its repair or its monitor removed it.
            Err(e) if e.kind == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        if container.active() && container.alive {
            if !options.force {
                return Err(running(&container));
            }
            end(ctx, &container, options)?;
        }
        let lock = match Flock::exclusive(&container.dir.lock()) {
            Ok(lock) => lock,
            Err(e) if e.kind == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        if containers::load(&ctx.paths, id).is_ok_and(|now| now.active() && now.alive) {
            continue;
        }
        let Some(life) = Life::acquire(&container.dir.life(), CLEANUP)? else {
            return Err(Error::conflict(format!("remove container {}: its monitor does not finish", container.name))
                .hint(format!("look at process {}", container.state.monitor_pid)));
        };
        if !container.dir.path().is_dir() {
            return Ok(None);
        }
        let name = containers::load(&ctx.paths, id).map_or(container.name.clone(), |now| now.name);
        let volumes = options.volumes || container.config.auto_remove;
        let trash = remove::unlink(&ctx.paths, id, &name, &container.config, volumes)?;
        drop((life, lock));
        return Ok(Some(trash));
    }
    Err(Error::conflict(format!("remove container {id}: somebody starts it again and again")))
}

fn running(container: &Container) -> Error {
    Error::conflict(format!("remove container {}: it is running", container.name))
        .hint(format!("stop it first, or use rm -f: coracle stop {}", container.name))
}

fn end(ctx: &Ctx, container: &Container, options: RmOptions) -> Result<()> {
    match options.timeout {
        Some(timeout) => stop::stop(ctx, &container.id, Some(timeout)),
        None => {
            stop::wishes(container, STOPPED)?;
            if let Some(pidfd) = stop::process(container)? {
                stop::signal(&pidfd, libc::SIGKILL)?;
            }
            let Ok(probe) = Life::probe(&container.dir.life()) else { return Ok(()) };
            Life::wait(&probe, Some(CLEANUP)).map(drop)
        }
    }
}

/// What follows the removal of containers: layers that only they had go too, and what dead processes left.
pub fn clear_up(ctx: &Ctx) {
    if Store::waits_for_containers(&ctx.paths) {
        let _ = Store::open(&ctx.paths).and_then(Store::collect);
    }
    recover::sweep(ctx);
}
