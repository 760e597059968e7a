//! `ps`: containers as they stand.

use super::{Ctx, recover};
use crate::error::Result;
use crate::state::containers::{self, Container};
use std::os::unix::fs::MetadataExt;

/// All containers, newest first, as they really stand. Waits for nobody; what a dead monitor left behind is mended on
/// the way if nobody else is at it.
pub fn list(ctx: &Ctx) -> Result<Vec<Container>> {
    let found = containers::list(&ctx.paths)?;
    if found.iter().all(|c| !c.stale) {
        return Ok(found);
    }
    for container in found.iter().filter(|c| c.stale) {
        recover::repair_idle(ctx, &container.id);
    }
    containers::list(&ctx.paths)
}

/// One container by name, id or unique prefix.
pub fn find(ctx: &Ctx, text: &str) -> Result<Container> {
    containers::load(&ctx.paths, &containers::resolve(&ctx.paths, text)?)
}

/// Bytes that the container's own files take (docker's SizeRw). Directories of subordinate ids that the user can't
/// read are left out.
pub fn size(container: &Container) -> Result<u64> {
    let mut total = 0;
    let mut open = vec![container.dir.upper()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.is_file() {
                total += meta.size();
            }
        }
    }
    Ok(total)
}
