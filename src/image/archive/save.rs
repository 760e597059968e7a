//! Images into archives and directories that docker, podman, skopeo and buildah read.
//!
//! The blobs go out as they are, so that digests stay; docker-archive alone has its layers uncompressed, by definition,
//! and the uncompressed layers of images that were made here are compressed for OCI layouts, as a push does.
//! Every blob is verified on the way. Nothing but the images decides the bytes: members have no times, and come in a
//! fixed order.

use super::super::manifest::{
    DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_INDEX, OCI_LAYER, OCI_LAYER_GZIP,
    OCI_MANIFEST, docker_layer, guess_media_type,
};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, TarWriter};
use crate::image::{
    Descriptor, Digest, Image, ImageList, Index, LayoutDir, Manifest, ParallelGzip, Reference, Store, StoredLayer,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
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

/// What becomes of uncompressed layers in OCI layouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// Those of images that were made here are compressed.
    #[default]
    Packed,
    AsStored,
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
    /// Writes the images as one OCI layout in a tar; gives the entries of its index.
    pub fn save_oci_archive(&self, images: &[ToSave], layers: Layers, out: &mut impl Write) -> Result<Vec<Descriptor>> {
        let layout = self.layout(images, layers)?;
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
        tar.finish()?.flush().context("write the archive")?;
        Ok(Index::parse(&layout.index)?.manifests)
    }

    /// Writes the images as an OCI layout into the empty directory `dir`; gives the entries of its index.
    pub fn save_oci_dir(&self, images: &[ToSave], layers: Layers, dir: &Path) -> Result<Vec<Descriptor>> {
        let layout = self.layout(images, layers)?;
        let blobs = dir.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).with_context(|| format!("make {}", blobs.display()))?;
        for (digest, size) in &layout.blobs {
            let mut file = create(&blobs.join(digest.hex()))?;
            self.verified(digest, *size, layout.made.get(digest), &mut file)?;
        }
        create(&dir.join("oci-layout"))?.write_all(LAYOUT).context("write oci-layout")?;
        create(&dir.join("index.json"))?.write_all(&layout.index).context("write index.json")?;
        Ok(Index::parse(&layout.index)?.manifests)
    }

    /// Adds the images to the OCI layout in `dir`, where they take their names from others. What it has stays: blobs are
    /// added whole, and the index is replaced last.
    ///
    /// # Errors
    /// `dir` holds no layout, or one of another version.
    pub fn add_to_oci_dir(&self, images: &[ToSave], dir: &Path) -> Result<()> {
        let mut listed = LayoutDir::open(dir)?.whole_index()?;
        let layout = self.layout(images, Layers::Packed)?;
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
            let plain = layer.media_type == docker_layer(OCI_LAYER);
            let mut file = create(&dir.join(layer.digest.hex()))?;
            if !(compress && plain) {
                self.verified(&layer.digest, layer.size, None, &mut file)?;
                continue;
            }
            let old = dir.join(layer.digest.hex());
            (_, layer.digest, layer.size) = self.pack(&layer.digest, layer.size, &file)?;
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

    fn layout(&self, images: &[ToSave], layers: Layers) -> Result<Layout> {
        let mut layout = Layout::default();
        let mut manifests = Vec::new();
        for one in images {
            let (bytes, media_type) = match &one.what {
                What::Image(image) => {
                    let bytes = self.read(&image.manifest)?;
                    let oci = Manifest::parse(&bytes)?.to_oci();
                    let oci = oci.map(|oci| serde_json::to_vec(&oci).context("encode the image manifest"));
                    let bytes = oci.transpose()?.unwrap_or(bytes);
                    let exact = image.from_registry || layers == Layers::AsStored;
                    (self.image_blobs(bytes, exact, &mut layout)?, OCI_MANIFEST.to_string())
                }
                What::List(list) => {
                    let bytes = self.list_blobs(list, layers, &mut layout)?;
                    let media_type = guess_media_type(&bytes).unwrap_or_else(|| OCI_INDEX.into());
                    (bytes, media_type)
                }
            };
            let entry = Descriptor::new(&media_type, Digest::of(&bytes), bytes.len() as u64);
            layout.document(entry.digest.clone(), bytes);
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
        layout.index = serde_json::to_vec(&index).context("encode the index")?;
        Ok(layout)
    }

    /// Adds the blobs of the image with this manifest, whose bytes it gives back: others, where layers are compressed.
    fn image_blobs(&self, manifest: Vec<u8>, exact: bool, layout: &mut Layout) -> Result<Vec<u8>> {
        let mut value: Value = serde_json::from_slice(&manifest).context("parse image manifest")?;
        let parsed = Manifest::parse(&manifest)?;
        layout.blobs.insert(parsed.config.digest.clone(), parsed.config.size);
        let mut changed = false;
        for (at, layer) in parsed.layers.iter().enumerate() {
            let packed_type = match layer.media_type.as_str() {
                OCI_LAYER if !exact => OCI_LAYER_GZIP,
                DOCKER_LAYER if !exact => DOCKER_LAYER_GZIP,
                _ => {
                    layout.blobs.insert(layer.digest.clone(), layer.size);
                    continue;
                }
            };
            let (digest, size) = self.packed(layer, layout)?;
            let place = &mut value["layers"][at];
            place["digest"] = digest.as_str().into();
            place["size"] = size.into();
            place["mediaType"] = packed_type.into();
            changed = true;
        }
        match changed {
            true => serde_json::to_vec(&value).context("encode the image manifest"),
            // Not to be written anew: its digest is known to others.
            false => Ok(manifest),
        }
    }

    /// The compressed form of a layer, which goes into the layout.
    fn packed(&self, layer: &Descriptor, layout: &mut Layout) -> Result<(Digest, u64)> {
        if let Some(known) = layout.packed.get(&layer.digest) {
            return Ok(known.clone());
        }
        let file = tempfile::tempfile_in(self.paths.tmp()).context("make a temporary file")?;
        let (_, digest, size) = self.pack(&layer.digest, layer.size, &file)?;
        layout.blobs.insert(digest.clone(), size);
        layout.made.insert(digest.clone(), Made::File(file));
        layout.packed.insert(layer.digest.clone(), (digest.clone(), size));
        Ok((digest, size))
    }

    /// Writes the blob compressed to `out`, verifying it; gives digest and size of what was written. The same blob
    /// gives the same bytes, here and in a push.
    fn pack<W: Write>(&self, digest: &Digest, size: u64, out: W) -> Result<(W, Digest, u64)> {
        let counted = Hashing { inner: out, hash: Sha256::new(), size: 0 };
        let mut packer = ParallelGzip::new(counted)?;
        self.verified(digest, size, None, &mut packer)?;
        let done = packer.finish()?;
        Ok((done.inner, Digest::from_hash(done.hash), done.size))
    }

    /// The layer as it leaves the host: compressed, where it is not. The new blob is in the store until the next
    /// clean-up.
    pub fn packed_layer(&self, layer: &StoredLayer) -> Result<StoredLayer> {
        if layer.media_type != OCI_LAYER {
            return Ok(layer.clone());
        }
        let (writer, digest, size) = self.pack(&layer.digest, layer.size, self.writer(None, None)?)?;
        writer.commit()?;
        Ok(StoredLayer { digest, size, media_type: OCI_LAYER_GZIP.into(), diff_id: layer.diff_id.clone() })
    }

    /// Adds the blobs of all members of a list, and gives the list's bytes as they are then.
    ///
    /// # Errors
    /// `NotFound` when one is elsewhere.
    fn list_blobs(&self, list: &ImageList, layers: Layers, layout: &mut Layout) -> Result<Vec<u8>> {
        let bytes = list.draft.bytes()?;
        let mut value: Value = serde_json::from_slice(&bytes).context("parse image index")?;
        let mut changed = false;
        let from_registries: Vec<Digest> =
            self.list()?.into_iter().filter(|i| i.from_registry).map(|i| i.manifest).collect();
        for (at, member) in list.draft.members()?.into_iter().enumerate() {
            let source = list.draft.sources.get(member.digest.as_str());
            if !self.is_whole(&member.digest) {
                let lost = format!("save manifest list {}: its image {} is not in the store", list.id, member.digest);
                return Err(Error::not_found(lost).hint(match source {
                    Some(source) => format!("coracle pull {source}, or push the list to a registry"),
                    None => "manifest remove takes it out of the list".into(),
                }));
            }
            let theirs = source.is_some() || from_registries.contains(&member.digest);
            let manifest =
                self.image_blobs(self.read(&member.digest)?, theirs || layers == Layers::AsStored, layout)?;
            let digest = Digest::of(&manifest);
            if digest != member.digest {
                let place = &mut value["manifests"][at];
                place["digest"] = digest.as_str().into();
                place["size"] = manifest.len().into();
                changed = true;
            }
            layout.document(digest, manifest);
        }
        // Its digest is what counts, where it can stay.
        if changed { serde_json::to_vec(&value).context("encode the image index") } else { Ok(bytes) }
    }

    /// Copies a blob (or `made`, which is one) to `out`, checking its digest and size.
    fn verified(&self, digest: &Digest, size: u64, made: Option<&Made>, out: &mut impl Write) -> Result<()> {
        let path = self.blob(digest);
        let (mut file, path) = match made {
            Some(Made::Bytes(bytes)) => return out.write_all(bytes).with_context(|| format!("write blob {digest}")),
            Some(Made::File(file)) => {
                let mut file = file.try_clone().context("read a temporary file")?;
                file.rewind().context("read a temporary file")?;
                (file, Path::new("a temporary file"))
            }
            None => (File::open(&path).with_context(|| format!("open {}", path.display()))?, path.as_path()),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut left = size;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = file.read(&mut buffer[..want]).with_context(|| format!("read {}", path.display()))?;
            if n == 0 {
                return Err(damaged(path, &Digest::from_hash(hash)));
            }
            hash.update(&buffer[..n]);
            out.write_all(&buffer[..n]).with_context(|| format!("write blob {digest}"))?;
            left -= n as u64;
        }
        let found = Digest::from_hash(hash);
        if found == *digest { Ok(()) } else { Err(damaged(path, &found)) }
    }
}

/// What an OCI layout is to hold.
#[derive(Debug, Default)]
struct Layout {
    /// With their sizes.
    blobs: BTreeMap<Digest, u64>,
    /// Those that are not in the store: manifests in another form, layers that were compressed.
    made: BTreeMap<Digest, Made>,
    /// What became of layers that were compressed.
    packed: BTreeMap<Digest, (Digest, u64)>,
    index: Vec<u8>,
}

impl Layout {
    fn document(&mut self, digest: Digest, bytes: Vec<u8>) {
        self.blobs.insert(digest.clone(), bytes.len() as u64);
        self.made.insert(digest, Made::Bytes(bytes));
    }
}

#[derive(Debug)]
enum Made {
    Bytes(Vec<u8>),
    File(File),
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
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
