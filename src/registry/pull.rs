//! Pulling an image: manifest, config, then all layers at once into the store, which unpacks them while they arrive.

use super::blob::Download;
use super::client::{Client, Served};
use super::conf::{Registries, Source};
use super::fault::{self, Failure, Result as Step};
use super::options::PullOptions;
use super::platform::Platform;
use super::progress::{Event, Progress};
use super::retry::Retries;
use super::select;
use crate::error::{Error, Kind, Result};
use crate::image::{
    self, Descriptor, Digest, Image, ImageConfig, LayerEvent, LayerRef, LayerSink, LayerWatch, Manifest, Pending,
    Reference, Sink, Store, Unpacker, Waited,
};
use crate::sys::signal::interrupted;
use crate::userns::IdMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Layers downloaded at once: more gain nothing on one line, fewer leave it idle between layers (docker: 3).
const DOWNLOADS: usize = 3;
/// Layers extracted at once at most; on two cores two are best (measured), each is a pipeline of threads.
const MAX_EXTRACTIONS: usize = 4;
/// How often another process's download is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Pulls `reference` into `store` under its own name, from its mirrors or its registry.
///
/// # Errors
/// One line that names what was pulled; `NotFound`, `Denied`, `Unsupported` (other platforms only) and `Io` as to be
/// expected. Nothing is named in the store then, and the remains are collected.
pub fn pull(
    store: &Store,
    idmap: &IdMap,
    reference: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Image> {
    super::conf::check_policy(reference, &options.env)?;
    let sources = registries.sources(reference)?;
    let mut result = Err(Failure::from(Error::bug("no source to pull from")));
    for source in sources {
        let mirror = source.mirror.then(|| source.domain.clone());
        let job = Job { store, idmap, reference, options, progress, stop: AtomicBool::new(false) };
        result = job.pull_from(source, registries);
        match (&result, mirror) {
            // Our own disk is no better with the next source.
            (Err(f), Some(mirror)) if f.cause != fault::Cause::Local && !interrupted() => {
                progress.event(Event::Note(&format!("Mirror {mirror} failed: {}", f.error.context.join(": "))));
            }
            _ => break,
        }
    }
    // Even when it came too late: whoever wanted the image has changed his mind.
    if interrupted() {
        let error = Error::new(Kind::Interrupted, "interrupted");
        result = Err(Failure::from(error.hint("what was fetched is kept: the next pull goes on from there")));
    }
    result.map_err(|f| f.error.context(format!("pull {reference}")))
}

/// The tags that the repository has at its registry.
pub fn tags(
    reference: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let list = |source: Source| -> Step<Vec<String>> {
        let stop = AtomicBool::new(false);
        let client = Retries::new(options, progress, &stop)
            .run("the registry", || Client::connect(source.clone(), registries, options))?;
        Retries::new(options, progress, &stop).run("the list of tags", || client.tags())
    };
    let mut result = Err(Failure::from(Error::bug("no source to ask")));
    for source in registries.sources(reference)? {
        result = list(source);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|f| f.error.context(format!("list the tags of {}", reference.repository())))
}

/// The digest that the registry has for the reference now, where it says so without sending the manifest.
pub fn current_digest(
    reference: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Option<Digest>> {
    let stop = AtomicBool::new(false);
    let mut result = Ok(None);
    for source in registries.sources(reference)? {
        let ask = || Client::connect(source.clone(), registries, options)?.head(&wanted(reference));
        result = Retries::new(options, progress, &stop).run("the registry", ask);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|f| f.error.context(format!("look for {reference}")))
}

/// What to ask for: the digest, where there is one.
pub(super) fn wanted(reference: &Reference) -> String {
    match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => "latest".to_string(),
    }
}

/// One pull from one source.
struct Job<'a> {
    store: &'a Store,
    idmap: &'a IdMap,
    reference: &'a Reference,
    options: &'a PullOptions,
    progress: &'a dyn Progress,
    stop: AtomicBool,
}

impl<'a> Job<'a> {
    fn retries(&'a self) -> Retries<'a> {
        Retries::new(self.options, self.progress, &self.stop)
    }

    fn pull_from(&'a self, source: Source, registries: &'a Registries) -> Step<Image> {
        let connect = || Client::connect(source.clone(), registries, self.options);
        let client = self.retries().run("the registry", connect)?;
        let (top, served) = self.manifest(&client)?;
        let manifest = Manifest::parse(&served.bytes).map_err(Failure::answer)?;
        select::check_types(&manifest).map_err(Failure::answer)?;
        let config_bytes = self.retries().run("the image config", || {
            self.cached(&manifest.config.digest).map_or_else(
                || client.small_blob(&manifest.config.digest, manifest.config.size, "the image config"),
                Ok,
            )
        })?;
        let config = ImageConfig::parse(&config_bytes).map_err(Failure::answer)?;
        config.check_layers(manifest.layers.len()).map_err(Failure::answer)?;
        let wanted = self.options.platform.clone().unwrap_or_else(Platform::host);
        select::check_platform(&wanted, &config).map_err(Failure::answer)?;

        // Said late: a name that does not exist fails with one line.
        self.progress.event(Event::Note(&format!("Pulling {} from {}", self.reference, client.registry())));
        self.store.put(&config_bytes)?;
        self.store.put(&served.bytes)?;
        let layers = layer_refs(&manifest, &config);
        let pending = self.take_turn(&served.digest, &layers)?;
        let here = |l: &&LayerRef| self.store.has_blob(&l.digest, Some(l.size));
        let known: Vec<&LayerRef> = layers.iter().filter(here).collect();
        match self.layers(&client, &layers) {
            // What an earlier pull left was spoiled by a power cut, and was deleted when that was noticed.
            Err(failure) if !known.iter().all(here) && !interrupted() => {
                log::warn!("{}: fetching what was damaged anew", failure.error);
                self.stop.store(false, Ordering::Relaxed);
                self.layers(&client, &layers)?;
            }
            result => result?,
        }
        let descriptor = Descriptor::new(&served.media_type, served.digest.clone(), served.bytes.len() as u64);
        self.store.tag_pulled(&descriptor, self.reference, Some(&top))?;
        pending.done();
        Ok(self.store.image(&served.digest)?)
    }

    /// A config that the store has already (only the tag moved, or the pull was broken off).
    fn cached(&self, digest: &Digest) -> Option<Vec<u8>> {
        if self.store.has_blob(digest, None) { self.store.read(digest).ok() } else { None }
    }

    /// The digest that the registry has for the reference, and the image manifest behind it.
    fn manifest(&'a self, client: &Client<'_>) -> Step<(Digest, Served)> {
        let name = wanted(self.reference);
        let expect = self.reference.digest.as_ref();
        let fetch =
            |name: &str, expect: Option<&Digest>| self.retries().run("the manifest", || client.manifest(name, expect));
        let top = fetch(&name, expect).map_err(|f| explain_missing(f, client, self.reference))?;
        let digest = top.digest.clone();
        let mut served = top;
        // An index may hold an index; deeper ones nobody makes.
        for _ in 0..2 {
            if served.media_type != image::OCI_INDEX && served.media_type != image::DOCKER_INDEX {
                return Ok((digest, served));
            }
            let index = image::Index::parse(&served.bytes).map_err(Failure::answer)?;
            let platform = self.options.platform.clone().unwrap_or_else(Platform::host);
            let child = select::from_index(&index, &platform).map_err(Failure::answer)?;
            log::debug!("{digest} is an index; taking {} for {platform}", child.digest);
            served = fetch(child.digest.as_str(), Some(&child.digest))?;
        }
        match served.media_type.as_str() {
            image::OCI_INDEX | image::DOCKER_INDEX => {
                Err(Failure::answer(Error::denied("read the index: it holds an index that holds an index")))
            }
            _ => Ok((digest, served)),
        }
    }

    /// Waits until no other process pulls the image; when it was successful there is nothing left to do.
    fn take_turn(&self, manifest: &Digest, layers: &[LayerRef]) -> Step<Pending> {
        let mut waited = false;
        loop {
            if let Some(pending) = self.store.begin_pull(manifest)? {
                return Ok(pending);
            }
            if !waited {
                self.progress.event(Event::Note("Another process pulls this image: waiting for it"));
                for layer in layers.iter().filter(|l| !self.store.has_blob(&l.digest, Some(l.size))) {
                    self.progress.event(Event::Queued { layer: layer.digest.as_str(), size: layer.size });
                }
            }
            waited = true;
            for layer in layers {
                let bytes = self.store.partial_size(&layer.digest);
                if bytes > 0 {
                    self.progress.event(Event::Held { layer: layer.digest.as_str(), bytes, elsewhere: true });
                }
            }
            self.pause()?;
        }
    }

    /// Waits a moment for another process, unless the user has enough of it.
    fn pause(&self) -> Step<()> {
        std::thread::sleep(LOOK);
        if self.stop.load(Ordering::Relaxed) || interrupted() {
            return Err(Error::new(Kind::Interrupted, "wait for another pull").into());
        }
        Ok(())
    }

    /// Fetches and extracts what is missing of `layers`.
    fn layers(&self, client: &Client<'_>, layers: &[LayerRef]) -> Step<()> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // Starts a process: before any thread of ours.
        let unpacker = self.store.unpacker(layers, cores.clamp(2, MAX_EXTRACTIONS), self.idmap)?;
        let mut queue = Vec::new();
        // The same layer twice in an image (empty layers, say) is fetched once.
        let mut twins = Vec::new();
        let mut queued = BTreeSet::new();
        for (index, layer) in layers.iter().enumerate() {
            if !unpacker.needs_blob(index) {
                self.progress.event(Event::Exists { layer: layer.digest.as_str() });
            } else if queued.insert(&layer.digest) {
                self.progress.event(Event::Queued { layer: layer.digest.as_str(), size: layer.size });
                queue.push(index);
            } else {
                twins.push(index);
            }
        }
        self.check_space(&unpacker, layers, &queue)?;

        let next = AtomicUsize::new(0);
        let first_failure: Mutex<Option<Failure>> = Mutex::new(None);
        let worker = || {
            while let Some(index) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stop.load(Ordering::Relaxed) || interrupted() {
                    return;
                }
                if let Err(failure) = self.layer(client, &unpacker, *index, &layers[*index]) {
                    // The first is the cause; the others failed because they were told to stop.
                    let mut first = first_failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if !self.stop.swap(true, Ordering::Relaxed) {
                        *first = Some(failure);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..DOWNLOADS.min(queue.len()) {
                scope.spawn(worker);
            }
        });
        if let Some(failure) = first_failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(failure);
        }
        if interrupted() {
            return Err(Error::new(Kind::Interrupted, "fetch the layers").into());
        }
        if let Some(lost) = twins.into_iter().find(|index| !unpacker.arrived(*index)) {
            return Err(Failure::from(Error::bug(format!("find layer {} that was just stored", layers[lost].digest))));
        }
        let done = |event: LayerEvent| {
            if let LayerEvent::Done { index } = event {
                self.progress.event(Event::Done { layer: layers[index].digest.as_str() });
            }
        };
        unpacker.finish(&done).map_err(disk_full)?;
        Ok(())
    }

    /// Refuses what can't fit before it is fetched: blobs, and files that take at least as much as they do compressed.
    fn check_space(&self, unpacker: &Unpacker, layers: &[LayerRef], queue: &[usize]) -> Step<()> {
        let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
        let left = |layer: &LayerRef| layer.size.saturating_sub(self.store.partial_size(&layer.digest));
        let blobs = sum(&mut queue.iter().map(|index| left(&layers[*index])));
        let packed = sum(&mut unpacker.missing().map(|index| layers[index].size));
        let tight = select::check_space(&self.store.blob(&Digest::of(b"")), blobs, packed)?;
        if let Some(warning) = tight {
            self.progress.event(Event::Note(&warning));
        }
        Ok(())
    }

    /// Sees to it that the layer's blob is in the store: by us, or by another process that is at it already.
    fn layer(&self, client: &Client<'_>, unpacker: &Unpacker, index: usize, layer: &LayerRef) -> Step<()> {
        let digest = layer.digest.as_str();
        let mut anew = false;
        loop {
            let sink = match unpacker.sink(index)? {
                Sink::Mine(sink) => Some(sink),
                Sink::Other(watch) => match self.watch(watch, layer)? {
                    Waited::Mine(sink) => Some(sink),
                    Waited::Here => None,
                    Waited::Gone | Waited::Growing(..) => continue,
                },
                Sink::Here => None,
            };
            let Some(sink) = sink else {
                self.progress.event(Event::Exists { layer: digest });
                return Ok(());
            };
            match self.fetch(client, sink, layer)? {
                (_, Ok(_)) => {
                    self.progress.event(Event::Downloaded { layer: digest });
                    return Ok(());
                }
                // A proxy that mixed up the parts, or a power cut that spoiled the first one: the whole may be good.
                (true, Err(e)) if e.errno.is_none() && !anew => {
                    log::warn!("layer {digest} was damaged when its download was continued: {e}; fetching it anew");
                    self.progress.event(Event::Held { layer: digest, bytes: 0, elsewhere: false });
                    anew = true;
                }
                (_, Err(e)) => {
                    let place = format!("store layer {} of {}", short(&layer.digest), client.registry());
                    return Err(disk_full(e).context(place).into());
                }
            }
        }
    }

    /// Follows the download of another process.
    fn watch<'u>(&self, mut watch: LayerWatch<'u>, layer: &LayerRef) -> Step<Waited<'u>> {
        let mut shown = None;
        loop {
            match watch.look()? {
                Waited::Growing(bytes, same) => {
                    watch = same;
                    if shown != Some(bytes) {
                        self.progress.event(Event::Held { layer: layer.digest.as_str(), bytes, elsewhere: true });
                    }
                    shown = Some(bytes);
                    self.pause()?;
                }
                other => return Ok(other),
            }
        }
    }

    /// Downloads into `sink` from where it stands. Tells whether the blob was put together from several answers, and
    /// whether it is what it should be.
    fn fetch(&self, client: &Client<'_>, mut sink: LayerSink<'_>, layer: &LayerRef) -> Step<(bool, Result<Digest>)> {
        let digest = layer.digest.as_str();
        let start = sink.written();
        if start > 0 {
            self.progress.event(Event::Held { layer: digest, bytes: start, elsewhere: false });
        }
        let received = |bytes| self.progress.event(Event::Received { layer: digest, bytes });
        let download = Download {
            client,
            digest: &layer.digest,
            size: layer.size,
            name: &format!("layer {}", short(&layer.digest)),
            limits: &self.options.limits,
            stop: &self.stop,
            received: &received,
        };
        match download.run(start, &mut sink, self.retries()) {
            Ok(continued) => Ok((continued, sink.commit())),
            Err(f) => {
                if f.cause == fault::Cause::Answer && f.error.kind == Kind::Denied {
                    sink.discard();
                }
                Err(Failure { error: disk_full(f.error), ..f })
            }
        }
    }
}

/// For messages.
fn short(digest: &Digest) -> &str {
    &digest.hex()[..12]
}

fn layer_refs(manifest: &Manifest, config: &ImageConfig) -> Vec<LayerRef> {
    let chain = config.chain_ids();
    let parts = manifest.layers.iter().zip(&config.rootfs.diff_ids).zip(chain);
    parts
        .map(|((layer, diff_id), chain_id)| LayerRef {
            digest: layer.digest.clone(),
            diff_id: diff_id.clone(),
            chain_id,
            size: layer.size,
            media_type: layer.media_type.clone(),
        })
        .collect()
}

fn disk_full(e: Error) -> Error {
    match e.errno {
        Some(libc::ENOSPC) => e.hint("free space on the disk of the image store, or choose another with --root"),
        Some(libc::EDQUOT) => e.hint("your disk quota is used up: free space, or choose another store with --root"),
        _ => e,
    }
}

/// Tells an unknown image from an unknown tag: the list of tags knows.
fn explain_missing(failure: Failure, client: &Client<'_>, reference: &Reference) -> Failure {
    if failure.cause != fault::Cause::NotFound {
        return failure;
    }
    let registry = client.registry();
    let error = match client.tags() {
        Ok(tags) if !tags.is_empty() => {
            let tag = wanted(reference);
            let near = select::nearest(&tag, &tags);
            let what = if reference.digest.is_some() { "no manifest" } else { "no tag" };
            Error::not_found(format!("{registry} has the repository {}, but {what} {tag}", reference.path))
                .hint(format!("tags there: {near}"))
        }
        // Some registries list no tags without further rights; then both may be true.
        Err(f) if f.cause == fault::Cause::Refused => Error::not_found(format!(
            "{registry} has no image {} with tag or digest {}",
            reference.path,
            wanted(reference)
        ))
        .hint("check the name; private images need a login (--creds or --authfile)"),
        _ => Error::not_found(format!("{registry} has no image {}", reference.path))
            .hint("check the name and the registry"),
    };
    Failure { error: error.kind(Kind::NotFound), ..failure }
}
