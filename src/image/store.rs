//! The image store: an OCI image layout (image-layout.md 1.0) plus extracted layers.

use super::digest::is_hex;
use super::index::{IndexEntry, missing};
use super::{Descriptor, Digest, ImageConfig, Index, Manifest, Reference};
use crate::error::{Error, Kind, Result};
use crate::state::atomic::{self, Class};
use crate::state::lock::Flock;
use crate::state::paths::Paths;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

/// One store. Opening touches nothing. The first call that adds something takes the store's lock shared and keeps it
/// until the `Store` is dropped, so that no clean-up removes what has no name yet.
#[derive(Debug)]
pub struct Store {
    pub(super) paths: Paths,
    pub(super) lease: OnceLock<Flock>,
    /// Something was written that [`Store::sync`] has not brought to disk yet.
    pub(super) unsynced: Arc<AtomicBool>,
    /// Hex digests of blobs that were written or unlisted through this `Store`; see [`Store::collect`].
    pub(super) handled: Arc<Mutex<HashSet<String>>>,
    /// Extract with this process's own ids, in a thread. For tests: they have no binary to start jobs with.
    pub(super) in_process: bool,
}

/// An image with everything that running and listing needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Hex of the config's digest: the image id.
    pub id: String,
    /// Digest of the manifest as it was pulled.
    pub manifest: Digest,
    /// Canonical names (`docker.io/library/debian:latest`), sorted; empty for a dangling image.
    pub names: Vec<String>,
    /// `repository@digest` under which it was pulled: the index's digest where it came from an index.
    pub repo_digests: Vec<String>,
    /// This very manifest came from a registry, or is there: others of the same id need not be.
    pub from_registry: bool,
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<LayerRef>,
    /// Bytes of its blobs: config and (compressed) layers.
    pub size: u64,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LayerRef {
    /// Of the blob.
    pub digest: Digest,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
    /// Hex; names the layer together with all layers below it.
    pub chain_id: String,
    /// Bytes of the blob.
    pub size: u64,
    pub media_type: String,
}

impl LayerRef {
    /// The layers of an image; an error when manifest and config disagree.
    pub fn list(manifest: &Manifest, config: &ImageConfig) -> Result<Vec<LayerRef>> {
        config.check_layers(manifest.layers.len())?;
        let ids = config.rootfs.diff_ids.iter().zip(config.chain_ids());
        let layers = manifest.layers.iter().zip(ids).map(|(layer, (diff_id, chain_id))| LayerRef {
            digest: layer.digest.clone(),
            diff_id: diff_id.clone(),
            chain_id,
            size: layer.size,
            media_type: layer.media_type.clone(),
        });
        Ok(layers.collect())
    }
}

impl Store {
    /// The store below `paths`; it is laid out by the first call that writes. A newer store's version is refused.
    pub fn open(paths: &Paths) -> Result<Store> {
        crate::state::store::check(paths)?;
        Ok(Store {
            paths: paths.clone(),
            lease: OnceLock::new(),
            unsynced: Arc::new(AtomicBool::new(false)),
            handled: Arc::default(),
            in_process: cfg!(test),
        })
    }

    /// Shares the store's lock until this `Store` is dropped: nothing is collected meanwhile. Whoever creates a
    /// container from an image holds it from `resolve` until the container's directory exists.
    pub fn lease(&self) -> Result<()> {
        if self.lease.get().is_none() {
            crate::state::store::open(&self.paths)?;
            let lock = Flock::shared(&self.paths.store_lock())?;
            self.lay_out()?;
            // Another thread may have been quicker: one lease is as good as two.
            let _ = self.lease.set(lock);
        }
        Ok(())
    }

    fn lay_out(&self) -> Result<()> {
        for dir in [self.paths.blobs(), self.paths.layers(), self.paths.tmp()] {
            if !dir.is_dir() {
                atomic::make_dirs(&dir)?;
            }
        }
        let marker = self.paths.data.join("oci-layout");
        if !marker.exists() {
            atomic::write(&marker, &super::layout::marker()?, Class::Durable)?;
        }
        Ok(())
    }

    /// Finds an image like [`Store::lookup`], and makes the embedded `localhost/hello` when that is what was asked for.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        match self.lookup(name) {
            Err(e) if e.kind == Kind::NotFound && super::hello::is_meant(name) => {
                super::hello::install(self)?;
                self.lookup(name)
            }
            other => other,
        }
    }

    /// Finds an image by name, unique id prefix, or digest (`sha256:…` of the config or the manifest,
    /// `name@sha256:…`). Short names are looked for below `localhost/` first, then with Docker's defaults, then in any
    /// registry if only one has it.
    pub fn lookup(&self, name: &str) -> Result<Image> {
        let entries = self.entries()?;
        if let Some(entry) = self.named(&entries, name)? {
            return self.load(&entries, entry);
        }
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        if !is_hex(hex) || hex.len() > 64 {
            return Err(missing(name));
        }
        // Ids are in the manifests, so all of them are read; names come first because they need no more than one.
        let mut found: Option<(&IndexEntry, String)> = None;
        for entry in &entries {
            let id = self.config_digest(entry);
            let by_digest = hex.len() == 64 && (entry.original.hex() == hex || entry.manifest.hex() == hex);
            let by_list = entry.is_list() && entry.list_id().starts_with(hex);
            if !by_digest && !by_list && !id.as_ref().is_ok_and(|id| id.hex().starts_with(hex)) {
                continue;
            }
            let id = id?;
            match &found {
                Some((_, other)) if other != id.hex() => {
                    return Err(
                        Error::user(format!("find image '{name}': the id is not unique")).hint("give more digits")
                    );
                }
                _ => found = Some((entry, id.hex().to_string())),
            }
        }
        let (entry, _) = found.ok_or_else(|| missing(name))?;
        self.load(&entries, entry)
    }

    pub(super) fn named<'e>(&self, entries: &'e [IndexEntry], text: &str) -> Result<Option<&'e IndexEntry>> {
        let short = Reference::is_short(text);
        let domains: &[&str] = if short { &["localhost", "docker.io"] } else { &["docker.io"] };
        for domain in domains {
            let Ok(wanted) = Reference::parse_with(text, domain) else { continue };
            if let Some(digest) = &wanted.digest {
                let source = format!("{}@{digest}", wanted.repository());
                let hit = entries.iter().find(|e| {
                    let named = e.name.as_ref().is_some_and(|n| n.repository() == wanted.repository());
                    e.source.as_deref() == Some(&source) || (named && (e.original == *digest || e.manifest == *digest))
                });
                if hit.is_some() {
                    return Ok(hit);
                }
                continue;
            }
            let hit = entries.iter().find(|e| e.name.as_ref() == Some(&wanted));
            if hit.is_some() {
                return Ok(hit);
            }
        }
        // A name pulled through registries.conf's search list: `fedora` is registry.fedoraproject.org/fedora here.
        let Ok(wanted) = Reference::parse_with(text, "any.invalid") else { return Ok(None) };
        if !short || wanted.digest.is_some() {
            return Ok(None);
        }
        let suffix = format!("/{}", wanted.path);
        let mut hits = entries
            .iter()
            .filter(|e| e.name.as_ref().is_some_and(|n| n.tag == wanted.tag && n.repository().ends_with(&suffix)));
        match (hits.next(), hits.next()) {
            (Some(hit), None) => Ok(Some(hit)),
            (Some(_), Some(_)) => {
                Err(Error::user(format!("find image '{text}': several registries have it")).hint("give the full name"))
            }
            _ => Ok(None),
        }
    }

    /// All images, dangling ones too; newest first. Damaged ones and manifest lists are left out.
    pub fn list(&self) -> Result<Vec<Image>> {
        let entries = self.entries()?;
        let mut images: BTreeMap<String, Image> = BTreeMap::new();
        for entry in entries.iter().filter(|e| !e.is_list()) {
            let Ok(id) = self.config_digest(entry) else { continue };
            if images.contains_key(id.hex()) {
                continue;
            }
            match self.load(&entries, entry) {
                Ok(image) => drop(images.insert(image.id.clone(), image)),
                Err(e) => log::warn!("image {} is left out: {e}", entry.title()),
            }
        }
        let mut images: Vec<Image> = images.into_values().collect();
        let time = |i: &Image| i.config.created.parse::<jiff::Timestamp>().ok();
        images.sort_by(|a, b| time(b).cmp(&time(a)).then_with(|| a.names.cmp(&b.names)).then_with(|| a.id.cmp(&b.id)));
        Ok(images)
    }

    /// The image of a manifest blob in the store, whether it has a name or not.
    pub fn image(&self, manifest: &Digest) -> Result<Image> {
        let entries = self.entries()?;
        let entry = IndexEntry {
            manifest: manifest.clone(),
            media_type: super::OCI_MANIFEST.into(),
            original: manifest.clone(),
            name: None,
            config: None,
            source: None,
            made: false,
            list: None,
            sources: None,
            created: None,
        };
        self.load(&entries, &entry)
    }

    /// The descriptor of the image's manifest, for [`Store::tag`].
    pub fn descriptor(&self, image: &Image) -> Result<Descriptor> {
        let bytes = self.read(&image.manifest)?;
        let media_type = super::guess_media_type(&bytes).unwrap_or_else(|| super::OCI_MANIFEST.into());
        Ok(Descriptor::new(&media_type, image.manifest.clone(), bytes.len() as u64))
    }

    /// The image of `entry` with the names that `entries` give it.
    fn load(&self, entries: &[IndexEntry], entry: &IndexEntry) -> Result<Image> {
        let original = self.manifest_of(entry)?;
        let bytes = self.read(&original)?;
        let manifest = Manifest::parse(&bytes)?;
        let config = ImageConfig::parse(&self.read(&manifest.config.digest)?)?;
        let layers = LayerRef::list(&manifest, &config)?;
        let id = manifest.config.digest.hex().to_string();
        let (mut names, mut repo_digests) = (Vec::new(), Vec::new());
        let mut from_registry = false;
        for other in entries {
            // A list's names are not its members', except for who asked by them.
            let same = match other.is_list() {
                true => entry.is_list() && other.list_id() == entry.list_id(),
                false => other.original == original || self.config_digest(other).is_ok_and(|d| d.hex() == id),
            };
            if same {
                names.extend(other.name.as_ref().map(Reference::canonical));
                repo_digests.extend(other.source.clone());
                let theirs = other.source.is_some() && !other.made;
                from_registry |= theirs && (other.is_list() || other.original == original);
            }
        }
        for list in [&mut names, &mut repo_digests] {
            list.sort();
            list.dedup();
        }
        let size = manifest.layers.iter().fold(manifest.config.size, |sum, l| sum.saturating_add(l.size));
        Ok(Image { id, manifest: original, names, repo_digests, from_registry, config, layers, size })
    }

    /// The digest of the image manifest that an entry means: itself, or this host's part of an index.
    fn manifest_of(&self, entry: &IndexEntry) -> Result<Digest> {
        if !entry.is_list() {
            return Ok(entry.original.clone());
        }
        let index = Index::parse(&self.read(&entry.original)?)?;
        let arch = host_architecture();
        let images = || index.manifests.iter().filter(|d| !d.is_index());
        let ours =
            |d: &&super::Descriptor| d.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == arch);
        let here = |d: &&super::Descriptor| self.is_whole(&d.digest);
        let missing = |what: String| Error::not_found(format!("read manifest list {}: {what}", entry.title()));
        if let Some(part) = images().filter(ours).find(here) {
            return Ok(part.digest.clone());
        }
        if let Some(part) = images().find(ours) {
            let source = entry.sources().remove(part.digest.as_str());
            let e = missing(format!("its image for linux/{arch} is not in the store"));
            return Err(match source {
                Some(source) => e.hint(format!("coracle pull {source}")),
                None => e,
            });
        }
        let part = images().find(here).ok_or_else(|| missing("none of its images is here".into()))?;
        Ok(part.digest.clone())
    }

    pub(super) fn config_digest(&self, entry: &IndexEntry) -> Result<Digest> {
        if let Some(config) = &entry.config {
            return Ok(config.clone());
        }
        Ok(Manifest::parse(&self.read(&self.manifest_of(entry)?)?)?.config.digest)
    }

    /// Removes the image from the index under all its names; whether it was listed. See [`Store::collect`].
    pub fn remove(&self, image: &Image) -> Result<bool> {
        let mut doomed = vec![image.manifest.clone()];
        for entry in self.entries()?.into_iter().filter(|e| !e.is_list()) {
            if self.config_digest(&entry).is_ok_and(|d| d.hex() == image.id) {
                doomed.extend([entry.manifest, entry.original]);
            }
        }
        let mut blobs: Vec<Digest> = doomed.clone();
        for manifest in doomed.iter().filter_map(|d| Manifest::parse(&self.read(d).ok()?).ok()) {
            blobs.push(manifest.config.digest);
            blobs.extend(manifest.layers.into_iter().map(|l| l.digest));
        }
        self.handled(blobs.iter().map(|d| d.hex().to_string()));
        self.forget(&doomed)
    }

    /// Removes the image called `text` from the index without looking at its blobs; its name, if there was one.
    pub fn forget_named(&self, text: &str) -> Result<Option<String>> {
        let entries = self.entries()?;
        let Some(entry) = self.named(&entries, text)? else { return Ok(None) };
        self.handled([&entry.manifest, &entry.original].map(|d| d.hex().to_string()).into_iter());
        self.forget(std::slice::from_ref(&entry.manifest))?;
        Ok(Some(entry.title()))
    }

    /// Remembers blobs (by hex) that [`Store::collect`] may take whatever their age, if nothing refers to them.
    pub fn handled(&self, hex: impl Iterator<Item = String>) {
        if let Ok(mut handled) = self.handled.lock() {
            handled.extend(hex);
        }
    }
}

/// This host's architecture in Go's names.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
