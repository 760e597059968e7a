//! The store's extracted layers: `layers/<chain id>-<map>/{diff/,meta.json}`.
//!
//! A layer's files belong to ids of one id map; another map (a user whose ranges changed, the one-id level) gets
//! directories of its own.

use super::apply::Report;
use super::{Digest, LayerRef, Store};
use crate::error::{Error, Result};
use crate::state::atomic;
use crate::userns::IdMap;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Marker beside `diff/`: the layer hides all layers below it.
pub(super) const OPAQUE: &str = "opaque";

/// In the name of a damaged layer's directory that was replaced while running containers had it mounted.
pub(super) const REPLACED: &str = ".replaced-";

/// What is known about an extracted layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerRecord {
    pub version: u32,
    pub chain_id: String,
    pub diff_id: Digest,
    pub report: Report,
}

/// Names an id map: the same ranges give the same name.
pub(super) fn map_key(idmap: &IdMap) -> String {
    let text = format!("{:?} {:?} {:?}", idmap.level, idmap.uids, idmap.gids);
    Digest::of(text.as_bytes()).hex()[..8].to_string()
}

/// Writes what goes beside a layer's `diff/`; synced together with it.
pub(super) fn write_record(dir: &Path, layer: &LayerRef, report: &Report) -> Result<()> {
    let record = LayerRecord {
        version: 1,
        chain_id: layer.chain_id.clone(),
        diff_id: layer.diff_id.clone(),
        report: report.clone(),
    };
    if report.opaque_root {
        atomic::write(&dir.join(OPAQUE), b"", atomic::Class::Volatile)?;
    }
    atomic::write_json(&dir.join("meta.json"), &record, atomic::Class::Volatile)
}

/// Bytes of the allocated blocks of a layer's directory itself and of what is beside `diff/`.
fn beside(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let sizes = entries.filter(|path| !path.ends_with("diff")).chain([dir.to_path_buf()]);
    sizes.filter_map(|path| path.symlink_metadata().ok()).map(|meta| meta.blocks() * 512).sum()
}

/// A directory below `layers/`.
#[derive(Clone, Debug)]
pub struct LayerDirectory {
    pub path: PathBuf,
    pub chain_id: String,
    /// Bytes of its allocated blocks as measured when it was made.
    pub allocated: Option<u64>,
    /// Where other id maps' views of it are, if there are any.
    pub views: Option<PathBuf>,
}

impl Store {
    /// The directory name of a layer under an id map.
    pub fn layer_name(chain_id: &str, idmap: &IdMap) -> String {
        format!("{chain_id}-{}", map_key(idmap))
    }

    /// All extracted layers, of whatever id map.
    pub fn layer_directories(&self) -> Vec<LayerDirectory> {
        let entries = std::fs::read_dir(self.paths.layers()).into_iter().flatten().flatten();
        let directory = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let record: Option<LayerRecord> = atomic::read_json(&entry.path().join("meta.json")).ok();
            LayerDirectory {
                path: entry.path(),
                chain_id: super::gc::chain_of(&name).to_string(),
                // The files never change; what lies beside them is looked at.
                allocated: record.and_then(|r| r.report.allocated).map(|files| files + beside(&entry.path())),
                views: Some(self.paths.views().join(&name)).filter(|p| p.exists()),
            }
        };
        entries.map(directory).collect()
    }

    /// The bytes of uncompressed layer tars, by chain id, of all layers that are extracted.
    pub(super) fn known_tar_sizes(&self) -> HashMap<String, u64> {
        let entries = std::fs::read_dir(self.paths.layers()).into_iter().flatten().flatten();
        let records = entries.filter_map(|e| atomic::read_json::<LayerRecord>(&e.path().join("meta.json")).ok());
        records.filter_map(|r| Some((r.chain_id, r.report.tar?))).collect()
    }

    pub(super) fn layer_dir(&self, chain_id: &str, key: &str) -> PathBuf {
        self.paths.layers().join(format!("{chain_id}-{key}"))
    }

    pub(super) fn has_layer(&self, chain_id: &str, key: &str) -> bool {
        self.layer_dir(chain_id, key).join("diff").is_dir()
    }

    /// The directories of extracted layers for `lowers` of an overlay: top-most first, while `chain` is lowest first.
    /// An error when one is missing: call [`Store::unpack`] first.
    pub fn layer_dirs(&self, chain: &[String], idmap: &IdMap) -> Result<Vec<PathBuf>> {
        let key = map_key(idmap);
        let mut dirs = Vec::with_capacity(chain.len());
        for chain_id in chain.iter().rev() {
            let dir = self.layer_dir(chain_id, &key);
            let diff = dir.join("diff");
            if !diff.is_dir() {
                return Err(Error::not_found(format!("find layer {chain_id}: it is not extracted"))
                    .hint("pull the image again"));
            }
            dirs.push(diff);
            if dir.join(OPAQUE).exists() {
                break;
            }
        }
        Ok(dirs)
    }

    /// What is known about an extracted layer; `None` when it is not extracted for this map.
    pub fn layer_record(&self, chain_id: &str, idmap: &IdMap) -> Option<LayerRecord> {
        atomic::read_json(&self.layer_dir(chain_id, &map_key(idmap)).join("meta.json")).ok()
    }
}
