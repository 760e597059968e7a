//! Volumes as seen from the containers that use them.

pub mod filter;
mod merge;
mod transfer;

pub use transfer::{EXPORT_JOB, IMPORT_JOB, export, export_job, import, import_job};

use super::Ctx;
use crate::error::{Error, Result};
use crate::spec::model::{MountKind, Spec};
use crate::state::containers;
use crate::volume;
use std::collections::BTreeMap;

/// Volume name → full ids of the containers that mount it. Containers whose spec can't be read count for none.
pub fn users(ctx: &Ctx) -> Result<BTreeMap<String, Vec<String>>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in containers::ids(&ctx.paths)? {
        let Ok(spec) = containers::load_spec::<Spec>(&ctx.paths, &id) else { continue };
        for mount in spec.mounts {
            if let MountKind::Volume { name, .. } = mount.kind {
                out.entry(name).or_default().push(id.clone());
            }
        }
    }
    Ok(out)
}

/// Removes a volume that no container uses.
///
/// # Errors
/// `NotFound` when there is no such volume, `Conflict` when a container (running or not) uses it.
pub fn remove(ctx: &Ctx, name: &str) -> Result<()> {
    volume::get(&ctx.paths, name)?;
    match users(ctx)?.get(name).and_then(|ids| ids.first()) {
        Some(id) => {
            Err(Error::conflict(format!("remove volume {name}: container {} uses it", &id[..id.len().min(12)]))
                .hint("remove the container first"))
        }
        None => {
            volume::remove(&ctx.paths, name)?;
            // Files of mapped ids are still in the trash.
            super::recover::sweep(ctx);
            Ok(())
        }
    }
}
