//! Images as files: docker-archive, oci-archive, OCI directories, and plain tars of a root file system.

mod collect;
mod docker;
mod import;
mod oci;
mod plain;
mod save;
mod save_docker;
mod source;

pub(super) use docker::layer_type;
pub use import::ImportOptions;
pub use save::{Layers, SaveFormat, ToSave, What};
pub use source::decompressed;

use super::{Descriptor, Reference, Store};
use crate::error::{Error, Result};
use collect::Contents;
use std::io::Read;
use std::path::Path;

/// One image that came out of an archive: in the store, but not listed there before [`Store::adopt`].
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub manifest: Descriptor,
    /// What it is to be called; empty if the archive names none.
    pub names: Vec<Reference>,
    /// The manifest list that the names mean, if the archive has one with its images: `manifest` is this host's part.
    pub list: Option<Descriptor>,
    /// How it came, by its name in containers-transports(5); policies may tell transports apart.
    pub transport: &'static str,
}

/// Told of the bytes read so far.
pub type ReadProgress<'a> = &'a (dyn Fn(u64) + Sync);

impl Store {
    /// Loads all images of an archive read from `input`: docker-archive or oci-archive, compressed by gzip, zstd, xz or
    /// bzip2 or not at all. The images are neither extracted nor listed yet.
    pub fn load_archive(&self, input: impl Read + Send, progress: ReadProgress<'_>) -> Result<Vec<Loaded>> {
        self.lease()?;
        let contents = source::decompressed(input, |stream| Contents::of_tar(self, stream, progress))?;
        self.load_contents(&contents, "oci-archive")
    }

    /// Loads all images of an OCI layout, an unpacked docker-archive or a docker-dir in the directory `dir`.
    pub fn load_directory(&self, dir: &Path, progress: ReadProgress<'_>) -> Result<Vec<Loaded>> {
        self.lease()?;
        // Only skopeo's `dir:` has this file; its manifest.json is the image's own.
        if dir.join("version").exists() && !dir.join("oci-layout").exists() {
            return Ok(vec![self.load_plain_directory(dir, progress)?]);
        }
        let contents = Contents::of_directory(self, dir, progress)?;
        self.load_contents(&contents, "oci")
    }

    /// `layout` is the transport if it is an OCI layout.
    fn load_contents(&self, contents: &Contents, layout: &'static str) -> Result<Vec<Loaded>> {
        // Docker ≥ 25 writes both; the OCI index keeps manifests and compression as they were.
        let loaded =
            match (contents.small("index.json"), contents.small("manifest.json"), contents.small("oci-layout")) {
                (Some(index), docker, Some(marker)) => {
                    super::layout::check(marker)?;
                    oci::load(self, contents, index, docker, layout)?
                }
                (_, Some(manifest), _) => docker::load(self, contents, manifest)?,
                _ if contents.is_empty() => {
                    return Err(Error::user("read the archive: it is empty")
                        .hint("whatever was to write it has probably failed"));
                }
                _ => {
                    return Err(Error::user("read the archive: it holds neither manifest.json nor an OCI layout")
                        .hint("for a tar of a root file system use import"));
                }
            };
        if loaded.is_empty() {
            return Err(Error::user("read the archive: it holds no image"));
        }
        Ok(loaded)
    }

    /// Lists a loaded image (or its manifest list) under its names.
    pub fn adopt(&self, loaded: &Loaded) -> Result<()> {
        if let Some(list) = &loaded.list {
            return self.adopt_list(list, &loaded.names);
        }
        if loaded.names.is_empty() {
            self.keep(&loaded.manifest)?;
        }
        loaded.names.iter().try_for_each(|name| self.tag(&loaded.manifest, name))
    }
}
