//! What becomes of a finished build: an image, or its files.

use super::solve::{Built, stamp};
use crate::error::{Context, Error, Result};
use crate::image::diff::{self, Trees};
use crate::image::{Digest, Format, History, Image, Reference, Store, StoredLayer};
use crate::userns::IdMap;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// Where `--output` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The store.
    Image,
    /// The files, in a directory.
    Local(PathBuf),
    /// The files, as a tar; `None` is standard output.
    Tar(Option<PathBuf>),
}

impl Output {
    /// Reads `DIR`, `-` or `type=local|tar|image|docker,dest=PATH`.
    pub fn parse(text: &str) -> Result<Output> {
        let bad = |why: &str| {
            Error::user(format!("read --output '{text}': {why}")).hint("type=local,dest=DIR or type=tar,dest=FILE")
        };
        if text == "-" {
            return Ok(Output::Tar(None));
        }
        if !text.contains('=') {
            return Ok(Output::Local(text.into()));
        }
        let (mut kind, mut dest) = (String::new(), None);
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("type", value)) => kind = value.to_string(),
                Some(("dest", value)) => dest = Some(value.to_string()),
                Some((key, _)) => {
                    return Err(Error::unsupported(format!("read --output '{text}': {key} is not supported")));
                }
                None => return Err(bad(&format!("'{field}' has no value"))),
            }
        }
        match (kind.as_str(), dest) {
            ("local", Some(dir)) => Ok(Output::Local(dir.into())),
            ("local", None) => Err(bad("dest is missing")),
            ("tar", None) => Ok(Output::Tar(None)),
            ("tar", Some(file)) if file == "-" => Ok(Output::Tar(None)),
            ("tar", Some(file)) => Ok(Output::Tar(Some(file.into()))),
            ("image" | "docker", None) => Ok(Output::Image),
            ("oci" | "docker" | "registry" | "image", _) => {
                Err(Error::unsupported(format!("read --output '{text}': this form is not supported"))
                    .hint("build with -t, then coracle save or push"))
            }
            _ => Err(bad("the type is unknown")),
        }
    }
}

/// How the image is stored.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    pub names: Vec<Reference>,
    pub labels: BTreeMap<String, String>,
    pub format: Format,
    /// One layer for all new ones, above so many of the base.
    pub squash: Option<usize>,
}

/// Stores the image under its names.
pub fn image(
    store: &Store,
    idmap: &IdMap,
    built: &Built,
    lowers: &dyn Fn(&[StoredLayer]) -> Result<Vec<PathBuf>>,
    options: &ImageOptions,
) -> Result<(Image, Digest)> {
    let mut config = built.config.clone();
    let mut layers = built.layers.clone();
    config.created = stamp(built.epoch)?;
    config.config.labels.extend(options.labels.clone());
    if let Some(base) = options.squash.filter(|base| layers.len() > base + 1) {
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
    let manifest = store.compose(&config, &layers, options.format)?;
    for name in &options.names {
        store.tag(&manifest, name)?;
    }
    if options.names.is_empty() {
        store.keep(&manifest)?;
    }
    Ok((store.image(&manifest.digest)?, manifest.digest))
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

/// Opens the file of a `--output type=tar`.
pub fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("create {}", path.display()))
}
