//! Decisions about what a registry offers: platform, types, space; no network.

use super::fault::one_line;
use super::platform::Platform;
use crate::error::{Context, Error, Result};
use crate::image::{self, Descriptor, ImageConfig, Index, Manifest};
use oci_spec::image::MediaType;
use std::collections::BTreeSet;
use std::path::Path;

/// The entry of an index for `platform`.
///
/// # Errors
/// `Unsupported`, listing the platforms that there are.
pub fn from_index<'i>(index: &'i Index, platform: &Platform) -> Result<&'i Descriptor> {
    let manifest_types = [image::OCI_MANIFEST, image::DOCKER_MANIFEST, image::OCI_INDEX, image::DOCKER_INDEX, ""];
    let mut offered = Vec::new();
    let mut entries = Vec::new();
    for entry in &index.manifests {
        // BuildKit keeps its attestations as entries for platform unknown/unknown.
        let attestation = entry.annotations.contains_key("vnd.docker.reference.type");
        if attestation || !manifest_types.contains(&entry.media_type.as_str()) {
            continue;
        }
        let Some(p) = &entry.platform else { continue };
        offered.push(Platform::normalised(&p.os, &p.architecture, &p.variant));
        entries.push(entry);
    }
    if let Some(best) = platform.best(&offered) {
        return Ok(entries[best]);
    }
    if let [only] = index.manifests.as_slice()
        && only.platform.is_none()
    {
        // An index without platforms (buildah manifest, oras): the config tells the platform later.
        return Ok(only);
    }
    let there: BTreeSet<String> = offered.iter().map(Platform::to_string).filter(|p| !p.contains("unknown")).collect();
    let there: Vec<String> = there.into_iter().take(20).map(|p| one_line(&p)).collect();
    let error = Error::unsupported(format!("there is no image for {platform}"));
    Err(match there.as_slice() {
        [] => error.hint("the index holds no images at all"),
        names => error.hint(format!("platforms there: {}; choose one with --platform", names.join(", "))),
    })
}

/// A single image must fit as well; images that don't say what they are for pass.
pub fn check_platform(wanted: &Platform, config: &ImageConfig) -> Result<()> {
    if config.architecture.is_empty() {
        return Ok(());
    }
    let offered = Platform::normalised(&config.os, &config.architecture, &config.variant);
    if wanted.distance(&offered).is_some() {
        return Ok(());
    }
    let shown = one_line(&offered.to_string());
    Err(Error::unsupported(format!("the image is for {shown} only, not for {wanted}"))
        .hint(format!("pull it nevertheless with --platform {shown}")))
}

/// Layer types of Docker's own schema, which the OCI specification does not list.
const DOCKER_LAYERS: [&str; 4] =
    [image::DOCKER_LAYER, image::DOCKER_LAYER_GZIP, image::DOCKER_LAYER_ZSTD, image::DOCKER_FOREIGN_LAYER];

/// Images only: artifacts (charts, signatures, models) have manifests too.
pub fn check_types(manifest: &Manifest) -> Result<()> {
    let config = manifest.config.media_type.as_str();
    if ![image::OCI_CONFIG, image::DOCKER_CONFIG, ""].contains(&config) {
        return Err(Error::unsupported(format!(
            "it is no container image but an artifact of type {}",
            one_line(config)
        )));
    }
    for layer in &manifest.layers {
        let known = match MediaType::from(layer.media_type.as_str()) {
            MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd => true,
            MediaType::ImageLayerNonDistributable
            | MediaType::ImageLayerNonDistributableGzip
            | MediaType::ImageLayerNonDistributableZstd => true,
            MediaType::Other(docker) => DOCKER_LAYERS.contains(&docker.as_str()),
            _ => false,
        };
        if !known {
            let kind = one_line(&layer.media_type);
            let error = Error::unsupported(format!("a layer is of type {kind}"));
            return Err(if kind.contains("encrypted") {
                error.hint("encrypted images can't be read yet")
            } else {
                error
            });
        }
    }
    Ok(())
}

/// Refuses a download that can't fit, before it starts: `blobs` bytes are to be fetched, and the `packed` bytes of layers
/// to be extracted take at least as much again. Returns a warning when they fit, but not with the usual compression.
pub fn check_space(blob: &Path, blobs: u64, packed: u64) -> Result<Option<String>> {
    // The store may not be laid out yet: the nearest directory that exists is on its disk.
    let Some(dir) = blob.ancestors().skip(1).find(|dir| dir.exists()) else { return Ok(None) };
    let stat = rustix::fs::statvfs(dir).with_context(|| format!("measure the free space of {}", dir.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    let (least, usual) = (blobs.saturating_add(packed), blobs.saturating_add(packed.saturating_mul(USUAL_RATIO)));
    if usual <= free {
        return Ok(None);
    }
    let dir = dir.display();
    if least <= free {
        return Ok(Some(format!(
            "Warning: the image may need {} MB in {dir}, where {} MB are free",
            mb(usual),
            mb(free)
        )));
    }
    let text = format!(
        "store {} MB of layers, and {} MB or more of their files, in {dir}, where {} MB are free",
        mb(blobs),
        mb(packed),
        mb(free)
    );
    Err(Error::errno(libc::ENOSPC, text).hint("free space there, or choose another store with --root"))
}

/// How much larger layers commonly are than their blobs (gzip: 2.5 to 3).
const USUAL_RATIO: u64 = 3;

/// Up to eight tags, those that look like `wanted` first.
pub fn nearest(wanted: &str, tags: &[String]) -> String {
    let common = |tag: &str| tag.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let mut sorted: Vec<&String> = tags.iter().collect();
    sorted.sort_by_key(|tag| (std::cmp::Reverse(common(tag)), tag.len()));
    let mut shown: Vec<String> = sorted.iter().take(8).map(|tag| one_line(tag)).collect();
    if tags.len() > shown.len() {
        shown.push("…".into());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    fn index(entries: &str) -> Index {
        let digest = Digest::of(b"x");
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#).replace("DIGEST", digest.as_str());
        Index::parse(text.as_bytes()).unwrap()
    }

    fn entry(platform: &str, more: &str) -> String {
        let (os, arch) = platform.split_once('/').unwrap();
        format!(
            r#"{{"mediaType":"{}","digest":"DIGEST","size":1,"platform":{{"os":"{os}","architecture":"{arch}"}}{more}}}"#,
            image::OCI_MANIFEST
        )
    }

    #[test]
    fn the_error_lists_the_platforms_but_not_attestations() {
        let note = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#;
        let index =
            index(&[entry("linux/arm64", ""), entry("windows/amd64", ""), entry("unknown/unknown", note)].join(","));
        let e = from_index(&index, &Platform::parse("linux/amd64").unwrap()).unwrap_err().to_string();
        assert!(e.contains("linux/arm64, windows/amd64") && !e.contains("unknown"), "{e}");
        assert!(from_index(&index, &Platform::parse("linux/arm64").unwrap()).is_ok());
    }

    #[test]
    fn a_lone_entry_without_platform_is_taken() {
        let host = Platform::host();
        assert!(from_index(&index(r#"{"digest":"DIGEST","size":1}"#), &host).is_ok());
        assert!(from_index(&index(""), &host).is_err());
    }

    #[test]
    fn single_images_for_other_platforms_are_refused_with_the_way_out() {
        let arm = ImageConfig { architecture: "arm64".into(), os: "linux".into(), ..ImageConfig::default() };
        let e = check_platform(&Platform::parse("linux/amd64").unwrap(), &arm).unwrap_err().to_string();
        assert!(e.contains("--platform linux/arm64"), "{e}");
        assert!(check_platform(&Platform::parse("linux/arm64/v8").unwrap(), &arm).is_ok());
        assert!(check_platform(&Platform::host(), &ImageConfig::default()).is_ok());
    }

    #[test]
    fn too_large_images_are_refused_before_they_are_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let blob = dir.path().join("not/yet/there");
        assert_eq!(check_space(&blob, 1, 0).unwrap(), None);
        for (blobs, packed) in [(u64::MAX, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            let e = check_space(&blob, blobs, packed).unwrap_err();
            assert!(e.is_errno(libc::ENOSPC), "{e}");
        }
        let stat = rustix::fs::statvfs(dir.path()).unwrap();
        let warning = check_space(&blob, 0, stat.f_bavail * stat.f_frsize / 2).unwrap();
        assert!(warning.is_some_and(|text| text.contains("may need")));
    }

    #[test]
    fn tags_that_look_alike_come_first() {
        let tags: Vec<String> = ["1.0", "latest", "3.20", "3.2", "3.21"].map(String::from).to_vec();
        assert_eq!(nearest("3.2x", &tags), "3.2, 3.20, 3.21, 1.0, latest");
    }
}
