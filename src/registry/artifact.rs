//! Manifests of any kind and single blobs: what is not an image to pull (a build cache, say).

use super::blob::Download;
use super::client::{Client, Served};
use super::conf::Registries;
use super::fault::{Failure, Result as Step};
use super::options::PullOptions;
use super::platform::Platform;
use super::progress::{Event, Progress};
use super::retry::Retries;
use super::select;
use crate::error::{Error, Result};
use crate::image::{self, Descriptor, Digest, Manifest, Reference, Store};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Blobs fetched at once.
const DOWNLOADS: usize = 3;

/// A manifest and the config that it names, verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    pub manifest: Manifest,
    pub config: Vec<u8>,
}

/// Reads the manifest of `reference` (of an index: the part for the platform of `options`) and its config.
///
/// # Errors
/// One line that names the reference; `NotFound` when the registry does not have it.
pub fn artifact(
    reference: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Artifact> {
    let read = |client: &Client<'_>, stop: &AtomicBool| -> Step<Artifact> {
        let fetch = |name: &str, expect: Option<&Digest>| {
            Retries::new(options, progress, stop).run("the manifest", || client.manifest(name, expect))
        };
        let name = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".into()),
        };
        let mut served: Served = fetch(&name, reference.digest.as_ref())?;
        if matches!(served.media_type.as_str(), image::OCI_INDEX | image::DOCKER_INDEX) {
            let index = image::Index::parse(&served.bytes).map_err(Failure::answer)?;
            let platform = options.platform.clone().unwrap_or_else(Platform::host);
            let part = select::from_index(&index, &platform).map_err(Failure::answer)?.digest.clone();
            served = fetch(part.as_str(), Some(&part))?;
        }
        let manifest = Manifest::parse(&served.bytes).map_err(Failure::answer)?;
        let config = &manifest.config;
        let bytes = Retries::new(options, progress, stop)
            .run("the config", || client.small_blob(&config.digest, config.size, "the config"))?;
        Ok(Artifact { config: bytes, manifest })
    };
    talk(reference, registries, options, progress, &read).map_err(|f| f.error.context(format!("read {reference}")))
}

/// Fetches the blobs that `store` lacks, each verified.
///
/// # Errors
/// One line that names the reference; blobs that arrived before it stay in the store.
pub fn fetch_blobs(
    store: &Store,
    reference: &Reference,
    blobs: &[Descriptor],
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let missing: Vec<&Descriptor> = blobs.iter().filter(|b| !store.has_blob(&b.digest, Some(b.size))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for blob in &missing {
        progress.event(Event::Queued { layer: blob.digest.as_str(), size: blob.size });
    }
    let fetch = |client: &Client<'_>, stop: &AtomicBool| -> Step<()> {
        let one = |blob: &Descriptor| -> Step<()> {
            let name = format!("layer {}", &blob.digest.hex()[..12]);
            let received = |bytes| progress.event(Event::Received { layer: blob.digest.as_str(), bytes });
            let download = Download {
                client,
                digest: &blob.digest,
                size: blob.size,
                name: &name,
                limits: &options.limits,
                stop,
                received: &received,
            };
            let mut writer = store.writer(Some(&blob.digest), Some(blob.size))?;
            download.run(0, &mut writer, Retries::new(options, progress, stop))?;
            writer.commit()?;
            progress.event(Event::Done { layer: blob.digest.as_str() });
            Ok(())
        };
        let next = AtomicUsize::new(0);
        let first: Mutex<Option<Failure>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..DOWNLOADS.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(blob) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if store.has_blob(&blob.digest, Some(blob.size)) || stop.load(Ordering::Relaxed) {
                            continue;
                        }
                        if let Err(failure) = one(blob) {
                            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                            // The first is the cause; the others were told to stop.
                            if !stop.swap(true, Ordering::Relaxed) {
                                *first = Some(failure);
                            }
                        }
                    }
                });
            }
        });
        first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    };
    let done = talk(reference, registries, options, progress, &fetch);
    progress.event(Event::Finished { success: done.is_ok() });
    done.map_err(|f| f.error.context(format!("fetch from {reference}")))
}

/// Lets `work` talk to the first of the reference's sources (mirrors, then the registry) that serves it.
fn talk<T>(
    reference: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
    work: &dyn Fn(&Client<'_>, &AtomicBool) -> Step<T>,
) -> Step<T> {
    super::conf::check_policy(reference, &options.env)?;
    let mut result = Err(Failure::from(Error::bug("no source to read from")));
    for source in registries.sources(reference)? {
        let stop = AtomicBool::new(false);
        let connect = || Client::connect(source.clone(), registries, options);
        result =
            Retries::new(options, progress, &stop).run("the registry", connect).and_then(|client| work(&client, &stop));
        if result.is_ok() {
            break;
        }
    }
    result
}
