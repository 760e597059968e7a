//! Making images of layers and configs: `commit`, and whatever else adds layers.

use super::manifest::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, docker_layer, oci_layer};
use super::{Decoder, Descriptor, Digest, History, Image, ImageConfig, Manifest, RootFs, Store};
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

/// A layer whose blob is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLayer {
    pub digest: Digest,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// OCI's media type.
    pub media_type: String,
}

/// The two kinds of manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Oci,
    /// Docker image manifest v2, schema 2.
    Docker,
}

impl Format {
    /// Parses the names that podman and buildah use.
    pub fn parse(text: &str) -> Result<Format> {
        match text {
            "oci" => Ok(Format::Oci),
            "docker" | "v2s2" => Ok(Format::Docker),
            _ => Err(Error::user(format!("parse image format '{text}'")).hint("use oci or docker")),
        }
    }
}

/// Blocks of zeros: what a tar without members is.
const EMPTY_TAR: u64 = 1024;

impl Store {
    /// Puts a layer tar into the store, reading it once; `None` when it has no members. It stays as it is: only what
    /// leaves the host is compressed ([`Store::packed_layer`], push), so most layers never are.
    pub fn put_layer(&self, tar: &mut impl Read) -> Result<Option<StoredLayer>> {
        let mut blob = self.writer(None, None)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match tar.read(&mut buffer).context("read the layer")? {
                0 => break,
                n => blob.write_all(&buffer[..n]).context("store the layer")?,
            }
        }
        let size = blob.written();
        if size <= EMPTY_TAR {
            return Ok(None);
        }
        let digest = blob.commit()?;
        Ok(Some(StoredLayer { diff_id: digest.clone(), digest, size, media_type: OCI_LAYER.into() }))
    }

    /// Checks that a layer of the store is what its uncompressed tar and its media type are said to be; the blob's own
    /// digest was checked when it came.
    pub fn verify_layer(&self, layer: &StoredLayer) -> Result<()> {
        let path = self.blob(&layer.digest);
        let what = || format!("read layer {}", layer.digest);
        let is = super::archive::layer_type(self, &layer.digest)?;
        if is != oci_layer(&layer.media_type) {
            return Err(Error::denied(format!("{}: it is no {}", what(), layer.media_type)));
        }
        let mut tar = Decoder::new(File::open(&path).with_context(what)?)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match tar.read(&mut buffer).with_context(what)? {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        let found = Digest::from_hash(hash);
        match found == layer.diff_id {
            true => Ok(()),
            false => Err(Error::denied(format!("{}: its content is {found}, not {}", what(), layer.diff_id))),
        }
    }

    /// The layers of an image as they are, to build upon. An error where a blob is gone.
    pub fn stored_layers(&self, image: &Image) -> Result<Vec<StoredLayer>> {
        let one =
            |layer: &super::LayerRef| match self.has_blob(&layer.digest, Some(layer.size)) {
                true => Ok(StoredLayer {
                    digest: layer.digest.clone(),
                    diff_id: layer.diff_id.clone(),
                    size: layer.size,
                    media_type: oci_layer(&layer.media_type).into(),
                }),
                false => Err(Error::not_found(format!("use layer {}: its blob is gone", layer.digest))
                    .hint("pull the image again")),
            };
        image.layers.iter().map(one).collect()
    }

    /// Writes config and manifest of an image with these layers (lowest first); its descriptor is for [`Store::tag`].
    /// `config` says all but what the layers are.
    pub fn compose(&self, config: &ImageConfig, layers: &[StoredLayer], format: Format) -> Result<Descriptor> {
        self.compose_with(config, layers, format, BTreeMap::new())
    }

    /// [`Store::compose`] with annotations of the manifest, which Docker's format does not have.
    pub fn compose_with(
        &self,
        config: &ImageConfig,
        layers: &[StoredLayer],
        format: Format,
        annotations: BTreeMap<String, String>,
    ) -> Result<Descriptor> {
        let diff_ids = layers.iter().map(|l| l.diff_id.clone()).collect();
        let config = ImageConfig { rootfs: RootFs { kind: "layers".into(), diff_ids }, ..config.clone() };
        let config = serde_json::to_vec(&config).context("encode the image config")?;
        let docker = format == Format::Docker;
        let (manifest_type, config_type) =
            if docker { (DOCKER_MANIFEST, DOCKER_CONFIG) } else { (OCI_MANIFEST, OCI_CONFIG) };
        let layer = |l: &StoredLayer| {
            let media_type = if docker { docker_layer(&l.media_type) } else { &l.media_type };
            Descriptor::new(media_type, l.digest.clone(), l.size)
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: manifest_type.into(),
            config: Descriptor::new(config_type, self.put(&config)?, config.len() as u64),
            layers: layers.iter().map(layer).collect(),
            annotations,
        };
        let bytes = serde_json::to_vec(&manifest).context("encode the image manifest")?;
        Ok(Descriptor::new(manifest_type, self.put(&bytes)?, bytes.len() as u64))
    }
}

/// History entries for layers that have none: readers count the steps that made one.
pub fn fill_history(history: &mut Vec<History>, layers: usize, created: &str) {
    let told = history.iter().filter(|h| !h.empty_layer).count();
    for _ in told..layers {
        let step = History { created: created.into(), created_by: "unknown".into(), ..History::default() };
        history.insert(0, step);
    }
}
