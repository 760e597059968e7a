//! Images as a docker-archive: layers uncompressed, configs, `manifest.json`.
//!
//! A tar member's header has its size, and a compressed layer does not tell it: it is noted when the layer is extracted.
//! A layer that never was is decompressed to a file without a name first. Then layers are written side by side where
//! they belong in a file, and straight through into a pipe.

use super::docker;
use super::save::{ToSave, damaged, member};
use crate::error::{Context, Error, Result};
use crate::image::manifest::OCI_LAYER;
use crate::image::tar::{Entry, TarWriter};
use crate::image::{Digest, LayerRef, Reference, Store, inflate_through};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// One element of docker-archive's manifest.json.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Layers decompressed at once.
const WORKERS: usize = 2;

impl Store {
    /// Writes the images as one docker-archive. `place` is the file behind `out`, if that is one. Starts threads.
    pub fn save_docker_archive(&self, images: &[ToSave], out: &mut impl Write, place: Option<File>) -> Result<()> {
        let mut tar = TarWriter::new(out);
        let mut layers: Vec<&LayerRef> = Vec::new();
        let mut seen = BTreeSet::new();
        let plain = images.iter().map(ToSave::image).collect::<Result<Vec<_>>>()?;
        for layer in plain.iter().flat_map(|i| &i.layers) {
            if seen.insert(&layer.diff_id) {
                layers.push(layer);
            }
        }
        let mut items: Vec<(String, Item)> = Vec::new();
        for (one, image) in images.iter().zip(&plain) {
            let id = &image.id;
            let tags = one.names.iter().map(Reference::canonical);
            match items.iter_mut().find(|(known, _)| known == id) {
                Some((_, item)) => item.repo_tags.extend(tags),
                None => {
                    let layers = image.layers.iter().map(|l| format!("{}.tar", l.diff_id.hex())).collect();
                    items.push((id.clone(), Item { config: format!("{id}.json"), repo_tags: tags.collect(), layers }));
                }
            }
        }
        let layers = self.sources(layers)?;
        let Some(mut place) = place else {
            for layer in &layers {
                tar.start(&layer.member())?;
                self.copy_tar(layer, |chunk| tar.write_all(chunk).context("write the archive"))?;
            }
            return self.documents(tar, &items);
        };
        let mut spots = Vec::new();
        for layer in &layers {
            tar.start(&layer.member())?;
            spots.push((layer, place.stream_position().context("write the archive")?));
            let jump = tar.skip_data().cast_signed();
            place.seek(SeekFrom::Current(jump)).context("write the archive")?;
        }
        self.documents(tar, &items)?;
        at_once(&spots, |(layer, offset), stop| {
            let mut at = *offset;
            self.copy_tar(layer, |chunk| {
                place.write_all_at(chunk, at).context("write the archive")?;
                at += chunk.len() as u64;
                stop()
            })
        })
        .map(drop)
    }

    /// Makes sure that the size of each layer's tar is known, in order.
    fn sources<'a>(&self, layers: Vec<&'a LayerRef>) -> Result<Vec<Source<'a>>> {
        let known = self.known_tar_sizes();
        at_once(&layers, |layer, stop| {
            if let Some(size) = known.get(&layer.chain_id) {
                return Ok(Source { layer, size: *size, file: None });
            }
            if docker::layer_type(self, &layer.digest)? == OCI_LAYER {
                let path = self.blob(&layer.digest);
                let meta = path.metadata().with_context(|| format!("look at {}", path.display()))?;
                return Ok(Source { layer, size: meta.len(), file: None });
            }
            let mut file = tempfile::tempfile_in(self.paths.tmp()).context("make a temporary file")?;
            let write = |chunk: &[u8]| file.write_all(chunk).context("write a temporary file").and_then(|()| stop());
            let size = self.inflate(layer, u64::MAX, write)?;
            Ok(Source { layer, size, file: Some(file) })
        })
    }

    /// Passes a layer's uncompressed tar to `use_it`, and verifies it.
    fn copy_tar(&self, source: &Source<'_>, mut use_it: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(file) = &source.file else {
            return self.inflate(source.layer, source.size, use_it).map(drop);
        };
        let mut buffer = vec![0; 512 << 10];
        let mut at = 0;
        while at < source.size {
            let n = file.read_at(&mut buffer, at).context("read a temporary file")?;
            if n == 0 {
                return Err(Error::conflict("read a temporary file: it became shorter"));
            }
            use_it(&buffer[..n])?;
            at += n as u64;
        }
        Ok(())
    }

    /// Passes a layer's uncompressed tar to `use_it`, no more than `size` bytes of it, and verifies it. Gives its
    /// size; an error if that is not `size`, unless it is `u64::MAX`.
    fn inflate(&self, layer: &LayerRef, size: u64, mut use_it: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
        let path = self.blob(&layer.digest);
        let mut copy = || {
            let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            // One thread inflates and hashes, this one writes.
            let (written, found) = inflate_through(file, |tar| {
                let mut written = 0;
                loop {
                    let chunk = tar.fill_buf().context("read it")?;
                    let n = chunk.len();
                    written += n as u64;
                    if n == 0 || written > size {
                        return Ok(written);
                    }
                    use_it(chunk)?;
                    tar.consume(n);
                }
            })?;
            if found.digest != layer.diff_id {
                return Err(damaged(&path, &found.digest));
            }
            if written != size && size != u64::MAX {
                return Err(Error::denied(format!("its record says {size} bytes, it has {}", found.size))
                    .hint("remove the image and pull it again"));
            }
            Ok(written)
        };
        copy().with_context(|| format!("save layer {}", layer.digest))
    }

    /// The configs and manifest.json, and the end.
    fn documents(&self, mut tar: TarWriter<impl Write>, items: &[(String, Item)]) -> Result<()> {
        for (id, item) in items {
            tar.file(&member(&item.config, 0), &self.read(&Digest::from_hex(id)?)?)?;
        }
        let items: Vec<&Item> = items.iter().map(|(_, item)| item).collect();
        tar.file(&member("manifest.json", 0), &serde_json::to_vec(&items).context("encode the manifest")?)?;
        tar.finish()?.flush().context("write the archive")
    }
}

/// Where a layer's tar comes from.
struct Source<'a> {
    layer: &'a LayerRef,
    /// Bytes of the tar.
    size: u64,
    /// The tar, decompressed and verified; else its blob is.
    file: Option<File>,
}

impl Source<'_> {
    fn member(&self) -> Entry {
        member(&format!("{}.tar", self.layer.diff_id.hex()), self.size)
    }
}

/// Does `work` for each of `all`, several at once, and gives what it gave, in order; or the first error. The function
/// that `work` is given fails when that of another has.
fn at_once<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&T, &dyn Fn() -> Result<()>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let stop = || if failed.load(Ordering::Relaxed) { Err(Error::bug("another layer failed first")) } else { Ok(()) };
    let done = Mutex::new((Vec::new(), None));
    let worker = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(at).filter(|_| !failed.load(Ordering::Relaxed)) else { return };
            let result = work(one, &stop);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(result) => done.0.push((at, result)),
                Err(e) => {
                    done.1.get_or_insert(e);
                    failed.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..WORKERS.min(all.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let (mut done, error) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(e) = error {
        return Err(e);
    }
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
