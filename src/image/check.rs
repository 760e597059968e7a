//! Finding what is damaged in the image store: blobs against their digests, layers against their records.

use super::layers::{LayerRecord, REPLACED, map_key};
use super::tree::{self, Damage};
use super::{Descriptor, Digest, Index, Manifest, Store};
use crate::error::{Context, Error, Kind, Result};
use crate::stage::{Work, WorkNs};
use crate::state::atomic;
use crate::userns::IdMap;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Name of the job that compares layers with their records.
pub const JOB: &str = "check-layers";

/// What is wrong with a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Missing,
    /// Bytes that are there, and that should be.
    Size(u64, u64),
    /// The digest of what is there.
    Content(Digest),
    Unreadable(Error),
}

/// A blob that images need and that is not as it should be.
#[derive(Clone, Debug)]
pub struct BadBlob {
    pub digest: Digest,
    pub wrong: Wrong,
    /// Without it the image can't even be listed.
    pub manifest: bool,
    /// The images that need it, as to be called in messages.
    pub images: BTreeSet<String>,
    /// `repository@digest` of those that were pulled.
    pub sources: BTreeSet<String>,
    /// Records of the build cache that lead to it.
    pub steps: Vec<PathBuf>,
}

/// An extracted layer that is not what was extracted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLayer {
    pub chain_id: String,
    /// Name of its directory.
    pub name: String,
    /// What is wrong, one line a file or a single line for the whole.
    pub what: Vec<String>,
    /// Files that are wrong; 0 when the record itself is.
    pub count: u64,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub images: usize,
    pub blobs: usize,
    pub layers: usize,
}

#[derive(Debug, Default)]
struct Need {
    size: Option<u64>,
    /// Manifests and configs: read whole in any case.
    small: bool,
    manifest: bool,
    images: BTreeSet<String>,
    sources: BTreeSet<String>,
    steps: Vec<PathBuf>,
}

type Needs = BTreeMap<String, (Digest, Need)>;

impl Store {
    /// Checks the blobs of all listed images and of the build cache. Without `contents` the layers' blobs are only
    /// measured.
    pub fn check_blobs(&self, contents: bool) -> Result<(Vec<BadBlob>, Checked)> {
        let mut needs = Needs::new();
        let entries = self.entries()?;
        let mut checked = Checked::default();
        let mut seen = BTreeSet::new();
        for entry in &entries {
            seen.insert(entry.original.hex());
            // Layers of a list's members that can be fetched elsewhere need not be here.
            let image = Image { title: &entry.title(), source: entry.source.as_ref(), remote: &entry.sources() };
            for digest in [&entry.manifest, &entry.original] {
                self.need(&mut needs, digest, None, &image, 0);
            }
        }
        for (path, record) in self.build_records() {
            let Some(layer) = record.ok().and_then(|r| r.layer) else { continue };
            // A record whose blob is missing counts as none: see `dead_steps`.
            if self.blob(&layer.digest).exists() {
                let entry = needs.entry(layer.digest.hex().to_string());
                let (_, need) = entry.or_insert_with(|| (layer.digest, Need::default()));
                need.size = need.size.or(Some(layer.size));
                need.steps.push(path);
            }
        }
        (checked.images, checked.blobs) = (seen.len(), needs.len());
        let needs: Vec<(Digest, Need)> = needs.into_values().collect();
        let (next, bad) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some((digest, need)) = needs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Some(wrong) = self.look(digest, need, contents) {
                    let blob = BadBlob {
                        digest: digest.clone(),
                        wrong,
                        manifest: need.manifest,
                        images: need.images.clone(),
                        sources: need.sources.clone(),
                        steps: need.steps.clone(),
                    };
                    bad.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(blob);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get().min(4)) {
                scope.spawn(work);
            }
        });
        let mut bad = bad.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        bad.sort_by(|a, b| a.digest.hex().cmp(b.digest.hex()));
        Ok((bad, checked))
    }

    /// Records of the build cache that lead to nothing, with the reason: builds don't heed them.
    pub fn dead_steps(&self) -> Vec<(PathBuf, String)> {
        let dead = self.build_records().filter_map(|(path, record)| match record.map(|r| r.layer) {
            Err(e) => Some((path, e.to_string())),
            Ok(Some(layer)) if !self.blob(&layer.digest).exists() => {
                Some((path, format!("its layer {} is missing", layer.digest)))
            }
            Ok(_) => None,
        });
        dead.collect()
    }

    /// Adds the manifest `digest` and what it refers to.
    fn need(&self, needs: &mut Needs, digest: &Digest, size: Option<u64>, image: &Image<'_>, depth: usize) {
        image.add(needs, digest, size, true, true);
        let Ok(bytes) = self.read(digest) else { return };
        if let Ok(manifest) = Manifest::parse(&bytes) {
            let config: &Descriptor = &manifest.config;
            image.add(needs, &config.digest, Some(config.size), true, false);
            let remote = image.remote.contains_key(digest.as_str());
            for layer in manifest.layers.iter().filter(|l| !remote || self.has_blob(&l.digest, None)) {
                image.add(needs, &layer.digest, Some(layer.size), false, false);
            }
        } else if let Ok(index) = Index::parse(&bytes)
            && depth < 4
        {
            // Of an index the layout may hold some parts only.
            for part in index.manifests.iter().filter(|part| self.has_blob(&part.digest, None)) {
                self.need(needs, &part.digest, Some(part.size), image, depth + 1);
            }
        }
    }

    fn look(&self, digest: &Digest, need: &Need, contents: bool) -> Option<Wrong> {
        let named = || format!("read blob {digest}");
        let mut file = match File::open(self.blob(digest)) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(Wrong::Missing),
            Err(e) => return Some(Wrong::Unreadable(crate::error::IntoError::context(e, named()))),
        };
        let length = file.metadata().map_or(0, |m| m.len());
        if let Some(size) = need.size.filter(|size| *size != length) {
            return Some(Wrong::Size(length, size));
        }
        if !contents && !need.small {
            return None;
        }
        let mut hash = super::digest::HashWriter::default();
        match std::io::copy(&mut file, &mut hash) {
            Err(e) => Some(Wrong::Unreadable(crate::error::IntoError::context(e, named()))),
            Ok(_) => Some(hash.finish()).filter(|found| found != digest).map(Wrong::Content),
        }
    }

    /// Moves a bad blob out of the way, so that the next pull or load brings a good one.
    pub fn discard_blob(&self, digest: &Digest) -> Result<()> {
        match crate::state::gcdir::discard(&self.paths, &self.blob(digest)) {
            Err(e) if e.is_errno(libc::ENOENT) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Compares the extracted layers of this id map with their records. Without `contents` by stat(2) alone.
    pub fn check_layers(&self, contents: bool, idmap: &IdMap) -> Result<(Vec<BadLayer>, usize)> {
        let suffix = format!("-{}", map_key(idmap));
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut layers = self.layer_directories();
        // Layers of other maps are nobody's now; `prune` takes them with their images.
        layers.retain(|dir| name(&dir.path).ends_with(&suffix) && !name(&dir.path).contains(REPLACED));
        if layers.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let request = Request { contents, dirs: layers.iter().map(|dir| dir.path.clone()).collect() };
        let found: Vec<Option<Found>> = if self.in_process {
            let request = serde_json::to_value(&request).context("encode the request")?;
            serde_json::from_value(job(request, Vec::new())?).context("read the answer")?
        } else {
            Work::start(JOB, WorkNs::New(idmap), &request, &[])?.finish()?
        };
        let count = layers.len();
        let bad = layers.into_iter().zip(found).filter_map(|(dir, found)| {
            let (name, found) = (name(&dir.path), found?);
            let (what, count) = match found {
                Found::Files(damage) => (damage.files, damage.count),
                Found::Record(e) => (vec![e.to_string()], 0),
            };
            Some(BadLayer { chain_id: dir.chain_id, name, what, count })
        });
        Ok((bad.collect(), count))
    }

    /// Makes a new index from the manifests among the blobs, after putting the damaged one aside; the number of images
    /// found. Their names are lost with the index; `names` gives those that are known from elsewhere, by image id.
    pub fn rebuild_index(&self, names: &BTreeMap<String, BTreeSet<String>>) -> Result<usize> {
        self.lease()?;
        let path = self.paths.image_index();
        let aside = path.with_extension("json.damaged");
        match std::fs::rename(&path, &aside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("move {} away", path.display()));
            }
            _ => {}
        }
        let mut manifests = Vec::new();
        for (hex, _) in self.blob_sizes() {
            let Ok(digest) = Digest::parse(&format!("sha256:{hex}")) else { continue };
            let small = std::fs::metadata(self.blob(&digest)).is_ok_and(|m| m.len() <= super::MAX_JSON);
            let Some(bytes) = Some(digest.clone()).filter(|_| small).and_then(|d| self.read(&d).ok()) else { continue };
            let Ok(manifest) = Manifest::parse(&bytes) else { continue };
            if self.has_blob(&manifest.config.digest, Some(manifest.config.size)) {
                // Docker's first: the translation is listed with it.
                manifests.push((manifest.to_oci().is_none(), manifest.config.digest.clone(), digest, bytes.len()));
            }
        }
        manifests.sort_by(|a, b| (a.0, a.2.hex()).cmp(&(b.0, b.2.hex())));
        let mut listed = BTreeSet::new();
        for (_, config, digest, length) in manifests {
            if !listed.insert(config.hex().to_string()) {
                continue;
            }
            let media_type = self.read(&digest).ok().and_then(|bytes| super::guess_media_type(&bytes));
            let media_type = media_type.unwrap_or_else(|| super::OCI_MANIFEST.into());
            let descriptor = Descriptor::new(&media_type, digest, length as u64);
            self.keep(&descriptor)?;
            for name in names.get(config.hex()).into_iter().flatten() {
                if let Ok(name) = super::Reference::parse(name) {
                    self.tag(&descriptor, &name)?;
                }
            }
        }
        Ok(listed.len())
    }

    /// Stores the missing blobs of the embedded image anew.
    pub fn restore_hello(&self) -> Result<()> {
        super::hello::install(self)
    }

    /// Takes an image whose manifest is gone off the list, under all its names.
    pub fn forget_manifest(&self, manifest: &Digest) -> Result<bool> {
        self.forget(std::slice::from_ref(manifest))
    }
}

struct Image<'i> {
    title: &'i str,
    source: Option<&'i String>,
    remote: &'i BTreeMap<String, String>,
}

impl Image<'_> {
    fn add(&self, needs: &mut Needs, digest: &Digest, size: Option<u64>, small: bool, manifest: bool) {
        let (_, need) = needs.entry(digest.hex().to_string()).or_insert_with(|| (digest.clone(), Need::default()));
        need.size = need.size.or(size);
        need.small |= small;
        need.manifest |= manifest;
        need.images.insert(self.title.to_string());
        need.sources.extend(self.source.cloned());
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    contents: bool,
    /// Directories below `layers/`.
    dirs: Vec<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Found {
    Files(Damage),
    Record(Error),
}

/// The job: as root of the id map, which may read everything.
pub fn job(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let request: Request = serde_json::from_value(request).context("read the request")?;
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![None; request.dirs.len()]);
    let work = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(dir) = request.dirs.get(at) else { return };
        let one = match layer(dir, request.contents) {
            Ok(damage) if damage.count == 0 => None,
            Ok(damage) => Some(Found::Files(damage)),
            Err(e) => Some(Found::Record(e)),
        };
        found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[at] = one;
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get().min(4)) {
            scope.spawn(work);
        }
    });
    serde_json::to_value(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
        .context("encode the answer")
}

fn layer(dir: &Path, contents: bool) -> Result<Damage> {
    let record: LayerRecord = atomic::read_json(&dir.join("meta.json"))?;
    let opaque = dir.join(super::layers::OPAQUE).exists();
    if opaque != record.report.opaque_root {
        return Err(Error::user("find the mark of an opaque layer: it is not what the record says"));
    }
    let digest = record.report.tree.as_ref().ok_or_else(|| {
        Error::new(Kind::NotFound, "find the record of the layer's files: an older coracle extracted it")
    })?;
    let diff = dir.join("diff");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(&diff, flags, Mode::empty()).with_context(|| format!("open {}", diff.display()))?;
    tree::verify(root.as_fd(), &dir.join(tree::FILE), digest, contents)
}
