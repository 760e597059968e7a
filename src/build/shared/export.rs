//! Writing what a build found or made, for other machines.

use super::ask::{To, ToKind};
use super::form::{self, CACHE_CONFIG};
use crate::build::cache::{Layer, Record};
use crate::engine::Ctx;
use crate::engine::push::{self, Request};
use crate::error::{Context, Result};
use crate::image::{
    Descriptor, Digest, Index, LayoutDir, Manifest, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Store, StoredLayer, chain_ids,
};
use crate::registry::{Progress, PullOptions};
use base64::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What `containerd` and BuildKit call a layer's diff id in a manifest.
const UNCOMPRESSED: &str = "containerd.io/uncompressed";
const NAME: &str = "org.opencontainers.image.ref.name";

/// The steps that the images themselves consist of.
fn least(records: &BTreeMap<String, Record>, images: &[Vec<StoredLayer>]) -> BTreeMap<String, Record> {
    let mut chains = BTreeSet::from([String::new()]);
    let mut layers = BTreeSet::new();
    for image in images {
        let ids: Vec<Digest> = image.iter().map(|l| l.diff_id.clone()).collect();
        chains.extend(chain_ids(&ids));
        layers.extend(ids);
    }
    let part = |record: &Record| {
        let layer = record.layer.as_ref().is_none_or(|l| layers.contains(&l.diff_id));
        layer && chains.contains(&record.chain)
    };
    records.iter().filter(|(_, r)| part(r)).map(|(k, r)| (k.clone(), r.clone())).collect()
}

/// The records of one image, for its configuration.
pub fn inline(records: &BTreeMap<String, Record>, image: &[StoredLayer]) -> Result<String> {
    let mut records = least(records, &[image.to_vec()]);
    for layer in records.values_mut().filter_map(|r| r.layer.as_mut()) {
        // Readers go by the content, and look for its blob in the image's manifest. What it is compressed by here must
        // not be seen in the image's id.
        (layer.digest, layer.size, layer.media_type) = (layer.diff_id.clone(), 0, OCI_LAYER.into());
    }
    let list = form::write(&records)?;
    Ok(base64::engine::general_purpose::STANDARD.encode(list))
}

/// Has uncompressed layers compressed, as they are in images that are pushed.
fn pack(store: &Store, records: &mut BTreeMap<String, Record>) -> Result<()> {
    let mut done: BTreeMap<Digest, Layer> = BTreeMap::new();
    for layer in records.values_mut().filter_map(|r| r.layer.as_mut()) {
        if !done.contains_key(&layer.digest) {
            let packed = store.packed_layer(&layer.clone().stored())?;
            done.insert(layer.digest.clone(), Layer::of(&packed));
        }
        layer.clone_from(&done[&layer.digest]);
    }
    Ok(())
}

/// Writes the cache; blobs that the store lacks must have been fetched.
pub fn export(
    ctx: &Ctx,
    store: &Store,
    to: &To,
    records: &BTreeMap<String, Record>,
    images: &[Vec<StoredLayer>],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let mut records = if to.max { records.clone() } else { least(records, images) };
    if !matches!(to.kind, ToKind::Inline) {
        pack(store, &mut records)?;
    }
    let config = form::write(&records)?;
    let mut layers: Vec<Descriptor> = Vec::new();
    for layer in records.values().filter_map(|r| r.layer.as_ref()) {
        if !layers.iter().any(|l| l.digest == layer.digest) {
            let mut descriptor = Descriptor::new(&layer.media_type, layer.digest.clone(), layer.size);
            descriptor.annotations.insert(UNCOMPRESSED.into(), layer.diff_id.to_string());
            layers.push(descriptor);
        }
    }
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.into(),
        config: Descriptor::new(CACHE_CONFIG, store.put(&config)?, config.len() as u64),
        layers,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest).context("encode the cache's manifest")?;
    match &to.kind {
        ToKind::Inline => Ok(()),
        ToKind::Local { dir, tag } => {
            layout(store, dir, tag, &manifest, &bytes).with_context(|| format!("write the cache to {}", dir.display()))
        }
        ToKind::Registry(name) => {
            let digest = store.put(&bytes)?;
            let request = Request { connection: options.clone(), ..Request::default() };
            push::push_manifest(ctx, store, &digest, name, &request, progress).context("write the cache").map(drop)
        }
    }
}

/// Adds the cache to an OCI layout under its tag; what was called so before stays without a name.
fn layout(store: &Store, dir: &Path, tag: &str, manifest: &Manifest, bytes: &[u8]) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).with_context(|| format!("make {}", blobs.display()))?;
    let digest = Digest::of(bytes);
    for part in manifest.layers.iter().chain([&manifest.config]) {
        let path = blobs.join(part.digest.hex());
        if std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() == part.size) {
            continue;
        }
        let what = || format!("copy blob {}", part.digest);
        let mut blob = File::open(store.blob(&part.digest)).with_context(what)?;
        place(&path, &mut blob)?;
    }
    place(&blobs.join(digest.hex()), &mut &bytes[..])?;
    let mut index = LayoutDir::open(dir).and_then(|layout| layout.index()).unwrap_or_default();
    index.retain(|d| d.annotations.get(NAME).is_none_or(|name| name != tag));
    let mut entry = Descriptor::new(OCI_MANIFEST, digest, bytes.len() as u64);
    entry.annotations.insert(NAME.into(), tag.into());
    index.push(entry);
    let index =
        Index { schema_version: 2, media_type: OCI_INDEX.into(), manifests: index, annotations: BTreeMap::new() };
    place(&dir.join("oci-layout"), &mut &b"{\"imageLayoutVersion\":\"1.0.0\"}"[..])?;
    // Last: whoever reads meanwhile finds the old cache.
    let index = serde_json::to_vec(&index).context("encode the index")?;
    place(&dir.join("index.json"), &mut &index[..])
}

/// Writes a file that appears when it is whole, for whoever the caller's umask lets read it.
fn place(path: &Path, content: &mut dyn Read) -> Result<()> {
    let what = || format!("write {}", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    let mode = Permissions::from_mode(0o666);
    let mut draft = tempfile::Builder::new().permissions(mode).tempfile_in(dir).with_context(what)?;
    std::io::copy(content, draft.as_file_mut()).with_context(what)?;
    draft.persist(path).map_err(|e| e.error).with_context(what).map(drop)
}
