//! Listing and emptying the build cache.

use super::cache::Cache;
use crate::engine::{Ctx, size};
use crate::error::{Context, Result};
use crate::image::Store;
use crate::monitor::remove;
use crate::state::gcdir;
use crate::state::lock::Flock;
use crate::userns::IdMap;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::SystemTime;

/// One thing that the cache keeps.
#[derive(Clone, Debug)]
pub struct Item {
    /// Key of a record, or the name of a cache mount's directory.
    pub id: String,
    /// The step, or the id of the mount.
    pub title: String,
    /// `layer` or `mount`.
    pub kind: &'static str,
    /// Bytes of the blob, or of the mount's files.
    pub size: u64,
    pub used: SystemTime,
    /// An image has the layer: it takes no space of its own.
    pub shared: bool,
    /// Hex of the layer's blob.
    digest: Option<String>,
    place: PathBuf,
}

/// Everything in the cache, least recently used first.
pub fn list(ctx: &Ctx) -> Result<Vec<Item>> {
    let store = Store::open(&ctx.paths)?;
    let images: HashSet<String> =
        store.list()?.iter().flat_map(|i| i.layers.iter().map(|l| l.digest.to_string())).collect();
    let mut all = Vec::new();
    for (key, record, used) in Cache::new(&ctx.paths, false).list()? {
        let digest = record.layer.as_ref().map(|l| l.digest.to_string()).unwrap_or_default();
        all.push(Item {
            place: PathBuf::new(),
            title: record.title,
            kind: "layer",
            used,
            shared: images.contains(&digest),
            digest: record.layer.as_ref().map(|l| l.digest.hex().to_string()),
            size: record.layer.map_or(0, |l| l.size),
            id: key,
        });
    }
    for entry in std::fs::read_dir(ctx.paths.build().join("mounts")).into_iter().flatten().flatten() {
        let place = entry.path();
        let used = entry.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        all.push(Item {
            id: entry.file_name().to_string_lossy().into_owned(),
            title: std::fs::read_to_string(place.join("id")).unwrap_or_default(),
            kind: "mount",
            size: size::allocated(vec![place.clone()])?,
            used,
            shared: false,
            digest: None,
            place,
        });
    }
    all.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.id.cmp(&b.id)));
    Ok(all)
}

/// Removes what was not used since `until`, if given; without `all` what images have stays, and so do cache mounts.
/// Gives what was removed. Cache mounts that a build has locked stay.
pub fn prune(ctx: &Ctx, all: bool, until: Option<SystemTime>) -> Result<Vec<Item>> {
    let cache = Cache::new(&ctx.paths, false);
    let idmap = IdMap::detect()?;
    let (mut gone, mut blobs) = (Vec::new(), Vec::new());
    for item in list(ctx)? {
        let old = until.is_none_or(|time| item.used < time);
        if !old || (!all && (item.shared || item.kind == "mount")) {
            continue;
        }
        if item.kind == "mount" {
            let Some(_lock) = Flock::try_dir(&item.place) else { continue };
            let trash = gcdir::discard(&ctx.paths, &item.place)
                .with_context(|| format!("remove cache mount {}", item.title))?;
            remove::destroy(&trash, Some(&idmap));
        } else {
            cache.forget(&item.id)?;
            blobs.extend(item.digest.clone());
        }
        gone.push(item);
    }
    // Blobs that nothing refers to any more; unless somebody builds just now.
    let store = Store::open(&ctx.paths)?;
    store.handled(blobs.into_iter());
    store.collect()?;
    remove::sweep(&ctx.paths, Some(&idmap));
    Ok(gone)
}
