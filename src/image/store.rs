//! The image store: an OCI image layout (image-layout.md 1.0) plus extracted layers.

use super::{BlobWriter, Descriptor, Digest, ImageConfig, LayerEvent, Reference, Unpacker};
use crate::error::{Error, Result};
use crate::state::paths::Paths;
use crate::userns::IdMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;

/// One store. Opening touches nothing. The first call that adds something takes the store's lock shared and keeps it
/// until the `Store` is dropped, so that no clean-up removes what has no name yet.
#[derive(Debug)]
pub struct Store {
    pub(super) paths: Paths,
    pub(super) lease: OnceLock<File>,
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
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<LayerRef>,
    /// Compressed bytes: config and layers.
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

impl Store {
    /// The store below `paths`; it is laid out by the first call that writes.
    pub fn open(paths: &Paths) -> Result<Store> {
        Ok(Store { paths: paths.clone(), lease: OnceLock::new() })
    }
    /// Shares the store's lock until this `Store` is dropped: nothing is collected meanwhile. Whoever creates a
    /// container from an image holds it from `resolve` until the container's directory exists.
    pub fn lease(&self) -> Result<()> {
        Err(Error::unsupported("lock the image store: not built yet"))
    }
    /// Where the blob is, or would be.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.paths.blobs().join(digest.hex())
    }
    /// Whether the whole blob is there; with `size` a truncated one (power loss) does not count.
    pub fn has_blob(&self, _digest: &Digest, _size: Option<u64>) -> bool {
        false
    }
    /// Starts a blob. With `expect` and `size`, anything else is refused by `commit`.
    pub fn writer(&self, _expect: Option<&Digest>, _size: Option<u64>) -> Result<BlobWriter> {
        Err(Error::unsupported("write a blob: not built yet"))
    }
    /// Stores a small blob (manifest, config).
    pub fn put(&self, _bytes: &[u8]) -> Result<Digest> {
        Err(Error::unsupported("write a blob: not built yet"))
    }
    /// Reads a small blob (at most [`super::MAX_JSON`] bytes) and verifies it.
    pub fn read(&self, _digest: &Digest) -> Result<Vec<u8>> {
        Err(Error::unsupported("read a blob: not built yet"))
    }
    /// Finds an image by name, unique id prefix, or digest (`sha256:…` of the config or the manifest,
    /// `name@sha256:…`). Short names are looked for below `localhost/` first, then with Docker's defaults.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        Err(Error::not_found(format!("find image '{name}'")))
    }
    /// All images, dangling ones too; newest first.
    pub fn list(&self) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }
    /// The image of a manifest blob in the store, whether it has a name or not.
    pub fn image(&self, manifest: &Digest) -> Result<Image> {
        Err(Error::not_found(format!("find image {manifest}")))
    }
    /// Gives the image of the manifest blob `manifest` the name `name`, taking it from the image that has it now. By
    /// the time this returns everything written through this `Store` is on disk.
    pub fn tag(&self, manifest: &Descriptor, name: &Reference) -> Result<()> {
        self.tag_pulled(manifest, name, None)
    }
    /// [`Store::tag`] for a pull; `source` is the digest that the registry has for the name (the index's digest, where
    /// it serves one).
    pub fn tag_pulled(&self, _manifest: &Descriptor, _name: &Reference, _source: Option<&Digest>) -> Result<()> {
        Err(Error::unsupported("name an image: not built yet"))
    }
    /// Extracts the image's missing layers from blobs that are all in the store; quick when none is missing.
    pub fn unpack(
        &self,
        _manifest: &Digest,
        _jobs: usize,
        _idmap: &IdMap,
        _progress: &(dyn Fn(LayerEvent) + Sync),
    ) -> Result<()> {
        Err(Error::unsupported("unpack an image: not built yet"))
    }
    /// Starts to extract those of `layers` (a whole image, lowest first) that are missing, `jobs` at once, while their
    /// blobs are still being downloaded. Call it before starting threads: it starts a process with mapped ids.
    pub fn unpacker(&self, _layers: &[LayerRef], _jobs: usize, _idmap: &IdMap) -> Result<Unpacker> {
        Err(Error::unsupported("unpack an image: not built yet"))
    }
    /// The directories of extracted layers for `lowers` of an overlay: top-most first, while `chain` is lowest first.
    /// An error when one is missing: call [`Store::unpack`] first.
    pub fn layer_dirs(&self, _chain: &[String], _idmap: &IdMap) -> Result<Vec<PathBuf>> {
        Err(Error::unsupported("find layers: not built yet"))
    }
}
