//! Healing what was found, from the simple to what builds on it: directories, index, blobs, layers, leftovers.

use super::{Found, Outcome, Remedy};
use crate::engine::pull::{self, Policy};
use crate::engine::{Ctx, images as engine_images};
use crate::error::{Context, Error, Result};
use crate::image::{BadBlob, BadLayer, HELLO, Image, Replace, Store, Wrong};
use crate::monitor::remove;
use crate::registry::{PullOptions, Silent};
use crate::state::atomic::{self, Class};
use crate::state::container::{SCHEMA, State, Status};
use crate::state::lock::{Flock, Life};
use crate::state::{containers, events, gcdir, names};
use crate::userns::IdMap;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

/// Layers extracted at once.
const JOBS: usize = 2;

/// Applies all remedies and notes what came of each.
pub(super) fn all(ctx: &Ctx, found: &mut [Found], how: &PullOptions) {
    for one in found.iter_mut() {
        if let Some(result) = simple(ctx, &one.remedy) {
            one.finding.outcome = Some(outcome(result));
        }
    }
    fetch(ctx, found, how);
    rebuild(ctx, found);
    collect(ctx, found);
}

pub(super) fn outcome(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Repaired,
        Err(e) => Outcome::Failed(e.to_string()),
    }
}

/// What needs no other object; `None` for the rest.
fn simple(ctx: &Ctx, remedy: &Remedy) -> Option<Result<()>> {
    Some(match remedy {
        Remedy::Mode(dir, mode) => set_mode(dir, *mode),
        Remedy::MakeDir(dir) => make_dir(dir),
        Remedy::MakeFile(path, text) => atomic::write(path, text, Class::Durable),
        Remedy::Discard(path) => gcdir::discard(&ctx.paths, path).map(drop).or_else(|_| gcdir::remove_tree(path)),
        Remedy::Unlink(path) => std::fs::remove_file(path).with_context(|| format!("remove {}", path.display())),
        Remedy::Unname(name) => names::drop_stale(&ctx.paths, name),
        Remedy::Name { name, id } => rename(ctx, name, id),
        Remedy::State(id) => ended(ctx, id),
        Remedy::Reindex => reindex(ctx),
        Remedy::Forget(digest) => Store::open(&ctx.paths).and_then(|store| store.forget_manifest(digest)).map(drop),
        Remedy::Uncache(bad) => uncache(ctx, bad),
        Remedy::None | Remedy::Fetch(_) | Remedy::Rebuild(_) | Remedy::Collect => return None,
    })
}

pub(super) fn set_mode(dir: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", dir.display()))
}

/// The record first: one without its blob counts as none.
fn uncache(ctx: &Ctx, bad: &BadBlob) -> Result<()> {
    for path in &bad.steps {
        std::fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    Store::open(&ctx.paths)?.discard_blob(&bad.digest)
}

/// Containers' users have to get into it.
fn make_dir(dir: &Path) -> Result<()> {
    let mode = rustix::fs::Mode::from_raw_mode(0o755);
    rustix::fs::mkdir(dir, mode)
        .and_then(|()| rustix::fs::chmod(dir, mode))
        .with_context(|| format!("make {}", dir.display()))
}

fn rename(ctx: &Ctx, name: &str, id: &str) -> Result<()> {
    let path = ctx.paths.container(id).name();
    if !name.is_empty() && names::claim(&ctx.paths, name, id).is_ok() {
        return Ok(());
    }
    let name = names::random(&ctx.paths);
    names::claim(&ctx.paths, &name, id)?;
    atomic::write(&path, format!("{name}\n").as_bytes(), Class::Durable)
}

fn ended(ctx: &Ctx, id: &str) -> Result<()> {
    let dir = ctx.paths.container(id);
    let _lock = Flock::exclusive(&dir.lock())?;
    let Some(_life) = Life::acquire(&dir.life(), Duration::ZERO)? else {
        return Err(Error::conflict(format!("repair container {id}: it runs")));
    };
    let state = State {
        version: SCHEMA,
        status: Status::Exited,
        exit_code: containers::REBOOTED,
        finished: events::now(),
        error: "its state was lost".into(),
        ..State::default()
    };
    atomic::write_json(&dir.state(), &state, Class::Durable)
}

fn reindex(ctx: &Ctx) -> Result<()> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for container in containers::list(&ctx.paths)? {
        if !container.config.image_ref.is_empty() {
            known.entry(container.config.image_id).or_default().insert(container.config.image_ref);
        }
    }
    Store::open(&ctx.paths)?.rebuild_index(&known).map(drop)
}

/// Brings bad blobs back from where their images came from.
fn fetch(ctx: &Ctx, found: &mut [Found], how: &PullOptions) {
    let bad: Vec<BadBlob> = found
        .iter()
        .filter_map(|f| match &f.remedy {
            Remedy::Fetch(bad) => Some(bad.clone()),
            _ => None,
        })
        .collect();
    if bad.is_empty() {
        return;
    }
    let mut errors: BTreeMap<String, String> = BTreeMap::new();
    let tried = (|| {
        let store = Store::open(&ctx.paths)?;
        for blob in &bad {
            // What is wrong is of no use, and only in the way of good data. What can't be read may still be right.
            let lost = !matches!(blob.wrong, Wrong::Unreadable(_));
            if lost || !blob.sources.is_empty() || blob.images.contains(HELLO) {
                store.discard_blob(&blob.digest)?;
            }
        }
        if bad.iter().any(|blob| blob.images.contains(HELLO)) {
            store.restore_hello()?;
        }
        for source in bad.iter().flat_map(|blob| &blob.sources).collect::<BTreeSet<_>>() {
            // Blobs that are there are not fetched.
            if let Err(e) = pull::pull(ctx, source, Policy::Always, how, &Silent) {
                errors.insert(source.clone(), e.to_string());
            }
        }
        Ok(())
    })();
    let bad = tried.and_then(|()| Store::open(&ctx.paths)?.check_blobs(true)).map(|(bad, _)| bad);
    for one in found {
        let Remedy::Fetch(blob) = &one.remedy else { continue };
        let why = blob.sources.iter().find_map(|source| errors.get(source));
        one.finding.outcome = Some(match &bad {
            Err(e) => Outcome::Failed(e.to_string()),
            Ok(bad) if !bad.iter().any(|b| b.digest == blob.digest) => Outcome::Repaired,
            Ok(_) => Outcome::Failed(why.cloned().unwrap_or_else(|| "it can be fetched from nowhere".into())),
        });
    }
}

/// Extracts bad layers again.
fn rebuild(ctx: &Ctx, found: &mut [Found]) {
    let chains: HashSet<String> = found.iter().filter_map(bad_layer).map(|bad| bad.chain_id.clone()).collect();
    if chains.is_empty() {
        return;
    }
    let mut done: BTreeMap<String, Result<()>> = BTreeMap::new();
    let images = Store::open(&ctx.paths).and_then(|store| store.list());
    let mounted = Store::open(&ctx.paths).map(|store| store.mounted()).unwrap_or_default();
    for image in images.unwrap_or_default() {
        let own = image.layers.iter().map(|l| l.chain_id.clone());
        let layers: HashSet<String> =
            own.filter(|chain| chains.contains(chain) && !matches!(done.get(chain), Some(Ok(())))).collect();
        if layers.is_empty() {
            continue;
        }
        let result = extract(ctx, &image, Replace { layers: layers.clone(), mounted: mounted.clone() });
        if result.is_ok() {
            drop_views(ctx, &image, &mounted);
        }
        for chain in layers {
            done.insert(chain, result.clone());
        }
    }
    for one in found {
        let Some(bad) = bad_layer(one) else { continue };
        let result = match done.get(&bad.chain_id) {
            Some(result) => result.clone(),
            None if super::images::users(ctx, &bad.chain_id).is_empty() => {
                gcdir::discard(&ctx.paths, &ctx.paths.layers().join(&bad.name)).map(drop)
            }
            None => Err(Error::not_found("find its image: it was removed").hint("pull or load it, then repair again")),
        };
        one.finding.outcome = Some(outcome(result));
    }
}

/// Other id maps' views of an image's layers are made again when they are needed; those of running containers stay.
fn drop_views(ctx: &Ctx, image: &Image, mounted: &HashSet<String>) {
    for layer in image.layers.iter().filter(|l| !mounted.contains(&l.chain_id)) {
        for entry in std::fs::read_dir(ctx.paths.views()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&layer.chain_id) {
                let _ = gcdir::discard(&ctx.paths, &entry.path());
            }
        }
    }
}

fn bad_layer(found: &Found) -> Option<&BadLayer> {
    match &found.remedy {
        Remedy::Rebuild(bad) => Some(bad),
        _ => None,
    }
}

fn extract(ctx: &Ctx, image: &Image, replace: Replace) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.rebuild(image, JOBS, &IdMap::detect()?, replace)
}

/// What `prune` takes, and what is in the trash by now.
fn collect(ctx: &Ctx, found: &mut [Found]) {
    let result = Store::open(&ctx.paths).and_then(|store| engine_images::collect(ctx, store));
    let left = gcdir::garbage(&ctx.paths);
    remove::sweep(&ctx.paths, None);
    for one in found.iter_mut().filter(|f| matches!(f.remedy, Remedy::Collect)) {
        one.finding.outcome = Some(match &result {
            Err(e) => Outcome::Failed(e.to_string()),
            Ok(()) if left.is_empty() => Outcome::Repaired,
            Ok(()) => outcome(gone(&left)),
        });
    }
}

fn gone(paths: &[std::path::PathBuf]) -> Result<()> {
    match paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(Error::conflict(format!("delete {}: something of it stays", path.display()))),
        None => Ok(()),
    }
}
