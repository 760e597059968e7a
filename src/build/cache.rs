//! Results of steps, found by what went into them.
//!
//! A key is the hash of the layers below, the instruction and the content of everything it reads; the record under it
//! says which layer came out. Records are written whole by rename after their layer is on disk, so a build that is
//! killed leaves what it finished for the next one. The store's clean-up keeps the layers of the records.

use super::shared::Foreign;
use crate::error::{Context, Error, Result};
use crate::image::{Digest, Store, StoredLayer, chain_ids};
use crate::registry::{Progress, PullOptions};
use crate::state::atomic::{self, Class};
use crate::state::paths::Paths;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Changes when keys or layers come about differently.
pub(super) const VERSION: u32 = 1;

/// What a step made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    /// The step, for listings.
    pub title: String,
    /// None when nothing changed.
    pub layer: Option<Layer>,
    /// The layer together with those below it.
    pub chain: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub digest: Digest,
    pub diff_id: Digest,
    pub size: u64,
    pub media_type: String,
}

impl Layer {
    pub fn of(layer: &StoredLayer) -> Layer {
        let StoredLayer { digest, diff_id, size, media_type } = layer.clone();
        Layer { digest, diff_id, size, media_type }
    }

    pub fn stored(self) -> StoredLayer {
        StoredLayer { digest: self.digest, diff_id: self.diff_id, size: self.size, media_type: self.media_type }
    }
}

/// The records of one store.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    /// `--no-cache`: nothing is found.
    pub blind: bool,
    /// What `--cache-from` brought.
    foreign: Arc<Foreign>,
    /// Records that this build found or made, for `--cache-to`; shared by all clones.
    seen: Arc<Mutex<BTreeMap<String, Record>>>,
}

/// Hex of the hash of a key's parts.
pub fn key(parts: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(&(VERSION, parts)).context("encode a cache key")?;
    Ok(Digest::of(&text).hex().to_string())
}

/// The name of layers that lie over each other; empty for none.
pub fn chain(layers: &[StoredLayer]) -> String {
    let ids: Vec<Digest> = layers.iter().map(|l| l.diff_id.clone()).collect();
    chain_ids(&ids).pop().unwrap_or_default()
}

impl Cache {
    pub fn new(paths: &Paths, blind: bool) -> Cache {
        Cache { dir: paths.build(), blind, foreign: Arc::default(), seen: Arc::default() }
    }

    /// Looks into shared caches, too, where its own store knows nothing.
    pub fn with(self, foreign: Foreign) -> Cache {
        Cache { foreign: Arc::new(foreign), ..self }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}.json"))
    }

    fn saw(&self, key: &str, record: &Record) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into(), record.clone());
    }

    /// What this build has found or made so far.
    pub fn seen(&self) -> BTreeMap<String, Record> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what another process of this build has found or made.
    pub fn learn(&self, records: &BTreeMap<String, Record>) {
        for (key, record) in records {
            self.foreign.mark(key);
            self.saw(key, record);
        }
    }

    /// The layer that the step with this key made: `Some(None)` if it changed nothing. A record whose blob is gone
    /// counts as none. The blob of a shared cache's layer comes with [`Cache::fetch`] only.
    pub fn find(&self, store: &Store, key: &str) -> Option<Option<StoredLayer>> {
        if self.blind {
            return None;
        }
        if let Some(record) = self.own(store, key) {
            self.saw(key, &record);
            return Some(record.layer.map(Layer::stored));
        }
        let record = self.foreign.find(key)?;
        if record.layer.is_none() {
            let _ = self.write(key, &record);
        }
        self.saw(key, &record);
        Some(record.layer.map(Layer::stored))
    }

    fn own(&self, store: &Store, key: &str) -> Option<Record> {
        let path = self.path(key);
        let record: Record = atomic::read_json(&path).ok().filter(|r: &Record| r.version == VERSION)?;
        if record.layer.as_ref().is_some_and(|l| !store.has_blob(&l.digest, Some(l.size))) {
            return None;
        }
        // The time of the last use, for pruning.
        if let Ok(file) = std::fs::File::open(&path) {
            let _ = file.set_modified(std::time::SystemTime::now());
        }
        Some(record)
    }

    /// Brings those of `layers` that are still in a shared cache into the store, verified. From then on this store's
    /// own cache knows them.
    pub fn fetch(
        &self,
        store: &Store,
        layers: &[StoredLayer],
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<()> {
        if self.foreign.is_empty() {
            return Ok(());
        }
        let taken = self.foreign.fetch(store, layers, options, progress)?;
        let news: Vec<_> = taken.iter().filter(|(key, _)| !self.path(key).exists()).collect();
        if !news.is_empty() {
            store.sync()?;
        }
        news.into_iter().try_for_each(|(key, record)| self.write(key, record))
    }

    fn write(&self, key: &str, record: &Record) -> Result<()> {
        atomic::make_dirs(&self.dir)?;
        atomic::write_json(&self.path(key), record, Class::Volatile)
    }

    /// Remembers a result whose layer has been brought to disk.
    pub fn put(&self, key: &str, title: &str, layer: Option<&StoredLayer>, chain: &str) -> Result<()> {
        let layer = layer.map(Layer::of);
        let record = Record { version: VERSION, title: title.into(), layer, chain: chain.into() };
        self.saw(key, &record);
        self.write(key, &record)
    }

    /// All records with their keys and times of last use, oldest first.
    pub fn list(&self) -> Result<Vec<(String, Record, std::time::SystemTime)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(key) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json")) else {
                continue;
            };
            let used = entry.metadata().and_then(|m| m.modified());
            if let (Ok(record), Ok(used)) = (atomic::read_json(&path), used) {
                all.push((key.to_string(), record, used));
            }
        }
        all.sort_by_key(|(key, _, used)| (*used, key.clone()));
        Ok(all)
    }

    /// Forgets one record; its layer goes with the store's next clean-up.
    pub fn forget(&self, key: &str) -> Result<()> {
        match std::fs::remove_file(self.path(key)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::errno(e.raw_os_error().unwrap_or(0), format!("remove cache record {key}")))
            }
            _ => Ok(()),
        }
    }
}
