//! Collecting what nothing refers to: marks from the index, from pulls that broke off and from the containers, then sweeps
//! to the trash.

use super::blobs::STAGED;
use super::layers::REPLACED;
use super::{Digest, Index, Manifest, Store, partial};
use crate::error::{Error, Kind, Result};
use crate::spec::model::Spec;
use crate::state::lock::{Flock, Life};
use crate::state::paths::Paths;
use crate::state::{atomic, containers, gcdir};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Other tools write into the layout without our lock, blobs first: what this process has not had in hand is only
/// garbage when it is this old.
const FOREIGN: Duration = Duration::from_secs(3600);

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: usize,
    pub layers: usize,
    /// Where all of it waits for deletion. Files of mapped ids are among it.
    pub trash: Vec<PathBuf>,
}

/// What [`Store::garbage`] is to take as gone already.
#[derive(Clone, Debug, Default)]
pub struct Assume {
    /// Ids.
    pub images: HashSet<String>,
    pub containers: HashSet<String>,
    pub build_cache: bool,
}

/// What nothing refers to.
#[derive(Clone, Debug, Default)]
pub struct Garbage {
    pub blobs: Vec<PathBuf>,
    /// Directories below `layers/`.
    pub layers: Vec<PathBuf>,
    /// Directories below `views/` whose layer is gone or goes.
    pub views: Vec<PathBuf>,
    /// Some layers are kept by containers alone.
    held: bool,
}

#[derive(Debug, Default)]
struct Marks {
    /// Names of files in `blobs/`.
    blobs: HashSet<String>,
    /// Chain ids that images have.
    layers: HashSet<String>,
    /// Chain ids that containers have.
    used: HashSet<String>,
    /// A container's record is damaged, so its layers are unknown: none may go.
    unclear: bool,
}

/// What counts of a record of the build cache.
#[derive(serde::Deserialize)]
pub(super) struct BuildRecord {
    pub layer: Option<BuildLayer>,
    chain: String,
}

#[derive(serde::Deserialize)]
pub(super) struct BuildLayer {
    pub digest: Digest,
    pub size: u64,
}

impl Store {
    /// Moves the blobs that no image has (those this `Store` wrote or unlisted, and old ones; pulls that may be continued
    /// count as images), the layers that neither an image nor a container has, and those layers' views to the trash.
    /// `None` when somebody adds to the store just now: the garbage then waits for another time. Takes the store,
    /// because its own lease would be in the way.
    pub fn collect(self) -> Result<Option<Collected>> {
        let path = self.paths.store_lock();
        if !path.exists() {
            return Ok(Some(Collected::default()));
        }
        let Store { paths, lease, handled, .. } = self;
        drop(lease);
        let Some(_lock) = Flock::try_exclusive(&path)? else { return Ok(None) };
        let mut store = Store::open(&paths)?;
        store.handled = handled;
        // Downloads of this process failed for a reason that another attempt would meet too.
        for (path, name) in entries(&paths.partial()) {
            if store.has_handled(name.strip_suffix(partial::PULL).unwrap_or(&name)) {
                let _ = std::fs::remove_file(path);
            }
        }
        let garbage = store.garbage(&Assume::default())?;
        let mut done = Collected::default();
        // Only renames while the lock is held: deleting takes its time.
        let mut discard = |from: &[PathBuf]| {
            let moved: Vec<PathBuf> = from.iter().filter_map(|path| gcdir::discard(&paths, path).ok()).collect();
            let count = moved.len();
            done.trash.extend(moved);
            count
        };
        done.blobs = discard(&garbage.blobs);
        discard(&garbage.views);
        done.layers = discard(&garbage.layers);
        // With the lock in our hands no blob is being written: what dead processes left need not grow old first.
        discard(&staged(&paths));
        remember(&paths.held_layers(), garbage.held);
        Ok(Some(done))
    }

    /// Whether layers wait for the end of a container that outlived its image: then its removal should collect.
    pub fn waits_for_containers(paths: &Paths) -> bool {
        paths.held_layers().exists()
    }

    /// What [`Store::collect`] would take if `assume` came true. Changes nothing.
    pub fn garbage(&self, assume: &Assume) -> Result<Garbage> {
        let (marks, doomed) = self.marks(assume)?;
        let paths = &self.paths;
        let handled = self.handled.lock().map(|h| h.clone()).unwrap_or_default();
        let mut garbage = Garbage::default();
        for (path, name) in entries(&paths.blobs()) {
            if marks.blobs.contains(&name) {
                continue;
            }
            let Ok(meta) = path.symlink_metadata() else { continue };
            let old = meta.modified().ok().and_then(|t| t.elapsed().ok()).is_some_and(|age| age > FOREIGN);
            if old || handled.contains(&name) || doomed.contains(&name) {
                garbage.blobs.push(path);
            }
        }
        let mut stay = HashSet::new();
        for (path, name) in entries(&paths.layers()) {
            let chain = chain_of(&name);
            if name.contains(REPLACED) {
                // Mounted by containers that ran when it was replaced.
                if !self.mounted().contains(chain) {
                    garbage.layers.push(path);
                }
                continue;
            }
            let (listed, used) = (marks.layers.contains(chain), marks.unclear || marks.used.contains(chain));
            garbage.held |= used && !listed;
            if listed || used {
                stay.insert(name);
            } else {
                garbage.layers.push(path);
            }
        }
        garbage.views =
            entries(&paths.views()).filter(|(_, name)| !stay.contains(name)).map(|(path, _)| path).collect();
        Ok(garbage)
    }

    /// Chain ids of the layers that living containers have mounted.
    pub fn mounted(&self) -> HashSet<String> {
        let ids = containers::ids(&self.paths).unwrap_or_default().into_iter();
        let alive = ids.filter(|id| Life::held(&self.paths.container(id).life()).unwrap_or(true));
        let specs = alive.filter_map(|id| containers::load_spec::<Spec>(&self.paths, &id).ok());
        specs.flat_map(Spec::all_layers).collect()
    }

    /// What refers to blobs and layers, and the blobs of the images that `assume` takes away.
    fn marks(&self, assume: &Assume) -> Result<(Marks, HashSet<String>)> {
        let (mut marks, mut doomed) = (Marks::default(), Marks::default());
        for entry in self.entries()? {
            let gone = !assume.images.is_empty()
                && match entry.is_list() {
                    true => assume.images.contains(entry.list_id()),
                    false => self.config_digest(&entry).is_ok_and(|config| assume.images.contains(config.hex())),
                };
            let marks = if gone { &mut doomed } else { &mut marks };
            for digest in [&entry.manifest, &entry.original] {
                self.mark(digest, marks, 0)?;
            }
        }
        for manifest in self.pending_pulls() {
            self.mark(&manifest, &mut marks, 0)?;
        }
        for (digest, chain) in self.build_layers() {
            let marks = if assume.build_cache { &mut doomed } else { &mut marks };
            marks.blobs.insert(digest);
            marks.layers.insert(chain);
        }
        for id in containers::ids(&self.paths)? {
            if assume.containers.contains(&id) {
                continue;
            }
            match containers::load_spec::<Spec>(&self.paths, &id) {
                Ok(spec) => marks.used.extend(spec.all_layers()),
                // It is being removed.
                Err(e) if e.kind == Kind::NotFound => {}
                Err(_) => marks.unclear = true,
            }
        }
        Ok((marks, doomed.blobs))
    }

    /// Takes the blobs of the build cache for ones that this process let go of: [`Store::collect`] need not wait for
    /// them to grow old.
    pub fn release_build_layers(&self) {
        self.handled(self.build_layers().into_iter().map(|(digest, _)| digest));
    }

    /// The layers that the build cache keeps: the hex digests of their blobs, and their chain ids.
    pub fn build_layers(&self) -> Vec<(String, String)> {
        let records = self.build_records().filter_map(|(_, record)| record.ok());
        records.filter_map(|r| Some((r.layer?.digest.hex().to_string(), r.chain))).collect()
    }

    /// The records of the build cache and their files.
    pub(super) fn build_records(&self) -> impl Iterator<Item = (PathBuf, Result<BuildRecord>)> {
        let json = entries(&self.paths.build()).filter(|(_, name)| name.ends_with(".json"));
        json.map(|(path, _)| (path.clone(), atomic::read_json(&path)))
    }

    /// Marks a manifest or an index (which other tools may have added) and all below it.
    fn mark(&self, digest: &Digest, marks: &mut Marks, depth: usize) -> Result<()> {
        if depth > 4 {
            return Err(Error::user(format!("clean up the image store: index {digest} is nested too deeply")));
        }
        marks.blobs.insert(digest.hex().to_string());
        // A manifest that is gone or damaged holds nothing: the image can only be pulled again.
        let Ok(bytes) = self.read(digest) else { return Ok(()) };
        if let Ok(manifest) = Manifest::parse(&bytes) {
            marks.blobs.insert(manifest.config.digest.hex().to_string());
            marks.blobs.extend(manifest.layers.iter().map(|l| l.digest.hex().to_string()));
            if let Ok(image) = self.image(digest) {
                marks.layers.extend(image.layers.into_iter().map(|l| l.chain_id));
            }
        } else if let Ok(index) = Index::parse(&bytes) {
            for part in &index.manifests {
                if self.has_blob(&part.digest, None) {
                    self.mark(&part.digest, marks, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

/// The chain id in the name of a layer's directory.
pub(super) fn chain_of(name: &str) -> &str {
    name.split('-').next().unwrap_or_default()
}

fn entries(dir: &Path) -> impl Iterator<Item = (PathBuf, String)> + use<> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| (e.path(), e.file_name().to_string_lossy().into_owned()))
}

fn staged(paths: &Paths) -> Vec<PathBuf> {
    entries(&paths.tmp()).filter(|(_, name)| name.starts_with(STAGED)).map(|(path, _)| path).collect()
}

fn remember(marker: &Path, wanted: bool) {
    // Only a hint: without it the layers go with the next `rmi` or `prune`.
    match wanted {
        true if !marker.exists() => drop(atomic::write(marker, b"", atomic::Class::Volatile)),
        false => drop(std::fs::remove_file(marker)),
        true => {}
    }
}
