//! What becomes of an image's parts on their way: decided before anything is sent, without network and disk.

use super::{Compressor, ManifestFormat, PushOptions};
use crate::error::{Context, Error, Result};
use crate::image::{
    DOCKER_CONFIG, DOCKER_FOREIGN_LAYER, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD, DOCKER_MANIFEST,
    Descriptor, Manifest, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST,
};
use crate::registry::push::Algorithm;
use serde_json::Value;

/// What is done with one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Sent as it is stored.
    Keep,
    /// Sent in this compression.
    Compress(Compressor),
    /// Not sent: whoever pulls fetches it from the addresses in the manifest.
    Elsewhere,
}

/// The plan for one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub format: ManifestFormat,
    /// The format differs from that of the stored manifest.
    converts: bool,
    /// One for each layer.
    pub treatments: Vec<Treatment>,
}

/// Refuses options that contradict each other, whatever the image.
pub fn check(options: &PushOptions) -> Result<()> {
    match (options.format, options.compression) {
        (Some(ManifestFormat::Docker), Some(compressor)) if compressor.algorithm == Algorithm::Zstd => {
            Err(Error::user("push with zstd in format v2s2: that format has no zstd layers")
                .hint("use --format oci, or gzip"))
        }
        _ => Ok(()),
    }
}

/// Plans for a stored manifest of type `media_type`. With `exact`, uncompressed layers stay so unless the options ask
/// for a compression: the image came like that.
pub fn plan(manifest: &Manifest, media_type: &str, exact: bool, options: &PushOptions) -> Result<Plan> {
    let stored = if media_type == DOCKER_MANIFEST { ManifestFormat::Docker } else { ManifestFormat::Oci };
    check(options)?;
    let format = match (options.format, &options.compression) {
        (Some(format), _) => format,
        (None, Some(compressor)) if compressor.algorithm == Algorithm::Zstd => ManifestFormat::Oci,
        (None, _) => stored,
    };
    if format == ManifestFormat::Docker && stored == ManifestFormat::Oci && manifest.config.media_type != OCI_CONFIG {
        return Err(Error::unsupported("turn this artifact into format v2s2: only images have that format"));
    }
    let treatments = manifest.layers.iter().map(|layer| treatment(layer, format, exact, options)).collect();
    Ok(Plan { format, converts: format != stored, treatments })
}

fn treatment(layer: &Descriptor, format: ManifestFormat, exact: bool, options: &PushOptions) -> Treatment {
    let now = match layer.media_type.as_str() {
        OCI_LAYER | DOCKER_LAYER => None,
        OCI_LAYER_GZIP | DOCKER_LAYER_GZIP => Some(Algorithm::Gzip),
        OCI_LAYER_ZSTD | DOCKER_LAYER_ZSTD => Some(Algorithm::Zstd),
        _ if !layer.urls.is_empty() => return Treatment::Elsewhere,
        // Layers for others only, encrypted ones, artifacts: not ours to change.
        _ => return Treatment::Keep,
    };
    let gzip = Compressor::new(Algorithm::Gzip);
    match (options.compression, now) {
        (Some(wanted), Some(now)) if wanted.algorithm == now => Treatment::Keep,
        (Some(wanted), _) => Treatment::Compress(wanted),
        (None, Some(Algorithm::Zstd)) if format == ManifestFormat::Docker => Treatment::Compress(gzip),
        (None, None) if !exact => Treatment::Compress(gzip),
        (None, _) => Treatment::Keep,
    }
}

impl Plan {
    /// The manifest to send: the stored bytes, if all parts are what they were. `layers`: what was sent for each layer.
    pub fn manifest(&self, stored: &[u8], layers: &[Descriptor]) -> Result<(Vec<u8>, &'static str)> {
        let media_type = match self.format {
            ManifestFormat::Oci => OCI_MANIFEST,
            ManifestFormat::Docker => DOCKER_MANIFEST,
        };
        let old = Manifest::parse(stored)?;
        let same = old.layers.iter().zip(layers).all(|(a, b)| a.digest == b.digest);
        if same && !self.converts {
            return Ok((stored.to_vec(), media_type));
        }
        // Not through `Manifest`: what it does not know (subject, artifactType) shall stay.
        let mut value: Value = serde_json::from_slice(stored).context("parse image manifest")?;
        value["mediaType"] = media_type.into();
        let docker = self.format == ManifestFormat::Docker;
        if self.converts {
            value["config"]["mediaType"] = if docker { DOCKER_CONFIG } else { OCI_CONFIG }.into();
        }
        if docker && let Some(fields) = value.as_object_mut() {
            // The format has none.
            for key in ["annotations", "subject", "artifactType"] {
                fields.remove(key);
            }
        }
        for (entry, layer) in value["layers"].as_array_mut().into_iter().flatten().zip(layers) {
            entry["digest"] = layer.digest.as_str().into();
            entry["size"] = layer.size.into();
            entry["mediaType"] = layer_type(&layer.media_type, self.format).into();
            if docker && let Some(fields) = entry.as_object_mut() {
                fields.remove("annotations");
            }
        }
        Ok((serde_json::to_vec(&value).context("encode the image manifest")?, media_type))
    }
}

/// A layer's media type in the format's own words.
fn layer_type(media_type: &str, format: ManifestFormat) -> &str {
    let pairs = [(OCI_LAYER, DOCKER_LAYER), (OCI_LAYER_GZIP, DOCKER_LAYER_GZIP), (OCI_LAYER_ZSTD, DOCKER_LAYER_ZSTD)];
    let found = pairs.into_iter().find(|(oci, docker)| *oci == media_type || *docker == media_type);
    match (found, format) {
        (Some((oci, _)), ManifestFormat::Oci) => oci,
        (Some((_, docker)), ManifestFormat::Docker) => docker,
        (None, ManifestFormat::Oci) if media_type == DOCKER_FOREIGN_LAYER => {
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        }
        (None, _) => media_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    fn manifest(kind: &str, config: &str, layers: &[&str]) -> (Vec<u8>, Manifest) {
        let digest = Digest::of(b"x");
        let entry = |kind: &str| serde_json::json!({"mediaType": kind, "digest": digest, "size": 1});
        let text = serde_json::json!({"schemaVersion": 2, "mediaType": kind, "config": entry(config),
            "layers": layers.iter().map(|l| entry(l)).collect::<Vec<_>>(), "subject": entry(kind)});
        let bytes = text.to_string().into_bytes();
        let parsed = Manifest::parse(&bytes).unwrap();
        (bytes, parsed)
    }

    fn options(format: Option<ManifestFormat>, compression: Option<Algorithm>) -> PushOptions {
        PushOptions { format, compression: compression.map(Compressor::new), ..PushOptions::default() }
    }

    #[test]
    fn only_what_must_change_changes() {
        use Algorithm::{Gzip, Zstd};
        use ManifestFormat::{Docker, Oci};
        let compress = |a| Treatment::Compress(Compressor::new(a));
        let all = [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, "application/x"];
        let (bytes, m) = manifest(OCI_MANIFEST, OCI_CONFIG, &all);
        let treat = |exact, o: &PushOptions| plan(&m, OCI_MANIFEST, exact, o).unwrap().treatments;
        let keep = Treatment::Keep;
        assert_eq!(treat(true, &options(None, None)), [keep; 4]);
        assert_eq!(treat(false, &options(None, None)), [compress(Gzip), keep, keep, keep]);
        assert_eq!(treat(false, &options(None, Some(Zstd))), [compress(Zstd), compress(Zstd), keep, keep]);
        assert_eq!(treat(true, &options(None, Some(Gzip))), [compress(Gzip), keep, compress(Gzip), keep]);
        assert_eq!(treat(true, &options(Some(Docker), None)), [keep, keep, compress(Gzip), keep]);
        assert!(plan(&m, OCI_MANIFEST, true, &options(Some(Docker), Some(Zstd))).is_err());

        let same = plan(&m, OCI_MANIFEST, true, &options(Some(Oci), None)).unwrap();
        assert_eq!(same.manifest(&bytes, &m.layers).unwrap().0, bytes);
        let docker = plan(&m, OCI_MANIFEST, true, &options(Some(Docker), None)).unwrap();
        let (text, kind) = docker.manifest(&bytes, &m.layers).unwrap();
        let converted = Manifest::parse(&text).unwrap();
        assert_eq!((kind, converted.media_type.as_str()), (DOCKER_MANIFEST, DOCKER_MANIFEST));
        assert_eq!(converted.config.media_type, DOCKER_CONFIG);
        assert_eq!(converted.layers[1].media_type, DOCKER_LAYER_GZIP);
        assert!(!String::from_utf8(text).unwrap().contains("subject"));
    }

    #[test]
    fn zstd_makes_an_oci_image_and_unknown_fields_stay() {
        let (bytes, m) = manifest(DOCKER_MANIFEST, DOCKER_CONFIG, &[DOCKER_LAYER_GZIP]);
        let plan = plan(&m, DOCKER_MANIFEST, true, &options(None, Some(Algorithm::Zstd))).unwrap();
        let sent = [Descriptor::new(OCI_LAYER_ZSTD, Digest::of(b"y"), 7)];
        let (text, kind) = plan.manifest(&bytes, &sent).unwrap();
        let new = Manifest::parse(&text).unwrap();
        assert_eq!((kind, new.config.media_type.as_str()), (OCI_MANIFEST, OCI_CONFIG));
        assert_eq!((new.layers[0].media_type.as_str(), new.layers[0].size), (OCI_LAYER_ZSTD, 7));
        assert!(String::from_utf8(text).unwrap().contains("subject"));
    }
}
