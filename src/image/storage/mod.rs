//! Images in the store of podman, buildah and skopeo (containers/storage), read without these programs.
//!
//! `<driver>-images/images.json` lists the images, `<driver>-layers/layers.json` the layers. A layer's tar is not kept,
//! but what it had beside the files' contents is (`<id>.tar-split.gz`): with the files of the layer's directory the very
//! bytes come out again, so that diff ids and the image id stay the same. The files belong to subordinate ids, so this is
//! done by a job with mapped ids.

mod tar_split;

pub use tar_split::job;

use super::archive::Loaded;
use super::manifest::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use super::{Descriptor, Digest, ImageConfig, Manifest, Reference, Store, guess_media_type};
use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use crate::userns::IdMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Drivers whose layers are directories that this user can read.
const DRIVERS: [&str; 2] = ["overlay", "vfs"];
/// Bytes of the lists of images and of layers.
const MAX_LIST: u64 = 256 << 20;

/// A store of containers/storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// `graphroot` of storage.conf.
    pub root: PathBuf,
    /// `overlay` or `vfs`; `None`: whichever has the image.
    pub driver: Option<String>,
}

impl Foreign {
    /// The drivers that the store may have, as a policy's scopes name them.
    pub fn drivers(&self) -> Vec<&str> {
        match &self.driver {
            Some(driver) => vec![driver],
            None => {
                let there = |driver: &&str| self.root.join(format!("{driver}-images/images.json")).exists();
                DRIVERS.into_iter().filter(there).collect()
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct ForeignImage {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    /// The topmost.
    #[serde(default)]
    layer: String,
    /// Of the manifest.
    #[serde(default)]
    digest: String,
    /// `manifest-sha256:…` for each manifest that it was pulled by.
    #[serde(default, rename = "big-data-names")]
    data: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct ForeignLayer {
    id: String,
    #[serde(default)]
    parent: String,
    #[serde(default, rename = "diff-digest")]
    diff_digest: String,
}

impl Store {
    /// Copies the image that `name` means in `foreign`: a name, or the beginning of an id. Its layers become
    /// uncompressed blobs, as the other store does not keep them compressed.
    pub fn load_foreign(
        &self,
        foreign: &Foreign,
        name: &str,
        idmap: &IdMap,
        progress: super::ReadProgress<'_>,
    ) -> Result<Loaded> {
        self.lease()?;
        let mut known = false;
        for driver in DRIVERS.iter().filter(|d| foreign.driver.as_deref().is_none_or(|wanted| wanted == **d)) {
            let list = foreign.root.join(format!("{driver}-images/images.json"));
            if !list.exists() {
                continue;
            }
            known = true;
            let images: Vec<ForeignImage> = read_list(&list)?;
            if let Some((image, meant)) = find(&images, name)? {
                return Importer { store: self, foreign, driver, idmap, progress }.import(image, meant);
            }
        }
        let root = foreign.root.display();
        Err(if known {
            Error::not_found(format!("find image '{name}' in {root}")).hint("`podman images` lists what is there")
        } else {
            Error::not_found(format!("find a store of podman in {root}: it has no images of driver overlay or vfs"))
                .hint("name another one: containers-storage:[overlay@/PATH]IMAGE")
        })
    }
}

impl ForeignImage {
    fn has_name(&self, name: &Reference) -> bool {
        self.names.iter().flatten().any(|n| *n == name.canonical())
    }

    fn has_manifest(&self, digest: &Digest) -> bool {
        let key = format!("manifest-{digest}");
        self.digest == digest.as_str() || self.data.iter().flatten().any(|name| *name == key)
    }
}

/// The image, and the one of its names that was meant: `NAME[:TAG]`, `[NAME]@ID`, `NAME@DIGEST`, or an id's beginning.
fn find<'i>(images: &'i [ForeignImage], text: &str) -> Result<Option<(&'i ForeignImage, Option<Reference>)>> {
    for domain in ["localhost", "docker.io"] {
        let Ok(wanted) = Reference::parse_with(text, domain) else { continue };
        let found = match &wanted.digest {
            Some(digest) => images.iter().find(|image| {
                let named = |n: &String| Reference::parse(n).is_ok_and(|n| n.repository() == wanted.repository());
                image.has_manifest(digest) && image.names.iter().flatten().any(named)
            }),
            None => images.iter().find(|image| image.has_name(&wanted)),
        };
        if let Some(image) = found {
            let name = Some(wanted).filter(|w| w.digest.is_none());
            return Ok(Some((image, name)));
        }
    }
    if let Some((name, id)) = text.split_once('@').filter(|(_, id)| id.len() == 64) {
        let Some(image) = images.iter().find(|image| image.id == id) else { return Ok(None) };
        let meant = Reference::parse_with(name, "localhost").into_iter().chain(Reference::parse(name));
        return Ok(Some((image, meant.into_iter().find(|n| image.has_name(n)))));
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let mut hits = images.iter().filter(|image| hex.len() >= 3 && image.id.starts_with(hex));
    match (hits.next(), hits.next()) {
        (Some(_), Some(_)) => Err(Error::user(format!("find image '{text}': the id is not unique"))),
        (hit, _) => Ok(hit.map(|image| (image, None))),
    }
}

struct Importer<'a> {
    store: &'a Store,
    foreign: &'a Foreign,
    driver: &'a str,
    idmap: &'a IdMap,
    progress: super::ReadProgress<'a>,
}

impl Importer<'_> {
    fn path(&self, rest: &str) -> PathBuf {
        self.foreign.root.join(format!("{}{rest}", self.driver))
    }

    fn import(&self, image: &ForeignImage, meant: Option<Reference>) -> Result<Loaded> {
        let manifest_bytes = self.big_data(&image.id, "manifest")?;
        let manifest = Manifest::parse(&manifest_bytes)?;
        let config_bytes = self.big_data(&image.id, manifest.config.digest.as_str())?;
        if Digest::of(&config_bytes) != manifest.config.digest {
            return Err(Error::denied(format!("read the config of image {}: it is damaged", image.id)));
        }
        let config = ImageConfig::parse(&config_bytes)?;
        let chain = self.chain(image)?;
        config.check_layers(chain.len())?;
        let mut layers = Vec::new();
        let mut done = 0;
        for (layer, diff_id) in chain.iter().zip(&config.rootfs.diff_ids) {
            let size = self.layer(image, layer, diff_id, done)?;
            done += size;
            layers.push(Descriptor::new(OCI_LAYER, diff_id.clone(), size));
        }
        self.store.put(&config_bytes)?;
        let same = manifest.layers.iter().map(|l| &l.digest).eq(config.rootfs.diff_ids.iter());
        let (media_type, bytes) = if same {
            // Never compressed: the manifest is right as it is.
            (guess_media_type(&manifest_bytes).unwrap_or_else(|| OCI_MANIFEST.into()), manifest_bytes)
        } else {
            let config = Descriptor::new(OCI_CONFIG, manifest.config.digest, config_bytes.len() as u64);
            let annotations = BTreeMap::new();
            let manifest = Manifest { schema_version: 2, media_type: OCI_MANIFEST.into(), config, layers, annotations };
            (OCI_MANIFEST.to_string(), serde_json::to_vec(&manifest).context("encode the image manifest")?)
        };
        let manifest = Descriptor::new(&media_type, self.store.put(&bytes)?, bytes.len() as u64);
        let all = || image.names.iter().flatten().filter_map(|n| Reference::parse(n).ok()).collect();
        let names = meant.map_or_else(all, |name| vec![name]);
        Ok(Loaded { manifest, names, list: None, transport: "containers-storage" })
    }

    /// A document that is kept with an image. Names that are no plain file names are encoded.
    fn big_data(&self, id: &str, key: &str) -> Result<Vec<u8>> {
        let plain = key.bytes().all(|b| matches!(b, b'.' | b'0'..=b'9' | b'a'..=b'z'));
        let name = if plain { key.to_string() } else { format!("={}", BASE64_STANDARD.encode(key)) };
        check_id(id)?;
        let path = self.path(&format!("-images/{id}/{name}"));
        let mut bytes = Vec::new();
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        file.take(super::MAX_JSON).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
        Ok(bytes)
    }

    /// The image's layers, lowest first.
    fn chain(&self, image: &ForeignImage) -> Result<Vec<ForeignLayer>> {
        let layers: Vec<ForeignLayer> = read_list(&self.path("-layers/layers.json"))?;
        let mut by_id: HashMap<String, ForeignLayer> = layers.into_iter().map(|l| (l.id.clone(), l)).collect();
        let mut chain = Vec::new();
        let mut next = image.layer.clone();
        while !next.is_empty() {
            // Taken out, so that a circle ends.
            let layer = by_id.remove(&next).ok_or_else(|| {
                Error::not_found(format!("find layer {next} of image {}", image.id))
                    .hint("layers of additional image stores can't be read; use podman save and coracle load")
            })?;
            check_id(&layer.id)?;
            next = layer.parent.clone();
            chain.push(layer);
        }
        chain.reverse();
        Ok(chain)
    }

    /// Stores the layer's tar as a blob; returns its size.
    fn layer(&self, image: &ForeignImage, layer: &ForeignLayer, diff_id: &Digest, done: u64) -> Result<u64> {
        let named = || format!("copy layer {}", layer.id);
        let blob = self.store.blob(diff_id);
        if let Ok(meta) = std::fs::metadata(&blob) {
            return Ok(meta.len());
        }
        if !layer.diff_digest.is_empty() && layer.diff_digest != diff_id.as_str() {
            let text = format!("{}: it is {}, the image wants {diff_id}", named(), layer.diff_digest);
            return Err(Error::denied(text));
        }
        let split = self.path(&format!("-layers/{}.tar-split.gz", layer.id));
        if !split.exists() {
            // A tar of its files would be another layer, of another image; podman itself can't save this one either.
            let name = image.names.iter().flatten().next().unwrap_or(&image.id);
            return Err(Error::unsupported(format!(
                "{}: {} is missing, without which its tar with digest {diff_id} can't be made again",
                named(),
                split.display()
            ))
            .hint(format!(
                "pull it from its registry, or make an image of its files and pull that: \
                 echo FROM {name} | podman build --squash-all -t NEW -"
            )));
        }
        let dir = match self.driver {
            "vfs" => self.path(&format!("/dir/{}", layer.id)),
            _ => self.path(&format!("/{}/diff", layer.id)),
        };
        let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).with_context(named)?;
        let work =
            Work::start(tar_split::JOB, WorkNs::New(self.idmap), &tar_split::Request { dir, split }, &[to.as_fd()])?;
        drop(to);
        let mut writer = self.store.writer(Some(diff_id), None)?;
        let mut buffer = vec![0; 256 << 10];
        let mut from = File::from(from);
        loop {
            let n = from.read(&mut buffer).with_context(named)?;
            if n == 0 {
                break;
            }
            writer.write_all(&buffer[..n]).with_context(named)?;
            (self.progress)(done + writer.written());
        }
        // Its error tells more than the digest of half a layer.
        work.finish::<()>().with_context(named)?;
        let size = writer.written();
        writer.commit().with_context(named)?;
        Ok(size)
    }
}

/// Ids become parts of paths.
fn check_id(id: &str) -> Result<()> {
    match id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(Error::denied("read the store of podman: an id in it is none")),
    }
}

fn read_list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let named = || format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(named)?.take(MAX_LIST).read_to_end(&mut bytes).with_context(named)?;
    serde_json::from_slice(&bytes).with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_by_name_and_by_id() {
        let image = |id: &str, names: &[&str]| ForeignImage {
            id: id.repeat(32),
            names: Some(names.iter().map(|n| n.to_string()).collect()),
            layer: String::new(),
            digest: format!("sha256:{}", id.repeat(32)),
            data: None,
        };
        let images = [image("aa", &["docker.io/library/debian:12"]), image("ab", &["localhost/mine:latest"])];
        let meant =
            |text: &str| find(&images, text).unwrap().map(|(i, name)| (&i.id[..2], name.map(|n| n.canonical())));
        assert_eq!(meant("debian:12"), Some(("aa", Some("docker.io/library/debian:12".into()))));
        assert_eq!(meant("mine"), Some(("ab", Some("localhost/mine:latest".into()))));
        assert_eq!(meant("abab"), Some(("ab", None)));
        assert_eq!(meant("debian"), None);
        let (aa, ab) = ("aa".repeat(32), "ab".repeat(32));
        assert_eq!(meant(&format!("@{ab}")), Some(("ab", None)));
        assert_eq!(meant(&format!("mine@{ab}")), Some(("ab", Some("localhost/mine:latest".into()))));
        assert_eq!(meant(&format!("other@{aa}")), Some(("aa", None)));
        assert_eq!(meant(&format!("debian@sha256:{aa}")), Some(("aa", None)));
        assert_eq!(meant(&format!("debian@sha256:{ab}")), None);
        assert!(check_id("../../etc").is_err());
    }
}
