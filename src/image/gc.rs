//! Deleting what nothing refers to: marks from the index and from the containers, then sweeps.

use super::blobs::STAGED;
use super::{Digest, Index, Manifest, Store};
use crate::error::{Error, Kind, Result};
use crate::spec::model::Spec;
use crate::state::lock::Flock;
use crate::state::{containers, gcdir};
use std::collections::HashSet;
use std::time::Duration;

/// Other tools write into the layout without our lock, blobs first: what this process has not had in hand is only
/// garbage when it is this old.
const FOREIGN: Duration = Duration::from_secs(3600);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: usize,
    /// Layers, now in `trash/`.
    pub layers: usize,
    /// Bytes of the blobs.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Marks {
    blobs: HashSet<String>,
    /// Chain ids.
    layers: HashSet<String>,
}

impl Store {
    /// Deletes the blobs that no image has (those this `Store` wrote or unlisted, and old ones), and moves the layers that neither an image nor a container has to the trash.
    /// `None` when somebody adds to the store just now: the garbage then waits for another time. Takes the store,
    /// because its own lease would be in the way.
    pub fn collect(self) -> Result<Option<Collected>> {
        let path = self.paths.store_lock();
        if !path.exists() {
            return Ok(Some(Collected::default()));
        }
        let Store { paths, lease, handled, .. } = self;
        drop(lease);
        let handled = handled.lock().map(|h| h.clone()).unwrap_or_default();
        let Some(_lock) = Flock::try_exclusive(&path)? else { return Ok(None) };
        let store = Store::open(&paths)?;
        let marks = store.marks()?;
        let mut done = Collected::default();
        for entry in std::fs::read_dir(paths.blobs()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|n| marks.blobs.contains(n)) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            let size = meta.len();
            let old = meta.modified().ok().and_then(|t| t.elapsed().ok()).is_some_and(|age| age > FOREIGN);
            if !old && !name.to_str().is_some_and(|n| handled.contains(n)) {
                continue;
            }
            if std::fs::remove_file(entry.path()).is_ok() {
                done.blobs += 1;
                done.bytes += size;
            }
        }
        // With the lock in our hands no blob is being written: what dead processes left need not grow old first.
        for entry in std::fs::read_dir(paths.tmp()).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|n| n.starts_with(STAGED)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        for entry in std::fs::read_dir(paths.layers()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let chain = name.to_str().and_then(|n| n.split('-').next()).unwrap_or_default();
            if !marks.layers.contains(chain) && gcdir::discard(&paths, &entry.path()).is_ok() {
                done.layers += 1;
            }
        }
        Ok(Some(done))
    }

    fn marks(&self) -> Result<Marks> {
        let mut marks = Marks::default();
        for entry in self.entries()? {
            for digest in [&entry.manifest, &entry.original] {
                self.mark(digest, &mut marks, 0)?;
            }
        }
        for id in containers::ids(&self.paths)? {
            match containers::load_spec::<Spec>(&self.paths, &id) {
                Ok(spec) => marks.layers.extend(spec.root.layers),
                // It is being removed.
                Err(e) if e.kind == Kind::NotFound => {}
                // Its layers are unknown, so none may go.
                Err(e) => return Err(e.context("clean up the image store")),
            }
        }
        Ok(marks)
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
