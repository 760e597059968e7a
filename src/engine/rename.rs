//! `rename`.

use super::Ctx;
use super::connect::tell;
use crate::error::{Error, Result};
use crate::state::atomic::{self, Class};
use crate::state::lock::Flock;
use crate::state::{containers, events, names};

/// Gives a container another name, running or not. `Conflict` when it is taken.
pub fn rename(ctx: &Ctx, id: &str, name: &str) -> Result<()> {
    let dir = ctx.paths.container(id);
    let _lock = Flock::exclusive(&dir.lock())?;
    let old = names::recorded(&ctx.paths, id).unwrap_or_default();
    if old == name {
        return Err(Error::conflict(format!("rename container {old}: that is its name")));
    }
    names::claim(&ctx.paths, name, id).map_err(|e| e.context(format!("rename container {old}")))?;
    // The file decides which of the two links counts.
    if let Err(e) = atomic::write(&dir.name(), format!("{name}\n").as_bytes(), Class::Durable) {
        names::release(&ctx.paths, name, id);
        return Err(e);
    }
    names::release(&ctx.paths, &old, id);
    let container = containers::load(&ctx.paths, id)?;
    // Its name in networks. The new name counts already, so that a monitor in trouble is no failure of this.
    if container.active() && container.alive {
        let _ = tell(ctx, &container);
    }
    events::container(&ctx.paths, "rename", id, name, &[("oldName", old)]);
    Ok(())
}
