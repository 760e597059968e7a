//! One push: layers side by side, then the config, then the manifest.

use super::compress::{Made, compress};
use super::data::Data;
use super::places::Places;
use super::plan::{Treatment, plan};
use super::referrers;
use super::relay::Relay;
use super::upload::{Outcome, Upload};
use super::{Algorithm, Compressor, ManifestFormat, Members, Neighbours, PushOptions, Pushed, is_manifest, lost};
use crate::error::{Context, Error};
use crate::image::{self, Descriptor, Digest, ImageConfig, Index, Manifest, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Store};
use crate::registry::client::Client;
use crate::registry::conf::Registries;
use crate::registry::fault::{Failure, Result as Step};
use crate::registry::progress::{Event, Progress};
use crate::registry::retry::Retries;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blobs sent at once (docker: 5, podman: 6).
const UPLOADS: usize = 5;

/// What all parts of one push share.
pub(super) struct Job<'a> {
    store: &'a Store,
    client: &'a Client<'a>,
    options: &'a PushOptions,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    neighbours: &'a Neighbours,
    places: Mutex<Places>,
    /// Blobs that the repository has now.
    there: Mutex<BTreeSet<Digest>>,
}

/// One blob to bring there.
struct Part<'p> {
    descriptor: &'p Descriptor,
    treatment: Treatment,
    /// Of layers only.
    diff_id: Option<&'p Digest>,
    /// Has the blob, if the store lacks it.
    relay: Option<&'p Relay<'p>>,
    name: String,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a thread that panicked left is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Job<'a> {
    pub fn new(
        store: &'a Store,
        client: &'a Client<'a>,
        options: &'a PushOptions,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
        neighbours: &'a Neighbours,
        places: Mutex<Places>,
    ) -> Job<'a> {
        Job { store, client, options, progress, stop, neighbours, places, there: Mutex::default() }
    }

    fn retries(&self) -> Retries<'a> {
        Retries::new(&self.options.connection, self.progress, self.stop)
    }

    /// Notes for the next push which blobs `repository` has.
    pub fn remember(self, file: &Path, repository: &str) {
        let mut places = self.places.into_inner().unwrap_or_else(PoisonError::into_inner);
        for digest in self.there.into_inner().unwrap_or_else(PoisonError::into_inner) {
            places.remember(&digest, repository);
        }
        places.save(file);
    }

    /// Sends an index under `name`, its images before it.
    pub fn index(&self, bytes: &[u8], members: &Members, registries: &Registries, name: &str) -> Step<Pushed> {
        let index = Index::parse(bytes)?;
        let mut value: serde_json::Value = serde_json::from_slice(bytes).context("parse image index")?;
        let mut changed = false;
        for (at, entry) in index.manifests.iter().enumerate() {
            if members.left_out {
                continue;
            }
            if !self.store.has_blob(&entry.digest, Some(entry.size)) {
                let there = || self.client.head(entry.digest.as_str());
                self.retries().run("the manifest", there).map_err(|f| match f.cause {
                    crate::registry::fault::Cause::NotFound => lost("image", &entry.digest),
                    _ => f,
                })?;
                continue;
            }
            if !is_manifest(&entry.media_type) {
                let stored = self.store.read(&entry.digest)?;
                self.put(entry.digest.as_str(), &entry.media_type, &stored)?;
                continue;
            }
            let source = members.sources.get(entry.digest.as_str());
            let relay = match source.filter(|_| !self.store.is_whole(&entry.digest)) {
                Some(from) => Some(Relay::open(from, registries, &self.options.connection, &|| self.retries())?),
                None => None,
            };
            let exact = !members.own.contains(&entry.digest);
            let (pushed, media_type) = self.manifest(&entry.digest, exact, "", relay.as_ref())?;
            if pushed.digest != entry.digest {
                let place = &mut value["manifests"][at];
                place["digest"] = pushed.digest.as_str().into();
                place["size"] = pushed.size.into();
                place["mediaType"] = media_type.into();
                changed = true;
            }
        }
        let stored = image::guess_media_type(bytes).unwrap_or_else(|| image::OCI_INDEX.into());
        let media_type = match self.options.format {
            Some(ManifestFormat::Docker) => image::DOCKER_INDEX,
            Some(ManifestFormat::Oci) => image::OCI_INDEX,
            None => stored.as_str(),
        };
        if !changed && media_type == stored {
            return self.put(name, media_type, bytes);
        }
        value["mediaType"] = media_type.into();
        if media_type == image::DOCKER_INDEX {
            without_annotations(&mut value);
        }
        self.put(name, media_type, &serde_json::to_vec(&value).context("encode the image index")?)
    }

    /// Sends an image under `name`, or under its digest where that is empty.
    pub fn image(&self, digest: &Digest, exact: bool, name: &str) -> Step<Pushed> {
        self.manifest(digest, exact, name, None).map(|(pushed, _)| pushed)
    }

    /// The same; tells the type of the manifest, too. `relay` has the layers that the store lacks.
    fn manifest(
        &self,
        digest: &Digest,
        exact: bool,
        name: &str,
        relay: Option<&Relay<'_>>,
    ) -> Step<(Pushed, &'static str)> {
        let stored = self.store.read(digest).map_err(|e| e.context("read the image's manifest"))?;
        let manifest = Manifest::parse(&stored)?;
        let media_type = image::guess_media_type(&stored).unwrap_or_else(|| image::OCI_MANIFEST.into());
        let plan = plan(&manifest, &media_type, exact, self.options)?;
        let diff_ids = self.diff_ids(&manifest, &plan.treatments)?;
        let parts: Vec<Part<'_>> = manifest
            .layers
            .iter()
            .zip(&plan.treatments)
            .enumerate()
            .map(|(at, (descriptor, treatment))| Part {
                descriptor,
                treatment: *treatment,
                diff_id: diff_ids.get(at),
                relay,
                name: format!("layer {}", &descriptor.digest.hex()[..12]),
            })
            .collect();
        let layers = self.layers(&parts)?;
        self.part(&Part {
            descriptor: &manifest.config,
            treatment: Treatment::Keep,
            diff_id: None,
            relay,
            name: "the image config".into(),
        })?;
        let (bytes, media_type) = plan.manifest(&stored, &layers)?;
        let own = Digest::of(&bytes);
        Ok((self.put(if name.is_empty() { own.as_str() } else { name }, media_type, &bytes)?, media_type))
    }

    /// Diff ids are needed of layers that are made anew only.
    fn diff_ids(&self, manifest: &Manifest, treatments: &[Treatment]) -> Step<Vec<Digest>> {
        if !treatments.iter().any(|t| matches!(t, Treatment::Compress(_))) {
            return Ok(Vec::new());
        }
        let config = ImageConfig::parse(&self.store.read(&manifest.config.digest)?)?;
        config.check_layers(manifest.layers.len())?;
        Ok(config.rootfs.diff_ids)
    }

    fn put(&self, name: &str, media_type: &str, bytes: &[u8]) -> Step<Pushed> {
        let listed = self.retries().run("the manifest", || self.client.put_manifest(name, media_type, bytes))?;
        let pushed = Pushed { digest: Digest::of(bytes), size: bytes.len() as u64 };
        let value: serde_json::Value = serde_json::from_slice(bytes).context("read the manifest")?;
        if !listed && let Some(subject) = referrers::subject(&value) {
            let entry = Descriptor::new(media_type, pushed.digest.clone(), pushed.size);
            let list = || referrers::list(self.client, &subject, &entry, &value);
            self.retries().run("the list of referrers", list)?;
        }
        Ok(pushed)
    }

    /// Brings all layers there; tells what each became.
    fn layers(&self, parts: &[Part<'_>]) -> Step<Vec<Descriptor>> {
        let mut queue: Vec<&Part<'_>> = Vec::new();
        for part in parts {
            // The same layer twice in an image (empty layers, say) is sent once.
            if !queue.iter().any(|known| known.descriptor.digest == part.descriptor.digest) {
                queue.push(part);
            }
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<BTreeMap<Digest, Descriptor>> = Mutex::default();
        let first_failure: Mutex<Option<Failure>> = Mutex::new(None);
        let worker = || {
            while let Some(part) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                match self.part(part) {
                    Ok(sent) => drop(locked(&done).insert(part.descriptor.digest.clone(), sent)),
                    // The first is the cause; the others failed because they were told to stop.
                    Err(failure) => {
                        let mut first = locked(&first_failure);
                        if !self.stop.swap(true, Ordering::Relaxed) {
                            *first = Some(failure);
                        }
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..UPLOADS.min(queue.len()) {
                scope.spawn(worker);
            }
        });
        if let Some(failure) = locked(&first_failure).take() {
            return Err(failure);
        }
        let done = locked(&done);
        let sent = |part: &Part<'_>| done.get(&part.descriptor.digest).cloned();
        parts.iter().map(|part| sent(part).ok_or_else(|| Failure::from(Error::bug("a layer was not sent")))).collect()
    }

    /// Brings one blob there; tells what it became.
    fn part(&self, part: &Part<'_>) -> Step<Descriptor> {
        let stored = part.descriptor;
        match (part.treatment, part.diff_id) {
            (Treatment::Elsewhere, _) => Ok(stored.clone()),
            (Treatment::Compress(how), Some(diff_id)) => self.compressed(part, diff_id, how),
            (Treatment::Compress(_), None) => Err(Failure::from(Error::bug("a layer without diff id"))),
            (Treatment::Keep, _) => {
                if !self.is_there(&stored.digest, stored.size)? {
                    self.send(&stored.digest, stored.size, &part.name, &|| self.stored(part).map(Data::new))?;
                }
                Ok(stored.clone())
            }
        }
    }

    fn compressed(&self, part: &Part<'_>, diff_id: &Digest, how: Compressor) -> Step<Descriptor> {
        let stored = part.descriptor;
        let media_type = match how.algorithm {
            Algorithm::Gzip => OCI_LAYER_GZIP,
            Algorithm::Zstd => OCI_LAYER_ZSTD,
        };
        let known = locked(&self.places).variant(diff_id, how);
        if let Some((digest, size)) = known
            && self.is_there(&digest, size)?
        {
            return Ok(Descriptor::new(media_type, digest, size));
        }
        // What is compressed otherwise may stay so where it is already.
        let compressed = stored.digest != *diff_id;
        if compressed && !self.options.force_compression && self.is_there(&stored.digest, stored.size)? {
            return Ok(stored.clone());
        }
        let source = self.stored(part)?;
        let Made { data, digest, size } = compress(source, diff_id, how, &self.options.scratch, self.stop)?;
        locked(&self.places).remember_variant(diff_id, how, &digest, size);
        if !self.is_there(&digest, size)? {
            let data = Mutex::new(Some(data));
            let open = || locked(&data).take().ok_or_else(|| Failure::from(Error::bug("a layer was sent twice")));
            self.send(&digest, size, &part.name, &open)?;
        }
        Ok(Descriptor::new(media_type, digest, size))
    }

    fn is_there(&self, digest: &Digest, size: u64) -> Step<bool> {
        if locked(&self.there).contains(digest) {
            return Ok(true);
        }
        let found = self.retries().run("the registry", || self.client.has_blob(digest, size))?;
        if found {
            self.progress.event(Event::Exists { layer: digest.as_str() });
            locked(&self.there).insert(digest.clone());
        }
        Ok(found)
    }

    /// The part's bytes: of the store, or else from where it can be fetched.
    fn stored(&self, part: &Part<'_>) -> Step<File> {
        let (digest, size) = (&part.descriptor.digest, part.descriptor.size);
        if self.store.has_blob(digest, Some(size)) {
            let path = self.store.blob(digest);
            return Ok(File::open(&path).with_context(|| format!("open blob {}", path.display()))?);
        }
        let relay = part.relay.ok_or_else(|| lost("blob", digest))?;
        relay.fetch((digest, size), &part.name, &self.options.scratch, self.stop, self.retries())
    }

    fn send(&self, digest: &Digest, size: u64, name: &str, open: &dyn Fn() -> Step<Data>) -> Step<()> {
        let layer = digest.as_str();
        self.progress.event(Event::Queued { layer, size });
        let sent = |bytes| self.progress.event(Event::Received { layer, bytes });
        let upload = Upload {
            client: self.client,
            digest,
            size,
            name,
            open,
            data: OnceCell::new(),
            stop: self.stop,
            sent: &sent,
        };
        match upload.run(&self.neighbours.with(digest), &|| self.retries())? {
            Outcome::Mounted(from) => self.progress.event(Event::Mounted { layer, from: &from }),
            Outcome::Uploaded => self.progress.event(Event::Downloaded { layer }),
        }
        self.progress.event(Event::Done { layer });
        locked(&self.there).insert(digest.clone());
        Ok(())
    }
}

/// Docker's manifest lists have none.
fn without_annotations(index: &mut serde_json::Value) {
    let places = ["annotations", "subject", "artifactType"];
    let clean = |value: &mut serde_json::Value| {
        for key in places {
            value.as_object_mut().and_then(|fields| fields.remove(key));
        }
    };
    clean(index);
    index["manifests"].as_array_mut().into_iter().flatten().for_each(clean);
}
