//! Images into archives and directories that docker, podman, skopeo and buildah read.
//!
//! The blobs go out as they are, so that digests stay; docker-archive alone has its layers uncompressed, by definition.
//! Every blob is verified on the way. Nothing but the images decides the bytes: members have no times, and come in a
//! fixed order.

use super::super::manifest::{
    DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, docker_layer, guess_media_type,
};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, TarWriter};
use crate::image::{Descriptor, Digest, Image, ImageList, Index, LayoutDir, Manifest, ParallelGzip, Reference, Store};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where images go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveFormat {
    DockerArchive,
    OciArchive,
    OciDir,
    /// The `dir:` of skopeo: a Docker manifest and blobs.
    DockerDir,
}

impl SaveFormat {
    /// Parses podman's names.
    pub fn parse(text: &str) -> Result<SaveFormat> {
        match text {
            "docker-archive" => Ok(SaveFormat::DockerArchive),
            "oci-archive" => Ok(SaveFormat::OciArchive),
            "oci-dir" | "oci" => Ok(SaveFormat::OciDir),
            "docker-dir" | "dir" => Ok(SaveFormat::DockerDir),
            _ => Err(Error::user(format!("save in the format '{text}'"))
                .hint("use docker-archive, oci-archive, oci-dir or docker-dir")),
        }
    }

    pub fn is_directory(self) -> bool {
        matches!(self, SaveFormat::OciDir | SaveFormat::DockerDir)
    }
}

/// An image with the names that it shall have in the archive.
#[derive(Clone, Debug)]
pub struct ToSave {
    pub what: What,
    pub names: Vec<Reference>,
    /// A further name in OCI layouts, which need not be that of an image: `v1`.
    pub tag: Option<String>,
}

/// An image, or (in OCI layouts) a manifest list with all its images.
#[derive(Clone, Debug)]
pub enum What {
    Image(Box<Image>),
    List(ImageList),
}

impl ToSave {
    /// The image.
    ///
    /// # Errors
    /// `User` for a list: the format has none.
    pub(super) fn image(&self) -> Result<&Image> {
        match &self.what {
            What::Image(image) => Ok(image),
            What::List(list) => Err(Error::user(format!("save manifest list {}: the format has none", list.id))
                .hint("use oci-archive or oci-dir")),
        }
    }
}

const NAME: &str = "org.opencontainers.image.ref.name";
const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

impl Store {
    /// Writes the images as one OCI layout in a tar.
    pub fn save_oci_archive(&self, images: &[ToSave], out: &mut impl Write) -> Result<()> {
        let layout = self.layout(images)?;
        let mut tar = TarWriter::new(out);
        tar.file(&member("oci-layout", 0), LAYOUT)?;
        tar.file(&member("index.json", 0), &layout.index)?;
        // Directories that only follow from their files are made with owners by some readers, which takes privilege.
        for dir in ["blobs/", "blobs/sha256/"] {
            tar.start(&Entry { kind: Kind::Directory, mode: 0o755, ..member(dir, 0) })?;
        }
        for (digest, size) in &layout.blobs {
            let name = format!("blobs/sha256/{}", digest.hex());
            tar.start(&member(&name, *size))?;
            self.verified(digest, *size, layout.made.get(digest), &mut tar)?;
        }
        tar.finish()?.flush().context("write the archive")
    }

    /// Writes the images as an OCI layout into the empty directory `dir`.
    pub fn save_oci_dir(&self, images: &[ToSave], dir: &Path) -> Result<()> {
        let layout = self.layout(images)?;
        let blobs = dir.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).with_context(|| format!("make {}", blobs.display()))?;
        for (digest, size) in &layout.blobs {
            let mut file = create(&blobs.join(digest.hex()))?;
            self.verified(digest, *size, layout.made.get(digest), &mut file)?;
        }
        create(&dir.join("oci-layout"))?.write_all(LAYOUT).context("write oci-layout")?;
        create(&dir.join("index.json"))?.write_all(&layout.index).context("write index.json")
    }

    /// Adds the images to the OCI layout in `dir`, where they take their names from others. What it has stays: blobs are
    /// added whole, and the index is replaced last.
    ///
    /// # Errors
    /// `dir` holds no layout, or one of another version.
    pub fn add_to_oci_dir(&self, images: &[ToSave], dir: &Path) -> Result<()> {
        let mut listed = LayoutDir::open(dir)?.whole_index()?;
        let layout = self.layout(images)?;
        let blobs = dir.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).with_context(|| format!("make {}", blobs.display()))?;
        for (digest, size) in &layout.blobs {
            let path = blobs.join(digest.hex());
            if path.symlink_metadata().is_ok_and(|m| m.is_file() && m.len() == *size) {
                continue;
            }
            let mut draft =
                tempfile::NamedTempFile::new_in(&blobs).with_context(|| format!("write {}", path.display()))?;
            self.verified(digest, *size, layout.made.get(digest), draft.as_file_mut())?;
            keep(draft, &path)?;
        }
        let new = Index::parse(&layout.index)?.manifests;
        let name = |d: &Descriptor| d.annotations.get(NAME).cloned();
        listed.manifests.retain(|old| match name(old) {
            Some(taken) => !new.iter().any(|d| name(d).as_ref() == Some(&taken)),
            None => !new.contains(old),
        });
        listed.manifests.extend(new);
        let text = serde_json::to_vec(&listed).context("encode the index")?;
        let mut draft = tempfile::NamedTempFile::new_in(dir).context("write index.json")?;
        draft.write_all(&text).context("write index.json")?;
        keep(draft, &dir.join("index.json"))
    }

    /// Writes one image as a Docker manifest and blobs into the empty directory `dir`; with `compress`, layers that are
    /// not are compressed.
    pub fn save_docker_dir(&self, one: &ToSave, dir: &Path, compress: bool) -> Result<()> {
        let bytes = self.read(&one.image()?.manifest)?;
        let mut manifest = Manifest::parse(&bytes)?;
        let docker = manifest.media_type == DOCKER_MANIFEST;
        manifest.media_type = DOCKER_MANIFEST.into();
        manifest.config.media_type = DOCKER_CONFIG.into();
        let mut changed = !docker;
        for layer in &mut manifest.layers {
            layer.media_type = docker_layer(&layer.media_type).to_string();
            let plain = layer.media_type == docker_layer(super::super::OCI_LAYER);
            let mut file = create(&dir.join(layer.digest.hex()))?;
            if !(compress && plain) {
                self.verified(&layer.digest, layer.size, None, &mut file)?;
                continue;
            }
            let counted = Hashing { inner: file, hash: Sha256::new(), size: 0 };
            let mut packed = ParallelGzip::new(counted)?;
            self.verified(&layer.digest, layer.size, None, &mut packed)?;
            let done = packed.finish()?;
            let old = dir.join(layer.digest.hex());
            (layer.digest, layer.size) = (Digest::from_hash(done.hash), done.size);
            layer.media_type = DOCKER_LAYER_GZIP.into();
            changed = true;
            std::fs::rename(&old, dir.join(layer.digest.hex())).with_context(|| format!("rename {}", old.display()))?;
        }
        let config = &manifest.config;
        self.verified(&config.digest, config.size, None, &mut create(&dir.join(config.digest.hex()))?)?;
        // One that is Docker's already stays as it is, to the byte.
        let text = if changed { serde_json::to_vec(&manifest).context("encode the manifest")? } else { bytes };
        create(&dir.join("manifest.json"))?.write_all(&text).context("write manifest.json")?;
        create(&dir.join("version"))?.write_all(b"Directory Transport Version: 1.1\n").context("write version")
    }

    fn layout(&self, images: &[ToSave]) -> Result<Layout> {
        let (mut blobs, mut made, mut manifests) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for one in images {
            let (bytes, media_type) = match &one.what {
                What::Image(image) => {
                    let bytes = self.read(&image.manifest)?;
                    let manifest = Manifest::parse(&bytes)?;
                    for part in manifest.layers.iter().chain([&manifest.config]) {
                        blobs.insert(part.digest.clone(), part.size);
                    }
                    let oci =
                        manifest.to_oci().map(|oci| serde_json::to_vec(&oci).context("encode the image manifest"));
                    (oci.transpose()?.unwrap_or(bytes), OCI_MANIFEST.to_string())
                }
                // Its digests are what counts: nothing is translated.
                What::List(list) => {
                    self.list_blobs(list, &mut blobs)?;
                    let bytes = list.draft.bytes()?;
                    let media_type = guess_media_type(&bytes).unwrap_or_else(|| OCI_INDEX.into());
                    (bytes, media_type)
                }
            };
            let entry = Descriptor::new(&media_type, Digest::of(&bytes), bytes.len() as u64);
            blobs.insert(entry.digest.clone(), entry.size);
            made.insert(entry.digest.clone(), bytes);
            let names: Vec<String> = one.names.iter().map(Reference::canonical).chain(one.tag.clone()).collect();
            if names.is_empty() && !manifests.contains(&entry) {
                manifests.push(entry.clone());
            }
            for name in names {
                let mut named = entry.clone();
                named.annotations.insert(NAME.into(), name);
                if !manifests.contains(&named) {
                    manifests.push(named);
                }
            }
        }
        let index = Index { schema_version: 2, media_type: OCI_INDEX.into(), manifests, annotations: BTreeMap::new() };
        Ok(Layout { blobs, made, index: serde_json::to_vec(&index).context("encode the index")? })
    }

    /// Adds the blobs of all members of a list.
    ///
    /// # Errors
    /// `NotFound` when one is elsewhere.
    fn list_blobs(&self, list: &ImageList, blobs: &mut BTreeMap<Digest, u64>) -> Result<()> {
        for member in list.draft.members()? {
            if !self.is_whole(&member.digest) {
                let lost = format!("save manifest list {}: its image {} is not in the store", list.id, member.digest);
                let source = list.draft.sources.get(member.digest.as_str());
                return Err(Error::not_found(lost).hint(match source {
                    Some(source) => format!("coracle pull {source}, or push the list to a registry"),
                    None => "manifest remove takes it out of the list".into(),
                }));
            }
            let manifest = Manifest::parse(&self.read(&member.digest)?)?;
            blobs.insert(member.digest, member.size);
            blobs.extend(manifest.layers.iter().chain([&manifest.config]).map(|p| (p.digest.clone(), p.size)));
        }
        Ok(())
    }

    /// Copies a blob (or `made`, which is one) to `out`, checking its digest and size.
    fn verified(&self, digest: &Digest, size: u64, made: Option<&Vec<u8>>, out: &mut impl Write) -> Result<()> {
        if let Some(bytes) = made {
            return out.write_all(bytes).with_context(|| format!("write blob {digest}"));
        }
        let path = self.blob(digest);
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let mut file = file.take(size);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut left = size;
        while left > 0 {
            let n = file.read(&mut buffer).with_context(|| format!("read {}", path.display()))?;
            if n == 0 {
                return Err(damaged(&path, &Digest::from_hash(hash)));
            }
            hash.update(&buffer[..n]);
            out.write_all(&buffer[..n]).with_context(|| format!("write blob {digest}"))?;
            left -= n as u64;
        }
        let found = Digest::from_hash(hash);
        if found == *digest { Ok(()) } else { Err(damaged(&path, &found)) }
    }
}

/// What an OCI layout is to hold.
struct Layout {
    /// With their sizes.
    blobs: BTreeMap<Digest, u64>,
    /// Those that are not in the store: manifests translated to OCI's form.
    made: BTreeMap<Digest, Vec<u8>>,
    index: Vec<u8>,
}

struct Hashing {
    inner: File,
    hash: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hash.update(&buf[..n]);
        self.size += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

pub(super) fn member(name: &str, size: u64) -> Entry {
    Entry { path: name.as_bytes().to_vec(), mode: 0o644, size, ..Entry::default() }
}

/// Puts a finished file in its place, readable as others are.
fn keep(draft: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    let named = || format!("write {}", path.display());
    let mode = Permissions::from_mode(0o644);
    draft.as_file().set_permissions(mode).and_then(|()| draft.as_file().sync_all()).with_context(named)?;
    draft.persist(path).map(drop).map_err(|e| e.error).with_context(named)
}

fn create(path: &Path) -> Result<File> {
    File::create_new(path).with_context(|| format!("make {}", path.display()))
}

pub(super) fn damaged(path: &Path, found: &Digest) -> Error {
    Error::denied(format!("{} is damaged: its digest is {found}", path.display()))
        .hint("remove the image and pull it again")
}
