//! Listing and emptying the build cache.

use super::cache::Cache;
use crate::engine::{Ctx, size};
use crate::error::{Context, Result};
use crate::image::Store;
use crate::monitor::remove;
use crate::state::gcdir;
use crate::state::lock::Flock;
use crate::userns::IdMap;
use std::collections::{HashMap, HashSet};
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

/// What [`prune`] removes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Cache mounts and what images have, too.
    pub all: bool,
    /// Only what was not used since.
    pub until: Option<SystemTime>,
    /// Nothing more once the cache takes so many bytes or fewer.
    pub keep: Option<u64>,
    /// Nothing more once the disk has so many bytes free.
    pub min_free: Option<u64>,
}

/// Which items go, least recently used first; `free` are the bytes that the disk has free now. Layers that several
/// records share take their space once, and give it back with the last of them; those of images give none.
fn chosen(items: Vec<Item>, rules: &Rules, free: u64) -> Vec<Item> {
    let mut records: HashMap<String, usize> = HashMap::new();
    let mut total = 0u64;
    for item in items.iter().filter(|i| !i.shared) {
        let first = item.digest.as_ref().is_none_or(|digest| {
            let count = records.entry(digest.clone()).or_default();
            *count += 1;
            *count == 1
        });
        total += if first { item.size } else { 0 };
    }
    let (mut gone, mut freed) = (Vec::new(), 0);
    for item in items {
        let enough = match (rules.keep, rules.min_free) {
            (None, None) => false,
            (keep, min) => {
                keep.is_none_or(|keep| total <= keep) && min.is_none_or(|min| free.saturating_add(freed) >= min)
            }
        };
        if enough {
            break;
        }
        let old = rules.until.is_none_or(|time| item.used < time);
        if !old || (!rules.all && (item.shared || item.kind == "mount")) {
            continue;
        }
        let last = match item.digest.as_ref().and_then(|digest| records.get_mut(digest)) {
            Some(count) => {
                *count -= 1;
                *count == 0
            }
            None => item.digest.is_none(),
        };
        if last && !item.shared {
            total = total.saturating_sub(item.size);
            freed += item.size;
        }
        gone.push(item);
    }
    gone
}

/// Removes what the rules say, and gives what was removed. Cache mounts that a build has locked stay.
pub fn prune(ctx: &Ctx, rules: &Rules) -> Result<Vec<Item>> {
    let cache = Cache::new(&ctx.paths, false);
    let idmap = IdMap::detect()?;
    let free = match rustix::fs::statvfs(&ctx.paths.data) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(_) => 0,
    };
    let (mut gone, mut blobs) = (Vec::new(), Vec::new());
    for item in chosen(list(ctx)?, rules, free) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn item(id: &str, kind: &'static str, size: u64, digest: &str, shared: bool) -> Item {
        Item {
            id: id.into(),
            title: String::new(),
            kind,
            size,
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(id.as_bytes()[0].into()),
            shared,
            digest: Some(digest.to_string()).filter(|d| !d.is_empty()),
            place: PathBuf::new(),
        }
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_small_enough() {
        let all = || {
            vec![
                item("a", "layer", 10, "x", false),
                item("b", "mount", 50, "", false),
                item("c", "layer", 10, "x", false),
                item("d", "layer", 20, "y", true),
                item("e", "layer", 30, "z", false),
                item("f", "layer", 0, "", false),
            ]
        };
        let ids =
            |rules: Rules, free: u64| chosen(all(), &rules, free).iter().map(|i| i.id.clone()).collect::<String>();
        let rules = Rules::default();
        assert_eq!(ids(rules, 0), "acef");
        assert_eq!(ids(Rules { all: true, ..rules }, 0), "abcdef");
        // 90 bytes: what two records share counts once.
        assert_eq!(ids(Rules { keep: Some(90), ..rules }, 0), "");
        assert_eq!(ids(Rules { keep: Some(80), ..rules }, 0), "ac");
        assert_eq!(ids(Rules { keep: Some(40), all: true, ..rules }, 0), "ab");
        assert_eq!(ids(Rules { keep: Some(0), ..rules }, 0), "acef", "mounts stay, however much they take");
        assert_eq!(ids(Rules { min_free: Some(100), ..rules }, 100), "");
        assert_eq!(ids(Rules { min_free: Some(100), ..rules }, 95), "ac");
        let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(b'c')));
        assert_eq!(ids(Rules { until, ..rules }, 0), "a");
    }
}
