//! docker-archive: `manifest.json`, a config and a tar for each layer (moby image spec v1.2).

use super::Loaded;
use super::collect::Contents;
use crate::error::{Context, Error, Result};
use crate::image::decompress::Compression;
use crate::image::manifest::{OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST};
use crate::image::{Descriptor, ImageConfig, Manifest, Reference, Store};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// One element of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    pub config: String,
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub layers: Vec<String>,
}

pub(super) fn items(manifest: &[u8]) -> Result<Vec<Item>> {
    serde_json::from_slice(manifest).context("read the archive's manifest.json")
}

/// The names of an item, with Docker's defaults.
pub(super) fn names(item: &Item) -> Result<Vec<Reference>> {
    item.repo_tags.iter().flatten().map(|tag| Reference::parse(tag)).collect()
}

/// Makes a manifest for each image: the archive has none, and its layers are (mostly) uncompressed.
pub(super) fn load(store: &Store, contents: &Contents, manifest: &[u8]) -> Result<Vec<Loaded>> {
    items(manifest)?.iter().map(|item| load_item(store, contents, item)).collect()
}

fn load_item(store: &Store, contents: &Contents, item: &Item) -> Result<Loaded> {
    let config_file = contents.file(&item.config)?;
    let config = ImageConfig::parse(&store.read(&config_file.digest)?)?;
    config.check_layers(item.layers.len())?;
    let mut layers = Vec::new();
    for (path, diff_id) in item.layers.iter().zip(&config.rootfs.diff_ids) {
        let file = contents.file(path)?;
        let media_type = layer_type(store, &file.digest)?;
        if media_type == OCI_LAYER && file.digest != *diff_id {
            return Err(Error::denied(format!("load layer {path}: its digest is {}, not {diff_id}", file.digest))
                .hint("the archive is damaged"));
        }
        layers.push(Descriptor::new(media_type, file.digest.clone(), file.size));
    }
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.into(),
        config: Descriptor::new(OCI_CONFIG, config_file.digest.clone(), config_file.size),
        layers,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest).context("encode the image manifest")?;
    let manifest = Descriptor::new(OCI_MANIFEST, store.put(&bytes)?, bytes.len() as u64);
    Ok(Loaded { manifest, names: names(item)?, list: None, transport: "docker-archive" })
}

/// The media type of a layer blob by its first bytes.
pub(in crate::image) fn layer_type(store: &Store, digest: &crate::image::Digest) -> Result<&'static str> {
    let path = store.blob(digest);
    let mut start = Vec::new();
    let file = std::fs::File::open(&path).with_context(|| format!("open {}", path.display()))?;
    file.take(8).read_to_end(&mut start).with_context(|| format!("read {}", path.display()))?;
    match Compression::of(&start) {
        Compression::None => Ok(OCI_LAYER),
        Compression::Gzip => Ok(OCI_LAYER_GZIP),
        Compression::Zstd => Ok(OCI_LAYER_ZSTD),
        other => {
            Err(Error::unsupported(format!("read the archive: a layer is compressed with {other:?}").to_lowercase())
                .hint("gzip, zstd and no compression are supported"))
        }
    }
}
