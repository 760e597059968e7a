//! `prune` of containers, images, volumes and of everything: what is unused goes to the trash, is measured there, and
//! deleted when no lock is held any more.

use super::filter::Filters as ContainerFilters;
use super::image_filter::Filters as ImageFilters;
use super::images::{self, Listed, Removed};
use super::rm::{self, RmOptions};
use super::volume::filter::Filters as VolumeFilters;
use super::{Ctx, mounts, ps, size};
use crate::error::{Kind, Result};
use crate::image::{Assume, Image, Store};
use crate::monitor::remove;
use crate::state::containers::Container;
use crate::state::gcdir;
use crate::state::lock::Flock;
use crate::volume;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// What was removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Full ids.
    pub containers: Vec<String>,
    pub volumes: Vec<String>,
    /// Names.
    pub networks: Vec<String>,
    pub images: Vec<Removed>,
    /// Bytes of disk space (allocated blocks) that are free again.
    pub bytes: u64,
}

/// What to prune of everything.
#[derive(Debug, Default)]
pub struct Everything {
    /// Every image that no container uses, not only those without a name, and downloads that broke off.
    pub all: bool,
    /// Anonymous volumes that no container uses, too.
    pub volumes: bool,
    /// What builds keep for later ones.
    pub build_cache: bool,
    pub container_filters: ContainerFilters,
    pub image_filters: ImageFilters,
    pub volume_filters: VolumeFilters,
    /// Only say what would go.
    pub dry_run: bool,
}

/// One run of a prune command.
struct Run<'c> {
    ctx: &'c Ctx,
    dry_run: bool,
    pruned: Pruned,
    /// Dry: what would be deleted.
    paths: Vec<PathBuf>,
    /// Dry: what is to be taken as gone.
    gone: Assume,
}

/// Removes all containers that do not run and that pass the filters.
pub fn containers(ctx: &Ctx, filters: &ContainerFilters, dry_run: bool) -> Result<Pruned> {
    let mut run = Run::new(ctx, dry_run);
    run.containers(filters)?;
    run.finish()
}

/// Removes images that no container uses and that pass the filters: those without a name, or with `all` any.
pub fn images(ctx: &Ctx, all: bool, filters: &ImageFilters, dry_run: bool) -> Result<Pruned> {
    let mut run = Run::new(ctx, dry_run);
    run.images(all, false, filters)?;
    run.finish()
}

/// Removes volumes that no container uses and that pass the filters: anonymous ones, or with `all` any.
pub fn volumes(ctx: &Ctx, all: bool, filters: &VolumeFilters, dry_run: bool) -> Result<Pruned> {
    let mut run = Run::new(ctx, dry_run);
    run.volumes(all, filters)?;
    run.finish()
}

/// Removes everything that is unused.
pub fn everything(ctx: &Ctx, what: &Everything) -> Result<Pruned> {
    let mut run = Run::new(ctx, what.dry_run);
    run.containers(&what.container_filters)?;
    if what.volumes {
        run.volumes(false, &what.volume_filters)?;
    }
    if what.all {
        run.downloads();
    }
    run.images(what.all, what.build_cache, &what.image_filters)?;
    run.finish()
}

/// Removes an image or a manifest list from the index; whether it was there.
fn remove_listed(store: &Store, list: bool, image: &Image) -> Result<bool> {
    match list {
        true => store.find_list(&image.id)?.map_or(Ok(false), |list| store.remove_list(&list)),
        false => store.remove(image),
    }
}

impl<'c> Run<'c> {
    fn new(ctx: &'c Ctx, dry_run: bool) -> Run<'c> {
        Run { ctx, dry_run, pruned: Pruned::default(), paths: Vec::new(), gone: Assume::default() }
    }

    fn containers(&mut self, filters: &ContainerFilters) -> Result<()> {
        let ctx = self.ctx;
        for container in ps::list(ctx)? {
            // One that has just ended may still be cleaned up by its monitor: rm waits for that. With --rm it goes
            // anyway.
            let going = container.alive && container.config.auto_remove;
            if container.active() || going || !filters.matches(ctx, &container) {
                continue;
            }
            if self.dry_run {
                self.paths.push(container.dir.path().to_path_buf());
                self.gone.containers.insert(container.id.clone());
            } else {
                match rm::unlink(ctx, &container.id, RmOptions::default()) {
                    Ok(_) => {}
                    // It was started meanwhile.
                    Err(e) if e.kind == Kind::Conflict => continue,
                    Err(e) => return Err(e),
                }
            }
            self.pruned.containers.push(container.id);
        }
        Ok(())
    }

    /// The containers that count as users of something.
    fn users(&self) -> Result<Vec<Container>> {
        let all = crate::state::containers::list(&self.ctx.paths)?;
        Ok(all.into_iter().filter(|c| !self.gone.containers.contains(&c.id)).collect())
    }

    fn images(&mut self, all: bool, build_cache: bool, filters: &ImageFilters) -> Result<()> {
        let ctx = self.ctx;
        let store = Store::open(&ctx.paths)?;
        if build_cache {
            self.build_cache(&store);
        }
        let mut used: HashSet<String> = self.users()?.into_iter().flat_map(|c| c.config.all_images()).collect();
        used.extend(mounts::mounted_images(&ctx.paths));
        let unused = |l: &Listed| {
            !used.contains(&l.image.id)
                && (!l.list || l.containers == 0)
                && (all || l.image.names.is_empty())
                && filters.pass(l)
        };
        for listed in images::list(ctx)?.into_iter().filter(unused) {
            let image = listed.image;
            if self.dry_run {
                self.gone.images.insert(image.id.clone());
            } else if !remove_listed(&store, listed.list, &image)? {
                continue;
            }
            self.pruned.images.push(Removed { untagged: image.names, deleted: Some(image.id) });
        }
        if self.dry_run {
            let garbage = store.garbage(&self.gone)?;
            self.paths.extend([garbage.blobs, garbage.layers, garbage.views].into_iter().flatten());
        } else {
            store.collect()?;
        }
        Ok(())
    }

    fn volumes(&mut self, all: bool, filters: &VolumeFilters) -> Result<()> {
        let paths = &self.ctx.paths;
        let users = super::volume::users(self.ctx)?;
        let used =
            |name: &str| users.get(name).is_some_and(|ids| ids.iter().any(|id| !self.gone.containers.contains(id)));
        let unused: Vec<String> = volume::list(paths)?
            .into_iter()
            .filter(|v| !used(&v.name) && (all || v.anonymous) && filters.pass(v, false))
            .map(|v| v.name)
            .collect();
        for name in unused {
            if self.dry_run {
                self.paths.push(paths.volumes().join(&name));
            } else if let Err(e) = volume::discard(paths, &name) {
                // Somebody else removed it.
                if e.kind == Kind::NotFound {
                    continue;
                }
                return Err(e);
            }
            self.pruned.volumes.push(name);
        }
        Ok(())
    }

    /// Records of build steps, cache mounts that no build has locked, and hashes of contexts.
    fn build_cache(&mut self, store: &Store) {
        let paths = &self.ctx.paths;
        let entries = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
        let mounts = paths.build().join("mounts");
        let free = entries(mounts.clone()).filter(|path| Flock::try_dir(path).is_some());
        let parts: Vec<PathBuf> = entries(paths.build()).filter(|path| *path != mounts).chain(free).collect();
        store.release_build_layers();
        self.gone.build_cache = true;
        for path in parts {
            if self.dry_run {
                self.paths.push(path);
            } else {
                let _ = gcdir::discard(paths, &path);
            }
        }
    }

    /// Downloads that broke off, however young: they would go on some day.
    fn downloads(&mut self) {
        let paths = &self.ctx.paths;
        for path in gcdir::partials(paths, Duration::ZERO) {
            if self.dry_run {
                self.paths.push(path);
            } else {
                let _ = gcdir::discard(paths, &path);
            }
        }
    }

    /// Deletes what is in the trash, with what dead processes left, and adds it all up.
    fn finish(mut self) -> Result<Pruned> {
        if !self.dry_run && !self.pruned.containers.is_empty() && Store::waits_for_containers(&self.ctx.paths) {
            Store::open(&self.ctx.paths)?.collect()?;
        }
        let garbage = gcdir::garbage(&self.ctx.paths);
        self.paths.extend(garbage.iter().cloned());
        self.pruned.bytes = size::allocated(std::mem::take(&mut self.paths))?;
        if !self.dry_run {
            for path in garbage {
                remove::destroy(&path, None);
            }
        }
        Ok(self.pruned)
    }
}
