//! The files of containers and images, as trees to compare and to pack.

use super::{Ctx, start};
use crate::error::{Context, Error, Result};
use crate::image::diff::Trees;
use crate::image::{Image, Store};
use crate::runtime::cgroup::{self, Frozen};
use crate::runtime::jobs::RootFs;
use crate::spec::model::Spec;
use crate::state::containers::{self, Container};
use crate::state::lock::Flock;
use crate::userns::IdMap;
use std::path::Path;

/// A container's files.
pub struct ContainerTree {
    pub container: Container,
    pub spec: Spec,
    pub trees: Trees,
    /// The ids that its files belong to.
    pub idmap: IdMap,
    /// One that does not run must stay so.
    _lock: Option<Flock>,
}

/// Layers extracted at once.
const UNPACK_JOBS: usize = 2;

/// The files of the container `name`, running or not.
pub fn container(ctx: &Ctx, name: &str) -> Result<ContainerTree> {
    let id = containers::resolve(&ctx.paths, name)?;
    let mut container = containers::load(&ctx.paths, &id)?;
    let mut lock = None;
    if !(container.active() && container.alive) {
        lock = Some(Flock::exclusive(&container.dir.lock())?);
        container = containers::load(&ctx.paths, &id)?;
    }
    container.sound()?;
    let spec: Spec = containers::load_spec(&ctx.paths, &id)?;
    let usual = IdMap::detect()?;
    let lowers = start::layers(ctx, &container, &spec, &usual)?;
    let (idmap, root) = RootFs::of(&spec, &container.dir, &lowers, &usual)?;
    let trees = Trees {
        whole: root.is_whole(),
        upper: Some(root.rootfs.unwrap_or(root.upper)),
        lowers: root.layers.lowers,
        data: root.layers.data,
        against: None,
        own: true,
        stubs: Vec::new(),
    };
    Ok(ContainerTree { container, spec, trees, idmap, _lock: lock })
}

impl ContainerTree {
    /// An error for a root directory that is not of layers: nothing is known of what it was before.
    pub fn of_layers(&self, verb: &str) -> Result<()> {
        match &self.spec.root.rootfs {
            None => Ok(()),
            Some(dir) => Err(Error::unsupported(format!(
                "{verb} container {}: its root is the directory {dir}, not an image",
                self.container.name
            ))
            .hint(format!("coracle export {} | coracle import - NAME", self.container.name))),
        }
    }

    /// Stops the processes of a running container until the guard is dropped; a note where that can't be done.
    pub fn pause(&self) -> (Option<Frozen>, Option<String>) {
        if !(self.container.active() && self.container.alive) {
            return (None, None);
        }
        let name = &self.container.name;
        let why = match self.container.state.cgroup.as_str() {
            "" => "it has no cgroup of its own".to_string(),
            dir => match cgroup::freeze(Path::new(dir)) {
                Ok(frozen) => return (Some(frozen), None),
                // Paused by the user: nothing moves.
                Err(e) if e.kind == crate::error::Kind::Conflict => return (None, None),
                Err(e) => e.to_string(),
            },
        };
        (None, Some(format!("container {name} can't be paused and goes on meanwhile: {why}")))
    }
}

/// The layers of an image, top-most first, extracted if need be.
pub fn layers(store: &Store, image: &Image, idmap: &IdMap) -> Result<Vec<std::path::PathBuf>> {
    let chain: Vec<String> = image.layers.iter().map(|l| l.chain_id.clone()).collect();
    if let Ok(found) = store.layer_dirs(&chain, idmap) {
        return Ok(found);
    }
    store.unpack(&image.manifest, UNPACK_JOBS, idmap, &|_| {}).context("extract the image")?;
    store.layer_dirs(&chain, idmap)
}
