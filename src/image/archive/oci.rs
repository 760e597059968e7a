//! oci-archive and OCI directories (image-layout.md 1.0).

use super::Loaded;
use super::collect::Contents;
use super::docker;
use crate::error::{Error, Result};
use crate::image::{Descriptor, Draft, Index, Manifest, Reference, Store};

const NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, where `NAME` is only a tag (Docker ≥ 25, nerdctl, BuildKit).
const FULL_NAME: &str = "io.containerd.image.name";
/// Indexes within indexes: real ones have one level below the layout's own.
const MAX_DEPTH: usize = 3;

pub(super) fn load(
    store: &Store,
    contents: &Contents,
    index: &[u8],
    docker_manifest: Option<&[u8]>,
    transport: &'static str,
) -> Result<Vec<Loaded>> {
    let mut loaded: Vec<Loaded> = Vec::new();
    for descriptor in Index::parse(index)?.manifests {
        let Some(manifest) = image_manifest(store, contents, &descriptor, 0)? else { continue };
        check(store, contents, &manifest)?;
        let list = match descriptor.is_index() {
            true => whole_list(store, contents, &descriptor)?,
            false => None,
        };
        let mut names: Vec<Reference> = name(&descriptor).into_iter().collect();
        if names.is_empty()
            && let Some(docker_manifest) = docker_manifest
        {
            names = docker_names(store, &manifest, docker_manifest)?;
        }
        let same = |l: &&mut Loaded| l.manifest.digest == manifest.digest && l.list == list;
        match loaded.iter_mut().find(same) {
            Some(same) => same.names.extend(names.into_iter().filter(|n| !same.names.contains(n)).collect::<Vec<_>>()),
            None => loaded.push(Loaded { manifest, names, list, transport }),
        }
    }
    Ok(loaded)
}

fn name(descriptor: &Descriptor) -> Option<Reference> {
    let note = |key: &str| descriptor.annotations.get(key).filter(|v| !v.is_empty());
    let full = note(FULL_NAME).and_then(|n| Reference::parse(n).ok());
    // A bare word is a name on this host, as podman takes it.
    full.or_else(|| note(NAME).and_then(|n| Reference::parse_with(n, "localhost").ok()))
}

/// Docker's own archives name images in manifest.json, by config.
fn docker_names(store: &Store, manifest: &Descriptor, docker_manifest: &[u8]) -> Result<Vec<Reference>> {
    let config = Manifest::parse(&store.read(&manifest.digest)?)?.config.digest;
    let item = docker::items(docker_manifest)?.into_iter().find(|item| item.config.contains(config.hex()));
    item.map_or(Ok(Vec::new()), |item| docker::names(&item))
}

/// The manifest that a descriptor leads to: itself, or this host's part of an index; `None` for attestations and images
/// of other hosts that the archive does not hold.
fn image_manifest(
    store: &Store,
    contents: &Contents,
    descriptor: &Descriptor,
    depth: usize,
) -> Result<Option<Descriptor>> {
    if contents.blob(&descriptor.digest).is_none() {
        return Ok(None);
    }
    if !descriptor.is_index() {
        return Ok(Some(descriptor.clone()));
    }
    if depth > MAX_DEPTH {
        return Err(Error::user("read the archive: its indexes are nested too deeply"));
    }
    let index = Index::parse(&store.read(&descriptor.digest)?)?;
    let arch = crate::image::store::host_architecture();
    let fits = |d: &&Descriptor| d.platform.as_ref().is_none_or(|p| p.os == "linux" && p.architecture == arch);
    let known = |d: &&Descriptor| contents.blob(&d.digest).is_some();
    let best = index.manifests.iter().filter(known).find(fits);
    match best.or_else(|| index.manifests.iter().find(known)) {
        Some(part) => image_manifest(store, contents, part, depth + 1),
        None => Ok(None),
    }
}

/// The index that `descriptor` leads to, if the archive has its images; without those that it does not have. `None` for
/// the index that builders put around one image and its attestations: that is an image to everybody else, too.
fn whole_list(store: &Store, contents: &Contents, descriptor: &Descriptor) -> Result<Option<Descriptor>> {
    let bytes = store.read(&descriptor.digest)?;
    let mut draft = Draft::parse(&bytes)?;
    let members = draft.members()?;
    // An index below this one is as good as absent: what it leads to is loaded as an image.
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        members.iter().partition(|m| !m.is_index() && has_config(store, contents, m));
    for member in &here {
        check(store, contents, member)?;
    }
    let images = here.iter().filter(|m| !is_attestation(m)).count();
    if images == 0 || (images == 1 && members.len() > 1) {
        return Ok(None);
    }
    if elsewhere.is_empty() {
        return Ok(Some(descriptor.clone()));
    }
    for member in elsewhere {
        draft.remove(&member.digest);
    }
    let bytes = draft.bytes()?;
    Ok(Some(Descriptor::new(&descriptor.media_type, store.put(&bytes)?, bytes.len() as u64)))
}

/// Whether the archive has the manifest and what it says first: some writers take manifests along without the images.
fn has_config(store: &Store, contents: &Contents, member: &Descriptor) -> bool {
    let manifest = contents.blob(&member.digest).and_then(|_| store.read(&member.digest).ok());
    let config = manifest.and_then(|bytes| Manifest::parse(&bytes).ok()).map(|m| m.config.digest);
    config.is_some_and(|config| contents.blob(&config).is_some() || store.has_blob(&config, None))
}

/// What BuildKit adds to say how an image was made.
fn is_attestation(member: &Descriptor) -> bool {
    member.annotations.contains_key("vnd.docker.reference.type")
        || member.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
}

/// All of an image's blobs must have come with it, or be in the store already.
fn check(store: &Store, contents: &Contents, manifest: &Descriptor) -> Result<()> {
    let parsed = Manifest::parse(&store.read(&manifest.digest)?)?;
    for part in parsed.layers.iter().chain([&parsed.config]) {
        let size = contents.blob(&part.digest).map(|f| f.size);
        if size != Some(part.size) && !store.has_blob(&part.digest, Some(part.size)) {
            return Err(Error::user(format!("read the archive: blob {} is missing in it, or cut short", part.digest)));
        }
    }
    Ok(())
}
