//! Manifests and descriptors, as far as the engine reads them.
//!
//! A pulled manifest is never written back from these structs: unknown fields would be lost and the digest would
//! change. The raw bytes are the blob (OCI image-spec 1.1, manifest.md and descriptor.md; Docker image manifest v2,
//! schema 2).

use super::digest::Digest;
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
/// Layers that registries may refuse to serve (Windows base images).
pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Largest manifest, index or config that is read into memory, in bytes (containers/image: 4 MiB; some configs of
/// generated images are larger).
pub const MAX_JSON: u64 = 8 << 20;

/// Points at a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Of entries of an index that are no images.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ManifestPlatform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: String::new(),
            urls: Vec::new(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
    pub fn is_index(&self) -> bool {
        self.media_type == OCI_INDEX || self.media_type == DOCKER_INDEX
    }
}

/// The `platform` of an index entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPlatform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(default, rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Of the processor (Docker's manifest lists).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// An image manifest, OCI or Docker v2s2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index or a Docker manifest list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    pub fn parse(bytes: &[u8]) -> Result<Manifest> {
        let manifest: Manifest = serde_json::from_slice(bytes).context("parse image manifest")?;
        if manifest.schema_version != 2 {
            return Err(Error::unsupported(format!("read image manifest of schema {}", manifest.schema_version)));
        }
        Ok(manifest)
    }

    /// The same image as an OCI manifest, for OCI tools that read the store: Docker's media types are translated,
    /// blobs stay the same. `None` when it is one already.
    pub fn to_oci(&self) -> Option<Manifest> {
        let docker = |t: &str| t.starts_with("application/vnd.docker.");
        if !docker(&self.media_type) && !docker(&self.config.media_type) {
            return None;
        }
        let mut oci = self.clone();
        oci.media_type = OCI_MANIFEST.into();
        oci.config.media_type = OCI_CONFIG.into();
        for layer in &mut oci.layers {
            layer.media_type = oci_layer(&layer.media_type).to_string();
        }
        Some(oci)
    }
}

/// OCI's media type for one of Docker's.
pub fn oci_layer(media_type: &str) -> &str {
    match media_type {
        DOCKER_LAYER => OCI_LAYER,
        DOCKER_LAYER_GZIP | DOCKER_FOREIGN_LAYER => OCI_LAYER_GZIP,
        DOCKER_LAYER_ZSTD => OCI_LAYER_ZSTD,
        other => other,
    }
}

/// Docker's media type for one of OCI's.
pub fn docker_layer(media_type: &str) -> &str {
    match media_type {
        OCI_LAYER => DOCKER_LAYER,
        OCI_LAYER_GZIP => DOCKER_LAYER_GZIP,
        OCI_LAYER_ZSTD => DOCKER_LAYER_ZSTD,
        other => other,
    }
}

impl Index {
    pub fn parse(bytes: &[u8]) -> Result<Index> {
        serde_json::from_slice(bytes).context("parse image index")
    }
}

/// The media type that the JSON itself states, or the one that its fields imply (older tools leave it out).
pub fn guess_media_type(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        #[serde(default)]
        media_type: String,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
    }
    let probe: Probe = serde_json::from_slice(bytes).ok()?;
    match probe {
        p if !p.media_type.is_empty() => Some(p.media_type),
        p if p.manifests.is_some() => Some(OCI_INDEX.into()),
        p if p.layers.is_some() && p.config.is_some() => Some(OCI_MANIFEST.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_docker_manifests() {
        let d = Digest::of(b"x");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{"mediaType":"{DOCKER_CONFIG}","size":1,"digest":"{d}"}},
               "layers":[{{"mediaType":"{DOCKER_LAYER_GZIP}","size":2,"digest":"{d}","extra":1}}]}}"#
        );
        let m = Manifest::parse(text.as_bytes()).unwrap();
        let oci = m.to_oci().unwrap();
        assert_eq!(oci.media_type, OCI_MANIFEST);
        assert_eq!(oci.config.media_type, OCI_CONFIG);
        assert_eq!(oci.layers[0].media_type, OCI_LAYER_GZIP);
        assert!(oci.to_oci().is_none());
        assert_eq!(guess_media_type(text.as_bytes()).as_deref(), Some(DOCKER_MANIFEST));
        assert_eq!(guess_media_type(b"{\"manifests\":[]}").as_deref(), Some(OCI_INDEX));
        assert!(guess_media_type(b"[]").is_none());
        assert!(Manifest::parse(b"{\"schemaVersion\":1}").is_err());
    }
}
