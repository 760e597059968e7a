//! Pushing: an image's blobs and its manifest to a registry, or an index with all its images.
//!
//! Blobs go as they are stored unless another form is asked for. The manifest goes last, so that a push that breaks
//! off leaves nothing that has a name.

mod compress;
mod data;
mod job;
mod places;
mod plan;
mod referrers;
mod relay;
mod upload;
mod wire;

use super::client::Client;
use super::conf::{Registries, Source};
use super::fault::{Failure, Result as Step};
use super::options::PullOptions;
use super::progress::{Event, Progress};
use super::retry::Retries;
use crate::error::{Error, Result};
use crate::image::{self, Digest, Manifest, Reference, Store};
use job::Job;
use places::Places;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFormat {
    Oci,
    /// Docker's image manifest v2, schema 2.
    Docker,
}

impl ManifestFormat {
    /// Parses `oci` or `v2s2`.
    pub fn parse(text: &str) -> Result<ManifestFormat> {
        match text {
            "oci" => Ok(ManifestFormat::Oci),
            "v2s2" | "docker" => Ok(ManifestFormat::Docker),
            "v2s1" => Err(Error::unsupported("push in format v2s1").hint("registries gave it up; use oci or v2s2")),
            _ => Err(Error::user(format!("use manifest format '{text}'")).hint("use oci or v2s2")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Gzip,
    Zstd,
}

/// How to compress layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressor {
    pub algorithm: Algorithm,
    pub level: i32,
}

impl Compressor {
    /// With the algorithm's usual level.
    pub fn new(algorithm: Algorithm) -> Compressor {
        let level = match algorithm {
            // As layers are compressed that are made here.
            Algorithm::Gzip => crate::image::GZIP_LEVEL,
            Algorithm::Zstd => 3,
        };
        Compressor { algorithm, level }
    }

    /// Parses `--compression-format` and `--compression-level`.
    pub fn parse(format: &str, level: Option<i32>) -> Result<Compressor> {
        let (algorithm, levels) = match format {
            "gzip" => (Algorithm::Gzip, 1..=9),
            "zstd" => (Algorithm::Zstd, 1..=20),
            "zstd:chunked" => {
                return Err(Error::unsupported("compress layers as zstd:chunked").hint("use zstd or gzip"));
            }
            _ => return Err(Error::user(format!("compress layers as '{format}'")).hint("use gzip or zstd")),
        };
        match level {
            Some(level) if levels.contains(&level) => Ok(Compressor { algorithm, level }),
            Some(level) => Err(Error::user(format!("compress at level {level}")).hint(format!(
                "{format} has the levels {} to {}",
                levels.start(),
                levels.end()
            ))),
            None => Ok(Compressor::new(algorithm)),
        }
    }
}

impl std::fmt::Display for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}-{}", self.algorithm, self.level)
    }
}

/// How to push; the default sends everything as it is stored.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    pub connection: PullOptions,
    pub format: Option<ManifestFormat>,
    pub compression: Option<Compressor>,
    /// Layers that the registry has in another compression are made and sent all the same.
    pub force_compression: bool,
    /// File that remembers where blobs are.
    pub places: PathBuf,
    /// Directory for layers that are made for a push (they have no names there).
    pub scratch: PathBuf,
    /// Give it no tag, whatever the destination names.
    pub by_digest: bool,
}

/// What the registry has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub digest: Digest,
    /// Bytes of the manifest.
    pub size: u64,
}

/// Pushes the image of a manifest in `store` to `destination`, which names a tag. With `exact`, uncompressed layers are
/// sent so: the image came from a registry like that.
///
/// # Errors
/// One line that names the destination; `NotFound` when the store lacks a blob, `Denied` when the registry refuses.
pub fn push(
    store: &Store,
    manifest: &Digest,
    exact: bool,
    destination: &Reference,
    registries: &Registries,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let tag = if options.by_digest { String::new() } else { tag_of(destination) };
    let send = |job: &Job<'_>| job.image(manifest, exact, &tag);
    conversation(store, destination, registries, options, progress, Vec::new(), send)
}

/// What is known of an index's members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Manifest's digest → `repository@digest` to fetch the blobs from that the store lacks.
    pub sources: BTreeMap<String, String>,
    /// Made here: their uncompressed layers are sent compressed, which gives them new digests.
    pub own: BTreeSet<Digest>,
    /// Send the index alone; its members must be in the repository already.
    pub left_out: bool,
}

/// Pushes an index with all images that it lists. What `store` lacks comes from the members' sources, or must be in the
/// repository already.
///
/// # Errors
/// As [`push`].
pub fn push_index(
    store: &Store,
    index: &[u8],
    members: &Members,
    destination: &Reference,
    registries: &Registries,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let send = |job: &Job<'_>| job.index(index, members, registries, &tag_of(destination));
    let mut neighbours = Vec::new();
    for (manifest, source) in &members.sources {
        let known = Digest::parse(manifest).ok().and_then(|d| Manifest::parse(&store.read(&d).ok()?).ok());
        let place = Reference::parse(source).ok();
        for (manifest, place) in known.into_iter().zip(place).filter(|(_, p)| p.domain == destination.domain) {
            neighbours
                .push((place.path, manifest.layers.into_iter().chain([manifest.config]).map(|d| d.digest).collect()));
        }
    }
    conversation(store, destination, registries, options, progress, neighbours, send)
}

fn tag_of(destination: &Reference) -> String {
    destination.tag.clone().unwrap_or_else(|| "latest".into())
}

/// Connects, lets `send` work, and remembers what was learned.
fn conversation(
    store: &Store,
    destination: &Reference,
    registries: &Registries,
    options: &PushOptions,
    progress: &dyn Progress,
    further: Vec<(String, Vec<Digest>)>,
    send: impl Fn(&Job<'_>) -> Step<Pushed>,
) -> Result<Pushed> {
    if destination.digest.is_some() {
        return Err(Error::user(format!("push to {destination}: a digest can't be given"))
            .hint("it follows from the content; name a tag"));
    }
    plan::check(options)?;
    let source = registries.destination(destination)?;
    let places = Places::load(&options.places);
    let mut neighbours = neighbours(store, &source, &places);
    for (repository, blobs) in further.iter().filter(|(repository, _)| *repository != source.path) {
        blobs.iter().for_each(|blob| neighbours.add(repository, blob));
    }
    let stop = AtomicBool::new(false);
    let connect = || Client::connect(source.clone(), registries, &options.connection);
    let pushed = Retries::new(&options.connection, progress, &stop).run("the registry", connect).and_then(|client| {
        let client = client.for_push(&neighbours.repositories());
        progress.event(Event::Note(&format!("Pushing to {destination}")));
        let job = Job::new(store, &client, options, progress, &stop, &neighbours, Mutex::new(places));
        let pushed = send(&job);
        // What arrived before a failure need not be sent again either.
        job.remember(&options.places, &destination.repository());
        pushed
    });
    pushed.map_err(|f| f.error.context(format!("push to {destination}")))
}

/// Repositories of the same registry and the blobs they have: from former pushes and from where images came.
#[derive(Debug, Default)]
struct Neighbours(Vec<(String, Vec<Digest>)>);

/// Repositories that a token asks for at most.
const MAX_NEIGHBOURS: usize = 8;

impl Neighbours {
    fn repositories(&self) -> Vec<String> {
        self.0.iter().map(|(repository, _)| repository.clone()).collect()
    }

    fn with(&self, digest: &Digest) -> Vec<String> {
        let having = self.0.iter().filter(|(_, blobs)| blobs.contains(digest));
        having.map(|(repository, _)| repository.clone()).collect()
    }

    fn add(&mut self, repository: &str, digest: &Digest) {
        if let Some((_, blobs)) = self.0.iter_mut().find(|(known, _)| known == repository) {
            blobs.push(digest.clone());
        } else if self.0.len() < MAX_NEIGHBOURS {
            self.0.push((repository.to_string(), vec![digest.clone()]));
        }
    }
}

fn neighbours(store: &Store, destination: &Source, places: &Places) -> Neighbours {
    let mut found = Neighbours::default();
    // A damaged image elsewhere in the store is no reason to fail here.
    for image in store.list().unwrap_or_default() {
        let config = Digest::from_hex(&image.id).ok();
        let blobs: Vec<&Digest> = image.layers.iter().map(|layer| &layer.digest).chain(&config).collect();
        for blob in &blobs {
            for repository in places.repositories(blob, &destination.domain) {
                if repository != destination.path {
                    found.add(&repository, blob);
                }
            }
        }
        let names = image.repo_digests.iter().filter_map(|name| Reference::parse(name).ok());
        for name in names.filter(|n| n.domain == destination.domain && n.path != destination.path) {
            blobs.iter().for_each(|blob| found.add(&name.path, blob));
        }
    }
    found
}

/// The types of the parts of an index that can be pushed with it.
fn is_manifest(media_type: &str) -> bool {
    media_type == image::OCI_MANIFEST || media_type == image::DOCKER_MANIFEST
}

/// A blob that should be here.
fn lost(what: &str, digest: &Digest) -> Failure {
    Failure::from(
        Error::not_found(format!("read {what} {digest}: it is not in the store")).hint("pull or load the image again"),
    )
}
