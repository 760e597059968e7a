//! Reading shared caches, and fetching of them what a build takes.

use super::ask::From;
use super::form::{self, CACHE_CONFIG};
use crate::build::cache::{Layer, Record};
use crate::error::{Context, Error, Result};
use crate::image::{Descriptor, Digest, ImageConfig, LayoutDir, Manifest, Reference, Store, StoredLayer, oci_layer};
use crate::registry::{self, Progress, PullOptions, Registries};
use base64::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Where the blobs of a cache are.
#[derive(Clone, Debug)]
enum Place {
    Registry(Reference),
    Layout(LayoutDir),
    Store,
}

/// The records of all shared caches of a build. Nothing of them is in the store until the build takes it: a record that
/// nobody uses leaves no trace.
#[derive(Debug, Default)]
pub struct Foreign {
    places: Vec<Place>,
    /// By key, with the number of the place.
    records: BTreeMap<String, (Record, usize)>,
    /// Keys that the build found.
    used: Mutex<BTreeSet<String>>,
}

/// Reads the caches; a source that can't be read costs only time, so it is `note`d and left out.
pub fn import(
    asked: &[From],
    store: &Store,
    options: &PullOptions,
    progress: &dyn Progress,
    note: &dyn Fn(&str),
) -> Foreign {
    let mut foreign = Foreign::default();
    for from in asked {
        match from {
            From::Registry(names) => {
                let mut last = None;
                let found = names.iter().find_map(|name| match one(name, store, options, progress) {
                    Ok(found) => Some(found),
                    Err(e) => {
                        last = Some(e);
                        None
                    }
                });
                match (found, last) {
                    (Some((records, place)), _) => foreign.add(records, place),
                    (None, Some(e)) => note(&format!("no cache: {e}")),
                    (None, None) => {}
                }
            }
            From::Local { dir, tag, digest } => {
                let read = LayoutDir::open(dir).and_then(|layout| {
                    let top = layout.find(tag.as_deref(), digest.as_ref())?;
                    let manifest = Manifest::parse(&layout.read(&top)?)?;
                    let config = layout.read(&manifest.config)?;
                    Ok((records(&manifest, &config)?, Place::Layout(layout)))
                });
                match read.with_context(|| format!("read {}", dir.display())) {
                    Ok((records, place)) => foreign.add(records, place),
                    Err(e) => note(&format!("no cache: {e}")),
                }
            }
        }
    }
    foreign
}

/// A cache or an image; one that is in the store is not asked for elsewhere.
fn one(
    name: &Reference,
    store: &Store,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<(BTreeMap<String, Record>, Place)> {
    let registries = Registries::load(&options.env)?;
    match registry::artifact(name, &registries, options, progress) {
        Ok(found) => Ok((records(&found.manifest, &found.config)?, Place::Registry(name.clone()))),
        Err(e) => {
            let Ok(image) = store.lookup(&name.canonical()) else { return Err(e) };
            let manifest = Manifest::parse(&store.read(&image.manifest)?)?;
            let config = store.read(&manifest.config.digest)?;
            Ok((records(&manifest, &config)?, Place::Store))
        }
    }
}

/// The records of a cache's manifest, or those inside an image.
fn records(manifest: &Manifest, config: &[u8]) -> Result<BTreeMap<String, Record>> {
    if manifest.config.media_type == CACHE_CONFIG {
        let records = form::read(config)?;
        // Only blobs that the manifest keeps alive are there for sure.
        let listed = |l: &Layer| manifest.layers.iter().any(|d| d.digest == l.digest && d.size == l.size);
        return Ok(records.into_iter().filter(|(_, r)| r.layer.as_ref().is_none_or(listed)).collect());
    }
    let image = ImageConfig::parse(config)?;
    if image.inline_cache.is_empty() {
        return Err(
            Error::user("read the build cache: the image has none inside").hint("build it with --cache-to type=inline")
        );
    }
    let list = base64::engine::general_purpose::STANDARD
        .decode(&image.inline_cache)
        .map_err(|_| Error::user("read the build cache: what the image has inside is not readable"))?;
    image.check_layers(manifest.layers.len())?;
    // The image may have been compressed anew since: layers are known by their content.
    let now = |diff_id: &Digest| image.rootfs.diff_ids.iter().position(|d| d == diff_id).map(|n| &manifest.layers[n]);
    let adapt = |(key, record): (String, Record)| {
        let layer = match &record.layer {
            None => None,
            Some(layer) => {
                let there = now(&layer.diff_id)?;
                Some(Layer {
                    digest: there.digest.clone(),
                    diff_id: layer.diff_id.clone(),
                    size: there.size,
                    media_type: oci_layer(&there.media_type).into(),
                })
            }
        };
        Some((key, Record { layer, ..record }))
    };
    Ok(form::read(&list)?.into_iter().filter_map(adapt).collect())
}

impl Foreign {
    fn add(&mut self, records: BTreeMap<String, Record>, place: Place) {
        let number = self.places.len();
        self.places.push(place);
        for (key, record) in records {
            // The source that was named first wins.
            self.records.entry(key).or_insert((record, number));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record of a key; its layer may have to be fetched yet.
    pub fn find(&self, key: &str) -> Option<Record> {
        let (record, _) = self.records.get(key)?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_string());
        Some(record.clone())
    }

    /// Another process of this build has found the key.
    pub fn mark(&self, key: &str) {
        if self.records.contains_key(key) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_string());
        }
    }

    /// Brings those of `layers` that the store lacks into it, verified; gives the records that are true now.
    pub fn fetch(
        &self,
        store: &Store,
        layers: &[StoredLayer],
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<(String, Record)>> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let taken: Vec<(&String, &Record, usize, &Layer)> = used
            .iter()
            .filter_map(|key| {
                let (record, place) = self.records.get(key)?;
                Some((key, record, *place, record.layer.as_ref()?))
            })
            .filter(|(.., layer)| layers.iter().any(|l| l.digest == layer.digest))
            .collect();
        for (number, place) in self.places.iter().enumerate() {
            let mut wanted: Vec<Descriptor> = Vec::new();
            for (.., at, layer) in &taken {
                let known = wanted.iter().any(|w| w.digest == layer.digest);
                if *at == number && !known && !store.has_blob(&layer.digest, Some(layer.size)) {
                    wanted.push(Descriptor::new(&layer.media_type, layer.digest.clone(), layer.size));
                }
            }
            if wanted.is_empty() {
                continue;
            }
            self.bring(store, place, &wanted, options, progress)
                .map_err(|e| e.context("fetch cached layers").hint("build again without --cache-from"))?;
            for layer in layers.iter().filter(|l| wanted.iter().any(|w| w.digest == l.digest)) {
                store.verify_layer(layer).map_err(|e| {
                    e.context("use a cached layer").hint("the cache is wrong: build without --cache-from")
                })?;
            }
        }
        Ok(taken.into_iter().map(|(key, record, ..)| (key.clone(), record.clone())).collect())
    }

    fn bring(
        &self,
        store: &Store,
        place: &Place,
        wanted: &[Descriptor],
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<()> {
        match place {
            Place::Store => Err(Error::not_found("find a layer in the store")),
            Place::Layout(layout) => wanted.iter().try_for_each(|w| layout.copy(store, &w.digest, w.size)),
            Place::Registry(name) => {
                let registries = Registries::load(&options.env)?;
                registry::fetch_blobs(store, name, wanted, &registries, options, progress)
            }
        }
    }
}
