//! `system df`: what the store takes on disk, in allocated blocks, each counted once.

use super::Ctx;
use super::images::{self, Listed};
use super::size::{self, Usage};
use crate::error::Result;
use crate::image::{Image, Store};
use crate::spec::model::{MountKind, Spec};
use crate::state::containers::{self, Container};
use crate::volume::{self, Volume};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

/// The whole store.
#[derive(Clone, Debug, Default)]
pub struct Df {
    pub images: Vec<ImageUsage>,
    pub containers: Vec<ContainerUsage>,
    pub volumes: Vec<VolumeUsage>,
    /// Blobs, layers and views, whether an image has them or not, but for those of the build cache alone.
    pub image_total: Total,
    pub container_total: Total,
    pub volume_total: Total,
    /// Records, cache mounts and hashes of the build cache, and the layers that it alone has: neither an image nor a
    /// container.
    pub build_total: Total,
    /// Bytes in tmp/, trash/ and partial/: downloads and removals under way, broken off, or left by dead processes.
    pub leftovers: u64,
}

/// One line of the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub count: usize,
    /// In use.
    pub active: usize,
    /// Bytes.
    pub size: u64,
    /// Bytes that the matching `prune --all` would free.
    pub reclaimable: u64,
}

#[derive(Clone, Debug)]
pub struct ImageUsage {
    pub image: Image,
    /// Blobs and extracted layers, in bytes.
    pub size: u64,
    /// The part that other images have as well.
    pub shared: u64,
    pub containers: usize,
}

#[derive(Clone, Debug)]
pub struct ContainerUsage {
    pub container: Container,
    /// Its own files with its records and log, in bytes.
    pub size: u64,
    pub volumes: usize,
}

#[derive(Clone, Debug)]
pub struct VolumeUsage {
    pub volume: Volume,
    pub size: u64,
    /// Containers that mount it.
    pub links: usize,
}

/// Measures the store.
pub fn df(ctx: &Ctx) -> Result<Df> {
    let paths = &ctx.paths;
    let store = Store::open(paths)?;
    let list = containers::list(paths)?;
    let volumes = volume::list(paths)?;
    // One job measures everything that may belong to mapped ids.
    let layers = Layers::find(&store);
    let mut trees: Vec<PathBuf> = layers.unmeasured.iter().map(|(_, path)| path.clone()).collect();
    trees.extend(list.iter().map(|c| c.dir.path().to_path_buf()));
    trees.extend(volumes.iter().map(|v| paths.volumes().join(&v.name)));
    trees.extend([paths.tmp(), paths.trash(), paths.partial(), paths.build()]);
    let sizes = size::trees(trees)?;
    let (layer_sizes, rest) = sizes.split_at(layers.unmeasured.len());
    let (container_sizes, rest) = rest.split_at(list.len());
    let (volume_sizes, rest) = rest.split_at(volumes.len());
    let (leftovers, build) = rest.split_at(3);
    let objects = Objects::new(&store, layers, layer_sizes);
    let specs: Vec<Option<Spec>> = list.iter().map(|c| containers::load_spec(paths, &c.id).ok()).collect();

    let mut df = Df { leftovers: leftovers.iter().map(|u| u.allocated).sum(), ..Df::default() };
    let cached = store.build_layers();
    let cache_alone = df.of_images(images::list(ctx)?, &list, &objects, &specs, &cached);
    df.of_containers(list, container_sizes, &specs);
    let size = build.iter().map(|u| u.allocated).sum::<u64>() + cache_alone;
    let count = std::fs::read_dir(paths.build()).map_or(0, |entries| entries.flatten().count());
    df.build_total = Total { count, active: 0, size, reclaimable: size };
    df.of_volumes(volumes, volume_sizes, &super::volume::users(ctx)?);
    Ok(df)
}

/// The directories of layers and views.
struct Layers {
    /// Chain id and bytes, where the layer's record knows them.
    measured: Vec<(String, u64)>,
    /// Chain id and place of the others.
    unmeasured: Vec<(String, PathBuf)>,
}

impl Layers {
    fn find(store: &Store) -> Layers {
        let mut layers = Layers { measured: Vec::new(), unmeasured: Vec::new() };
        for dir in store.layer_directories() {
            match dir.allocated {
                Some(bytes) => layers.measured.push((dir.chain_id, bytes)),
                None => layers.unmeasured.push((dir.chain_id, dir.path)),
            }
            if let Some(view) = dir.views {
                layers.unmeasured.push((String::new(), view));
            }
        }
        layers
    }
}

/// A thing that images share, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part<'n> {
    Blob(&'n str),
    /// A chain id.
    Layer(&'n str),
}

/// The bytes of everything that images consist of.
#[derive(Default)]
struct Objects {
    blobs: HashMap<String, u64>,
    layers: HashMap<String, u64>,
    /// Views, which go with their layers.
    views: u64,
}

impl Objects {
    fn new(store: &Store, layers: Layers, sizes: &[Usage]) -> Objects {
        let mut objects = Objects { blobs: store.blob_sizes(), ..Objects::default() };
        let measured = layers.unmeasured.into_iter().zip(sizes.iter().map(|u| u.allocated));
        for (chain, bytes) in layers.measured.into_iter().chain(measured.map(|((chain, _), bytes)| (chain, bytes))) {
            match chain.as_str() {
                "" => objects.views += bytes,
                _ => *objects.layers.entry(chain).or_default() += bytes,
            }
        }
        objects
    }

    fn total(&self) -> u64 {
        self.blobs.values().sum::<u64>() + self.layers.values().sum::<u64>() + self.views
    }

    fn size(&self, part: &Part) -> u64 {
        let size = match part {
            Part::Blob(hex) => self.blobs.get(*hex),
            Part::Layer(chain) => self.layers.get(*chain),
        };
        size.copied().unwrap_or(0)
    }
}

fn parts(image: &Image) -> HashSet<Part<'_>> {
    let layers = image.layers.iter().flat_map(|l| [Part::Blob(l.digest.hex()), Part::Layer(&l.chain_id)]);
    layers.chain([Part::Blob(image.manifest.hex()), Part::Blob(&image.id)]).collect()
}

impl Df {
    /// The bytes of what is only in the build cache, whose (blob, chain) pairs are `cached`.
    fn of_images(
        &mut self,
        images: Vec<Listed>,
        list: &[Container],
        objects: &Objects,
        specs: &[Option<Spec>],
        cached: &[(String, String)],
    ) -> u64 {
        let used: HashSet<&str> = list
            .iter()
            .flat_map(|c| c.config.mounted_images.iter().chain([&c.config.image_id]).map(String::as_str))
            .collect();
        let mut owners: HashMap<Part, usize> = HashMap::new();
        let mut needed: HashSet<Part> =
            specs.iter().flatten().flat_map(|spec| &spec.root.layers).map(|chain| Part::Layer(chain)).collect();
        for image in images.iter().map(|l| &l.image) {
            for part in parts(image) {
                *owners.entry(part).or_default() += 1;
                if used.contains(image.id.as_str()) {
                    needed.insert(part);
                }
            }
        }
        for listed in &images {
            let parts = parts(&listed.image);
            let shared = parts.iter().filter(|p| owners.get(p).is_some_and(|n| *n > 1));
            self.images.push(ImageUsage {
                size: parts.iter().map(|p| objects.size(p)).sum(),
                shared: shared.map(|p| objects.size(p)).sum(),
                containers: listed.containers,
                image: listed.image.clone(),
            });
        }
        let cache: HashSet<Part> = cached.iter().flat_map(|(b, chain)| [Part::Blob(b), Part::Layer(chain)]).collect();
        let alone = |p: &&Part| !owners.contains_key(p) && !needed.contains(p);
        let cache_alone: u64 = cache.iter().filter(alone).map(|p| objects.size(p)).sum();
        let size = objects.total().saturating_sub(cache_alone);
        let kept: u64 = needed.iter().map(|p| objects.size(p)).sum();
        let views = if needed.is_empty() { 0 } else { objects.views };
        self.image_total = Total {
            count: images.len(),
            active: images.iter().filter(|l| used.contains(l.image.id.as_str())).count(),
            size,
            reclaimable: size.saturating_sub(kept + views),
        };
        cache_alone
    }

    fn of_containers(&mut self, list: Vec<Container>, sizes: &[Usage], specs: &[Option<Spec>]) {
        for ((container, usage), spec) in list.into_iter().zip(sizes).zip(specs) {
            let size = usage.allocated;
            let total = &mut self.container_total;
            total.count += 1;
            total.size += size;
            if container.active() {
                total.active += 1;
            } else {
                total.reclaimable += size;
            }
            let mounts = spec.iter().flat_map(|s| &s.mounts);
            let volumes = mounts.filter(|m| matches!(m.kind, MountKind::Volume { .. })).count();
            self.containers.push(ContainerUsage { container, size, volumes });
        }
    }

    fn of_volumes(&mut self, volumes: Vec<Volume>, sizes: &[Usage], users: &BTreeMap<String, Vec<String>>) {
        for (volume, usage) in volumes.into_iter().zip(sizes) {
            let size = usage.allocated;
            let links = users.get(&volume.name).map_or(0, Vec::len);
            let total = &mut self.volume_total;
            total.count += 1;
            total.size += size;
            if links > 0 {
                total.active += 1;
            } else {
                total.reclaimable += size;
            }
            self.volumes.push(VolumeUsage { volume, size, links });
        }
    }
}
