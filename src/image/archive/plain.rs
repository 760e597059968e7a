//! skopeo's `dir:`: `manifest.json` and, beside it, blobs named by the hex of their digests.

use super::{Loaded, ReadProgress};
use crate::error::{Context, Error, Result};
use crate::image::store::host_architecture;
use crate::image::{Descriptor, Digest, Index, MAX_JSON, Manifest, OCI_INDEX, OCI_MANIFEST, Store, guess_media_type};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

impl Store {
    /// Loads the image of a directory that `skopeo copy … dir:` made; of several platforms, all if it has them, else this
    /// host's. It has no name.
    pub fn load_plain_directory(&self, dir: &Path, progress: ReadProgress<'_>) -> Result<Loaded> {
        self.lease()?;
        let mut bytes = document(&dir.join("manifest.json"))?;
        let mut list = None;
        if let Ok(index) = Index::parse(&bytes) {
            let arch = host_architecture();
            let fits = |d: &&Descriptor| d.platform.as_ref().is_none_or(|p| p.os == "linux" && p.architecture == arch);
            let named = |d: &Descriptor| dir.join(format!("{}.manifest.json", d.digest.hex()));
            let here: Vec<&Descriptor> = index.manifests.iter().filter(|d| named(d).exists()).collect();
            let whole = here.len() == index.manifests.len();
            let part = here.iter().copied().find(fits).or(here.first().copied().filter(|_| whole));
            let part = part.ok_or_else(|| Error::not_found(format!("find an image for linux/{arch}")))?;
            let read = |part: &Descriptor| match document(&named(part))? {
                bytes if Digest::of(&bytes) == part.digest => Ok(bytes),
                _ => Err(Error::denied(format!("read manifest {}: it is damaged", part.digest))),
            };
            if whole {
                let media_type = guess_media_type(&bytes).unwrap_or_else(|| OCI_INDEX.into());
                list = Some(Descriptor::new(&media_type, self.put(&bytes)?, bytes.len() as u64));
                for other in here.iter().filter(|d| d.digest != part.digest) {
                    self.load_plain_manifest(dir, &read(other)?, progress)?;
                }
            }
            bytes = read(part)?;
        }
        let manifest = self.load_plain_manifest(dir, &bytes, progress)?;
        Ok(Loaded { manifest, names: Vec::new(), list, transport: "dir" })
    }

    /// Stores the manifest and what it names.
    fn load_plain_manifest(&self, dir: &Path, bytes: &[u8], progress: ReadProgress<'_>) -> Result<Descriptor> {
        let manifest = Manifest::parse(bytes)?;
        let mut done = 0;
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if !self.has_blob(&blob.digest, Some(blob.size)) {
                self.copy_blob(dir, blob, &|bytes| progress(done + bytes))?;
            }
            done += blob.size;
        }
        let media_type = guess_media_type(bytes).unwrap_or_else(|| OCI_MANIFEST.into());
        Ok(Descriptor::new(&media_type, self.put(bytes)?, bytes.len() as u64))
    }

    fn copy_blob(&self, dir: &Path, blob: &Descriptor, progress: ReadProgress<'_>) -> Result<()> {
        let path = dir.join(blob.digest.hex());
        let named = || format!("load {}", path.display());
        let mut file = open(&path)?;
        let mut writer = self.writer(Some(&blob.digest), Some(blob.size))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = file.read(&mut buffer).with_context(named)?;
            if n == 0 {
                break;
            }
            writer.write_all(&buffer[..n]).with_context(named)?;
            progress(writer.written());
        }
        writer.commit().with_context(named).map(drop)
    }
}

fn open(path: &Path) -> Result<File> {
    let named = || format!("open {}", path.display());
    let meta = path.symlink_metadata().with_context(named)?;
    if !meta.is_file() {
        return Err(Error::user(format!("{}: it is not a regular file", named())));
    }
    File::open(path).with_context(named)
}

fn document(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_JSON + 1).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
    if bytes.len() as u64 > MAX_JSON {
        return Err(Error::user(format!("read {}: it has more than {MAX_JSON} bytes", path.display())));
    }
    Ok(bytes)
}
