//! `import`: a tar of a root file system becomes an image of one layer.

use super::{Loaded, ReadProgress, docker, source};
use crate::error::{Context, Error, Result};
use crate::image::manifest::{OCI_CONFIG, OCI_MANIFEST};
use crate::image::{Compression, inflate_through, tar::TarReader};
use crate::image::{Descriptor, Digest, History, ImageConfig, Manifest, Reference, RootFs, RunConfig, Store};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

/// What the new image says about itself.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    pub name: Option<Reference>,
    pub config: RunConfig,
    pub message: String,
    /// RFC 3339; `None`: the time of the archive's newest file (but not the future), so that the same archive gives the
    /// same image.
    pub created: Option<String>,
    /// The address that was imported, for the history; empty for files.
    pub source: String,
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

impl Store {
    /// Makes an image of the tar in `input` (gzip, zstd, xz, bzip2 or plain), to be extracted and adopted. The layer
    /// keeps gzip and zstd compression as it is.
    pub fn import(
        &self,
        input: impl Read + Send,
        options: &ImportOptions,
        progress: ReadProgress<'_>,
    ) -> Result<Loaded> {
        self.lease()?;
        let mut input = BufReader::with_capacity(128 << 10, input);
        let start = input.fill_buf().context("read the archive")?;
        let blob = match Compression::of(start) {
            Compression::Xz | Compression::Bzip2 => source::decompressed(input, |s| self.copy(s, progress))?,
            _ => self.copy(&mut input, progress)?,
        };
        let (digest, size) = blob;
        let (diff_id, newest) = self.check_tar(&digest)?;
        let created = options.created.clone().unwrap_or(newest);
        let config = ImageConfig {
            created: created.clone(),
            architecture: options.architecture.clone(),
            variant: options.variant.clone(),
            os: options.os.clone(),
            config: options.config.clone(),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![diff_id] },
            history: vec![History {
                created,
                created_by: format!("import {}", options.source).trim_end().to_string(),
                comment: options.message.clone(),
                ..History::default()
            }],
            ..ImageConfig::default()
        };
        let config = serde_json::to_vec(&config).context("encode the image config")?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST.into(),
            config: Descriptor::new(OCI_CONFIG, self.put(&config)?, config.len() as u64),
            layers: vec![Descriptor::new(docker::layer_type(self, &digest)?, digest, size)],
            annotations: BTreeMap::new(),
        };
        let manifest = serde_json::to_vec(&manifest).context("encode the image manifest")?;
        let manifest = Descriptor::new(OCI_MANIFEST, self.put(&manifest)?, manifest.len() as u64);
        let names = options.name.iter().cloned().collect();
        Ok(Loaded { manifest, names, list: None, transport: "tarball" })
    }

    fn copy(&self, input: &mut dyn BufRead, progress: ReadProgress<'_>) -> Result<(Digest, u64)> {
        let mut writer = self.writer(None, None)?;
        loop {
            let chunk = input.fill_buf().context("read the archive")?;
            if chunk.is_empty() {
                break;
            }
            writer.write_all(chunk).context("store the archive")?;
            let n = chunk.len();
            input.consume(n);
            progress(writer.written());
        }
        let size = writer.written();
        Ok((writer.commit()?, size))
    }

    /// Reads the layer to its end: it must be a tar, and not an archive of images. Returns its diff id, and the time of
    /// its newest file.
    fn check_tar(&self, digest: &Digest) -> Result<(Digest, String)> {
        let path = self.blob(digest);
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let (mut entries, mut image_archive, mut newest) = (0u64, false, 0);
        // One thread inflates and hashes, this one reads.
        let ((), found) = inflate_through(file, |stream| {
            let mut tar = TarReader::new(stream);
            while let Some(entry) = tar.next_entry().context("read the archive")? {
                entries += 1;
                newest = newest.max(entry.mtime.secs);
                image_archive |= matches!(entry.path.as_slice(), b"manifest.json" | b"oci-layout");
            }
            Ok(())
        })?;
        if entries == 0 {
            return Err(Error::user("read the archive: it is empty"));
        }
        if image_archive {
            log::warn!("the archive looks like one of images: `load` is the command for those");
        }
        let now = jiff::Timestamp::now();
        let newest = jiff::Timestamp::from_second(newest).unwrap_or(now).min(now);
        Ok((found.digest, newest.to_string()))
    }
}
