//! What becomes of a finished build: an image, or its files.

use super::cache::Record;
use super::shared;
use super::solve::{Built, stamp};
use crate::error::{Context, Result};
use crate::image::diff::{self, Trees};
use crate::image::{History, ImageConfig, Store, StoredLayer};
use crate::userns::IdMap;
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// What an image is made of.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<StoredLayer>,
}

/// The parts of the image of a finished build. `squash`: one layer for all new ones, above so many of the base;
/// `inline`: the records of which the image shall hold its own.
pub fn parts(
    store: &Store,
    idmap: &IdMap,
    built: &Built,
    labels: &BTreeMap<String, String>,
    squash: Option<usize>,
    inline: Option<&BTreeMap<String, Record>>,
) -> Result<Parts> {
    let mut config = built.config.clone();
    let mut layers = built.layers.clone();
    config.created = stamp(built.epoch)?;
    config.config.labels.extend(labels.clone());
    if let Some(base) = squash.filter(|base| layers.len() > base + 1) {
        let lowers = |layers: &[StoredLayer]| super::solve::lowers(store, idmap, layers);
        let trees = Trees { lowers: lowers(&layers)?, against: Some(lowers(&layers[..base])?), ..Trees::default() };
        let mut packing = diff::pack(&trees, idmap, None)?;
        let layer = store.put_layer(&mut packing);
        packing.finish()?;
        let layer = layer?;
        let told: Vec<usize> = (0..config.history.len()).filter(|i| !config.history[*i].empty_layer).collect();
        // The base's own steps stay told.
        config.history.truncate(told.get(base).copied().unwrap_or(config.history.len()));
        config.history.push(History {
            created: config.created.clone(),
            created_by: "squashed".into(),
            empty_layer: layer.is_none(),
            ..History::default()
        });
        layers.truncate(base);
        layers.extend(layer);
    }
    if let Some(records) = inline {
        config.inline_cache = shared::inline(records, &layers)?;
    }
    Ok(Parts { config, layers })
}

/// Writes the files as a tar.
pub fn tar(idmap: &IdMap, lowers: Vec<PathBuf>, out: &mut dyn Write) -> Result<()> {
    let mut packing = diff::pack(&Trees { lowers, ..Trees::default() }.flattened(), idmap, None)?;
    let copied = std::io::copy(&mut packing, out).context("write the files");
    packing.finish()?;
    copied.map(drop)
}

/// Writes the files into a directory, as the user's own.
pub fn local(idmap: &IdMap, lowers: Vec<PathBuf>, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let mut packing = diff::pack(&Trees { lowers, ..Trees::default() }.flattened(), idmap, None)?;
    let done = unpack(BufReader::with_capacity(256 << 10, &mut packing), dir);
    packing.finish()?;
    done
}

/// Extracts a tar below `dir` as the plain user: modes and times are kept, owners and devices are not.
pub fn unpack(input: impl std::io::Read, dir: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(input);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(true);
    for entry in archive.entries().context("read the archive")? {
        let mut entry = entry.context("read the archive")?;
        let kind = entry.header().entry_type();
        if kind.is_character_special() || kind.is_block_special() || kind.is_fifo() {
            continue;
        }
        let name = entry.path().map(|p| p.display().to_string()).unwrap_or_default();
        entry.unpack_in(dir).with_context(|| format!("write {name}"))?;
    }
    Ok(())
}
