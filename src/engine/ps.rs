//! `ps`: containers as they stand.

use super::{Ctx, recover, size};
use crate::error::Result;
use crate::state::containers::{self, Container};
use std::collections::HashMap;

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

/// Bytes that the own files of each container take (docker's SizeRw), by id. One job for all of them.
pub fn sizes(containers: &[Container]) -> Result<HashMap<String, u64>> {
    let uppers = containers.iter().map(|c| c.dir.upper()).collect();
    let ids = containers.iter().map(|c| c.id.clone());
    Ok(ids.zip(size::trees(uppers)?.iter().map(|usage| usage.bytes)).collect())
}
