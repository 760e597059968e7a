//! Volumes as seen from the containers that use them.

pub mod filter;
mod merge;
mod transfer;

pub use transfer::{EXPORT_JOB, IMPORT_JOB, export, export_job, import, import_job};

use super::Ctx;
use crate::error::{Error, Kind, Result};
use crate::spec::model::{MountKind, Spec};
use crate::spec::volumes::NewVolume;
use crate::state::containers;
use crate::volume::{self, Volume};
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

/// Makes the volume where it is missing. One that is there keeps its labels.
///
/// # Errors
/// `Conflict` when it is there with other driver options than those asked for.
pub fn ensure(ctx: &Ctx, wanted: &NewVolume, anonymous: bool) -> Result<Volume> {
    let NewVolume { name, labels, options } = wanted.clone();
    if !options.is_empty() {
        return Err(Error::unsupported(format!("make volume {name}: options of the driver are not supported")));
    }
    let found = match volume::get(&ctx.paths, &name) {
        Err(e) if e.kind == Kind::NotFound => {
            let new = Volume { name: name.clone(), labels, options: options.clone(), anonymous, ..Volume::default() };
            match volume::create(&ctx.paths, &new) {
                Err(e) if e.kind == Kind::Conflict => volume::get(&ctx.paths, &name)?,
                made => return made,
            }
        }
        found => found?,
    };
    if !options.is_empty() && options != found.options {
        return Err(Error::conflict(format!("use volume {name}: it is there with other options"))
            .hint(format!("see `coracle volume inspect {name}`, or take another name")));
    }
    Ok(found)
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
