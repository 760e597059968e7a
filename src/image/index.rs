//! `index.json`: which images exist and what they are called.
//!
//! It is the layout's own index, so other OCI tools see the names we give and we see what they add. It is replaced as
//! a whole by rename, under a lock of its own; readers take no lock.

use super::digest::is_hex;
use super::{DOCKER_INDEX, Descriptor, Digest, Index, Manifest, OCI_INDEX, OCI_MANIFEST, Reference, Store};
use crate::error::{Context, Error, Kind, Result};
use crate::state::atomic::{self, Class};
use crate::state::lock::Flock;
use std::collections::BTreeMap;

/// An image's name, as the OCI image layout keeps it (annotations.md).
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// Digest of the manifest as pulled, where the index lists a translation (Docker's manifests are unknown to OCI tools).
const ORIGINAL: &str = "io.coracle.original";
/// Digest of the config, so that finding an image by id reads no manifests.
const CONFIG: &str = "io.coracle.config";
/// `repository@digest` as the registry knows it.
const SOURCE: &str = "io.coracle.source";
/// Beside [`SOURCE`]: the image was made here, and the registry has it from us, where layers may be compressed.
const MADE: &str = "io.coracle.made";
/// Id of a manifest list.
pub(super) const LIST: &str = "io.coracle.list";
/// Of a manifest list: a JSON object of the places that members' layers can be fetched from, by their manifests' digests.
pub(super) const SOURCES: &str = "io.coracle.sources";
/// When a manifest list was made, RFC 3339 (OCI image-spec, annotations.md).
pub(super) const CREATED: &str = "org.opencontainers.image.created";

/// One entry of the index, as far as we look.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndexEntry {
    /// Of the OCI manifest, or OCI index (other tools may add one).
    pub manifest: Digest,
    pub media_type: String,
    /// Digest as pulled; equals `manifest` for OCI images.
    pub original: Digest,
    pub name: Option<Reference>,
    /// Of the config, where we listed the image.
    pub config: Option<Digest>,
    /// `repository@digest`.
    pub source: Option<String>,
    /// Made here, and pushed to `source`.
    pub made: bool,
    /// Of manifest lists of our own.
    pub list: Option<String>,
    pub sources: Option<String>,
    /// RFC 3339, where it says so.
    pub created: Option<String>,
}

impl IndexEntry {
    /// Whether it is an index, not an image.
    pub fn is_list(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_INDEX)
    }

    /// The id of a manifest list.
    pub fn list_id(&self) -> &str {
        self.list.as_deref().filter(|id| id.len() == 64 && is_hex(id)).unwrap_or_else(|| self.manifest.hex())
    }

    /// Where the layers of a list's members can be fetched; what does not parse is as good as nothing.
    pub fn sources(&self) -> BTreeMap<String, String> {
        self.sources.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// What to call the image in messages.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| self.original.to_string(), Reference::canonical)
    }

    pub fn of(descriptor: &Descriptor) -> IndexEntry {
        let note = |key: &str| descriptor.annotations.get(key);
        let original = note(ORIGINAL).and_then(|d| Digest::parse(d).ok()).unwrap_or_else(|| descriptor.digest.clone());
        // Other tools write any text here: a bare word is taken for a name of this host.
        let name = note(NAME).and_then(|n| Reference::parse_with(n, "localhost").ok());
        IndexEntry {
            manifest: descriptor.digest.clone(),
            media_type: descriptor.media_type.clone(),
            original,
            name,
            config: note(CONFIG).and_then(|d| Digest::parse(d).ok()),
            source: note(SOURCE).cloned(),
            made: note(MADE).is_some(),
            list: note(LIST).cloned(),
            sources: note(SOURCES).cloned(),
            created: note(CREATED).cloned(),
        }
    }
}

impl Store {
    /// All entries in file order; a store that does not exist has none.
    pub(super) fn entries(&self) -> Result<Vec<IndexEntry>> {
        Ok(self.index()?.manifests.iter().map(IndexEntry::of).collect())
    }

    fn index(&self) -> Result<Index> {
        let path = self.paths.image_index();
        match atomic::read(&path) {
            Ok(bytes) => Index::parse(&bytes)
                .with_context(|| format!("read {}", path.display()))
                .map_err(|e| e.hint("coracle system check --repair makes it anew from the images that are there")),
            Err(e) if e.kind == Kind::NotFound => Ok(Index {
                schema_version: 2,
                media_type: OCI_INDEX.into(),
                manifests: Vec::new(),
                annotations: BTreeMap::new(),
            }),
            Err(e) => Err(e),
        }
    }

    /// Changes the index: reads it under its lock, and replaces it when `change` says that something changed.
    pub(super) fn change_index(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> bool) -> Result<bool> {
        self.lease()?;
        let _lock = Flock::exclusive(&self.paths.image_index_lock())?;
        let mut index = self.index()?;
        if !change(&mut index.manifests) {
            return Ok(false);
        }
        atomic::write_json(&self.paths.image_index(), &index, Class::Durable)?;
        Ok(true)
    }

    /// Gives the image of the manifest blob `manifest` the name `name`, taking it from the image that has it now. By
    /// the time this returns everything written through this `Store` is on disk.
    pub fn tag(&self, manifest: &Descriptor, name: &Reference) -> Result<()> {
        self.tag_pulled(manifest, name, None)
    }

    /// [`Store::tag`] for a pull; `source` is the digest that the registry has for the name (the index's digest, where
    /// it serves one). A name without tag is remembered as `repository@digest` only.
    pub fn tag_pulled(&self, manifest: &Descriptor, name: &Reference, source: Option<&Digest>) -> Result<()> {
        let source = match (source, &name.digest) {
            (Some(digest), _) | (None, Some(digest)) => Some(format!("{}@{digest}", name.repository())),
            (None, None) => None,
        };
        let name = name.tag.as_ref().map(|_| Reference { digest: None, ..name.clone() });
        self.list_manifest(manifest, name.as_ref(), source, false)
    }

    /// [`Store::tag`] for an image that was made here: since its push a registry knows it as `name@digest`, which is
    /// another manifest.
    pub fn tag_pushed(&self, manifest: &Descriptor, name: &Reference, digest: &Digest) -> Result<()> {
        let source = format!("{}@{digest}", name.repository());
        self.list_manifest(manifest, Some(name), Some(source), true)
    }

    /// Lists an image without a name (`load` of an archive that names none).
    pub fn keep(&self, manifest: &Descriptor) -> Result<()> {
        self.list_manifest(manifest, None, None, false)
    }

    fn list_manifest(
        &self,
        manifest: &Descriptor,
        name: Option<&Reference>,
        source: Option<String>,
        made: bool,
    ) -> Result<()> {
        let mut entry = self.oci_descriptor(manifest)?;
        let name = name.map(Reference::canonical);
        if let Some(name) = &name {
            entry.annotations.insert(NAME.into(), name.clone());
        }
        if let Some(source) = source {
            entry.annotations.insert(SOURCE.into(), source);
        }
        if made {
            entry.annotations.insert(MADE.into(), "true".into());
        }
        // Blobs and layers must be on disk before anything refers to them.
        self.sync()?;
        self.change_index(|entries| {
            if entries.contains(&entry) {
                return false;
            }
            if let Some(name) = &name {
                unname(entries, name);
            }
            // One entry is enough for an image without a name.
            entries.retain(|e| e.digest != entry.digest || e.annotations.contains_key(NAME));
            let known = name.is_none() && entries.iter().any(|e| e.digest == entry.digest);
            match entries.iter_mut().find(|e| e.digest == entry.digest) {
                // Pulled by digest, and known by name: only the source is news.
                Some(first) if known => {
                    if let Some(source) = entry.annotations.get(SOURCE) {
                        first.annotations.insert(SOURCE.into(), source.clone());
                        first.annotations.remove(MADE);
                    }
                }
                _ => entries.push(entry),
            }
            true
        })?;
        Ok(())
    }

    /// Takes the name away; whether an image had it. The image itself stays, as a dangling one if it was its last name.
    pub fn untag(&self, name: &Reference) -> Result<bool> {
        self.change_index(|entries| unname(entries, &name.canonical()))
    }

    /// Forgets the images of these manifests (their OCI digests or originals) under all names.
    pub(super) fn forget(&self, manifests: &[Digest]) -> Result<bool> {
        self.change_index(|entries| {
            let before = entries.len();
            entries.retain(|e| {
                let entry = IndexEntry::of(e);
                !manifests.contains(&entry.manifest) && !manifests.contains(&entry.original)
            });
            entries.len() != before
        })
    }

    /// The descriptor to list: the manifest itself, or its translation to OCI, which is stored beside it.
    fn oci_descriptor(&self, manifest: &Descriptor) -> Result<Descriptor> {
        let bytes = self.read(&manifest.digest)?;
        let parsed = Manifest::parse(&bytes)?;
        let mut entry = match parsed.to_oci() {
            None => Descriptor::new(OCI_MANIFEST, manifest.digest.clone(), bytes.len() as u64),
            Some(oci) => {
                let text = serde_json::to_vec(&oci).context("encode the image manifest")?;
                let mut entry = Descriptor::new(OCI_MANIFEST, self.put(&text)?, text.len() as u64);
                entry.annotations.insert(ORIGINAL.into(), manifest.digest.to_string());
                entry
            }
        };
        entry.annotations.insert(CONFIG.into(), parsed.config.digest.to_string());
        Ok(entry)
    }
}

/// Takes `name` (canonical) from whoever has it; whether anyone did.
pub(super) fn unname(entries: &mut Vec<Descriptor>, name: &str) -> bool {
    let has = |e: &Descriptor| IndexEntry::of(e).name.is_some_and(|n| n.canonical() == name);
    let Some(at) = entries.iter().position(has) else { return false };
    // Two lists may have the same content.
    let (digest, list) = (entries[at].digest.clone(), entries[at].annotations.get(LIST).cloned());
    if entries.iter().filter(|e| e.digest == digest && e.annotations.get(LIST) == list.as_ref()).count() > 1 {
        entries.remove(at);
    } else {
        entries[at].annotations.remove(NAME);
    }
    // Should another tool have listed the name twice.
    unname(entries, name);
    true
}

/// What a `not found` says.
pub(super) fn missing(name: &str) -> Error {
    Error::not_found(format!("find image '{name}': no such image"))
}
