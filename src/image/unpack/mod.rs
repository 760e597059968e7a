//! Extracting layers: one process with mapped ids, several layers at once, each layer a pipeline of threads.
//!
//! The process (job `unpack`) is started before any download, and reads the blobs from the files that the downloads
//! grow. A download therefore never waits for the extraction, and bytes are copied once.

mod feed;
mod layer;
pub(super) mod pipeline;
mod sink;
mod worker;

pub use sink::{LayerSink, LayerWatch, Sink, Waited};
pub use worker::job;

use super::apply::{Owners, Report};
use super::digest::HashWriter;
use super::{Claim, Digest, Image, LayerRef, Store};
use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use crate::state::atomic;
use crate::state::gcdir::Staging;
use crate::userns::{IdMap, Level};
use feed::{FromWorker, Socket, ToWorker};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// What became of a layer of an [`Unpacker`] since the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerEvent {
    /// This many bytes of its blob are extracted.
    Consumed { index: usize, bytes: u64 },
    /// It is extracted and its digest matches.
    Done { index: usize },
}

/// What the job `unpack` is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    jobs: usize,
    owners: Owners,
    /// The process is the job's own, so it may set its umask.
    own_process: bool,
    layers: Vec<LayerJob>,
    /// All layers of the image, lowest first: directories that are only implied take after those below.
    chain: Vec<ChainLayer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LayerJob {
    /// Position in the image.
    index: usize,
    diff_id: Digest,
    /// Directory in which to make `diff/`.
    dir: PathBuf,
    /// The blob, if it is complete.
    blob: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChainLayer {
    diff: PathBuf,
    opaque_root: bool,
    /// To be extracted by this job.
    new: bool,
}

/// Extracts an image's layers while they arrive. `index` is the position in the list given to [`Store::unpacker`]. All
/// methods may be called from several threads at once.
#[derive(Debug)]
pub struct Unpacker<'s> {
    store: &'s Store,
    layers: Vec<LayerRef>,
    key: String,
    /// Layers whose blobs were missing at the start: what the extractor waits for. Blobs that another pull brings
    /// meanwhile don't change it.
    needed: Vec<bool>,
    replace: Replace,
    run: Option<Run>,
}

/// Extracted layers to make anew, by chain id.
#[derive(Clone, Debug, Default)]
pub struct Replace {
    pub layers: HashSet<String>,
    /// Those of them that running containers have mounted: the old directory must stay until they end.
    pub mounted: HashSet<String>,
}

/// The extraction under way; none when there is nothing to extract.
#[derive(Debug)]
struct Run {
    socket: Socket,
    staging: Vec<(usize, Staging)>,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Work(Work),
    Thread(std::thread::JoinHandle<Result<serde_json::Value>>),
}

impl Store {
    /// Extracts the image's missing layers from blobs that are all in the store; quick when none is missing.
    pub fn unpack(
        &self,
        manifest: &Digest,
        jobs: usize,
        idmap: &IdMap,
        progress: &(dyn Fn(LayerEvent) + Sync),
    ) -> Result<()> {
        let Image { layers, .. } = self.image(manifest)?;
        let unpacker = self.unpacker(&layers, jobs, idmap)?;
        if let Some(index) = unpacker.missing().find(|i| unpacker.needs_blob(*i)) {
            return Err(Error::not_found(format!("extract layer {}: its blob is gone", layers[index].diff_id))
                .hint("pull the image again"));
        }
        unpacker.finish(progress)
    }

    /// Extracts the layers `replace` of the image anew and puts them in the place of those that are there.
    pub fn rebuild(&self, image: &Image, jobs: usize, idmap: &IdMap, replace: Replace) -> Result<()> {
        let unpacker = self.start_unpacker(&image.layers, jobs, idmap, replace)?;
        if let Some(index) = unpacker.missing().find(|i| unpacker.needs_blob(*i)) {
            return Err(Error::not_found(format!("extract layer {}: its blob is gone", image.layers[index].diff_id)));
        }
        unpacker.finish(&|_| {})
    }

    /// Starts to extract those of `layers` (a whole image, lowest first) that are missing, `jobs` at once, while their
    /// blobs are still being downloaded. Call it before starting threads: it starts a process with mapped ids.
    pub fn unpacker(&self, layers: &[LayerRef], jobs: usize, idmap: &IdMap) -> Result<Unpacker<'_>> {
        self.start_unpacker(layers, jobs, idmap, Replace::default())
    }

    fn start_unpacker(
        &self,
        layers: &[LayerRef],
        jobs: usize,
        idmap: &IdMap,
        replace: Replace,
    ) -> Result<Unpacker<'_>> {
        let key = super::layers::map_key(idmap);
        let needed = layers.iter().map(|l| !self.has_blob(&l.digest, Some(l.size))).collect();
        let mut unpacker = Unpacker { store: self, layers: layers.to_vec(), key, needed, replace, run: None };
        let wanted =
            |chain_id: &String| unpacker.replace.layers.contains(chain_id) || !self.has_layer(chain_id, &unpacker.key);
        let missing: Vec<usize> = (0..layers.len()).filter(|i| wanted(&layers[*i].chain_id)).collect();
        if missing.is_empty() {
            return Ok(unpacker);
        }
        self.lease()?;
        let mut request = Request {
            jobs: jobs.max(1),
            owners: match idmap.level {
                Level::OneId => Owners::Record,
                Level::Full | Level::Root => Owners::Apply { ids: idmap.container_ids() },
            },
            own_process: !self.in_process,
            layers: Vec::new(),
            chain: Vec::new(),
        };
        let mut staging = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let place = self.layer_dir(&layer.chain_id, &unpacker.key);
            let mut chain = ChainLayer {
                opaque_root: place.join(super::layers::OPAQUE).exists(),
                diff: place.join("diff"),
                new: false,
            };
            if missing.contains(&index) {
                let name = format!("layer-{}-{:08x}", &layer.chain_id[..12], super::blobs::random()?);
                let stage = Staging::new(&self.paths, &name)?;
                let dir = stage.path().to_path_buf();
                (chain.diff, chain.new) = (dir.join("diff"), true);
                let blob = (!unpacker.needs_blob(index)).then(|| self.blob(&layer.digest));
                request.layers.push(LayerJob { index, diff_id: layer.diff_id.clone(), dir, blob });
                staging.push((index, stage));
            }
            request.chain.push(chain);
        }
        let (socket, theirs) = Socket::pair()?;
        let backend = if self.in_process {
            let request = serde_json::to_value(&request).context("encode the request")?;
            Backend::Thread(std::thread::spawn(move || job(request, vec![theirs.into()])))
        } else {
            Backend::Work(Work::start("unpack", WorkNs::New(idmap), &request, &[theirs.as_fd()])?)
        };
        unpacker.run = Some(Run { socket, staging, backend });
        Ok(unpacker)
    }
}

impl Unpacker<'_> {
    /// Positions of the layers that are being extracted.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        self.run.iter().flat_map(|run| run.staging.iter().map(|(index, _)| *index))
    }

    /// Whether the blob of layer `index` was missing at the start and has to come through [`Unpacker::sink`] or
    /// [`Unpacker::arrived`]. True for an extracted layer too, if its blob is gone: blobs are kept for push and save.
    pub fn needs_blob(&self, index: usize) -> bool {
        self.needed[index]
    }

    /// Takes layer `index` from a blob that came by another way since the start (a second pull, the same layer twice
    /// in one image); `false` when it is not here.
    pub fn arrived(&self, index: usize) -> bool {
        let layer = &self.layers[index];
        if !self.store.has_blob(&layer.digest, Some(layer.size)) {
            return false;
        }
        if let Some(socket) = self.socket(index) {
            let blob = self.store.blob(&layer.digest);
            socket.send(&ToWorker::Start { index, temp: blob.clone(), blob, doubtful: false });
            socket.send(&ToWorker::End { index, size: layer.size });
        }
        true
    }

    /// The way to the extractor, if it waits for this layer.
    fn socket(&self, index: usize) -> Option<&Socket> {
        self.run.as_ref().filter(|run| run.staging.iter().any(|(i, _)| *i == index)).map(|run| &run.socket)
    }

    /// Claims the download of layer `index`. What comes goes to the blob and is extracted on the way, but never waits
    /// for the extraction; what an earlier download left, or another process brings, is extracted likewise.
    pub fn sink(&self, index: usize) -> Result<Sink<'_>> {
        let layer = &self.layers[index];
        let socket = self.socket(index);
        let start = |doubtful: bool| {
            if let Some(socket) = socket {
                let (temp, blob) = (self.store.partial_path(&layer.digest), self.store.blob(&layer.digest));
                socket.send(&ToWorker::Start { index, temp, blob, doubtful });
            }
        };
        match self.store.claim(&layer.digest, layer.size)? {
            Claim::Here => {
                self.arrived(index);
                Ok(Sink::Here)
            }
            Claim::Mine(mut writer) => {
                start(self.store.partial_size(&layer.digest) > 0);
                writer.catch_up()?;
                Ok(Sink::Mine(LayerSink { announced: writer.written(), writer: Some(writer), socket, index }))
            }
            Claim::Other(watch) => {
                start(true);
                Ok(Sink::Other(LayerWatch {
                    store: self.store,
                    watch: Some(watch),
                    socket,
                    index,
                    size: layer.size,
                    seen: 0,
                }))
            }
        }
    }

    /// Waits until every layer is extracted and verified, then puts all in place. Layers whose blob was in the store
    /// from the start need no sink.
    pub fn finish(mut self, progress: &(dyn Fn(LayerEvent) + Sync)) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        run.socket.no_more();
        while let Some(event) = run.socket.recv::<FromWorker>()? {
            match event {
                FromWorker::Consumed { index, bytes } => progress(LayerEvent::Consumed { index, bytes }),
                FromWorker::Done { index } => progress(LayerEvent::Done { index }),
            }
        }
        let reports: Result<Vec<(usize, Report)>> = match run.backend {
            Backend::Work(work) => work.finish(),
            Backend::Thread(thread) => {
                let joined = thread.join().map_err(|_| Error::bug("extract the layers: the extractor panicked"));
                joined.flatten().and_then(|v| serde_json::from_value(v).context("read the extractor's answer"))
            }
        };
        match reports {
            Ok(reports) => self.publish(run.staging, &reports),
            Err(e) => {
                self.drop_damaged(run.staging.iter().map(|(index, _)| *index));
                Err(e)
            }
        }
    }

    /// After a failure: a blob that is not what its name says is deleted, so that the next pull fetches it anew.
    fn drop_damaged(&self, layers: impl Iterator<Item = usize>) {
        for layer in layers.map(|i| &self.layers[i]) {
            let path = self.store.blob(&layer.digest);
            let Ok(mut file) = std::fs::File::open(&path) else { continue };
            let mut hash = HashWriter::default();
            if std::io::copy(&mut file, &mut hash).is_ok() && hash.finish() != layer.digest {
                log::warn!("blob {} is damaged and was deleted", layer.digest);
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn publish(&self, staging: Vec<(usize, Staging)>, reports: &[(usize, Report)]) -> Result<()> {
        for (index, stage) in &staging {
            let (_, report) = reports
                .iter()
                .find(|(i, _)| i == index)
                .ok_or_else(|| Error::bug("extract the layers: one was forgotten"))?;
            super::layers::write_record(stage.path(), &self.layers[*index], report)?;
        }
        // One sync for the whole image, and only then the names: a layer that exists is complete, whatever happens.
        self.store.unsynced.store(true, Ordering::Release);
        self.store.sync()?;
        for (index, stage) in staging {
            let chain_id = &self.layers[index].chain_id;
            let target = self.store.layer_dir(chain_id, &self.key);
            if self.replace.layers.contains(chain_id) && target.exists() {
                self.swap(stage, &target, self.replace.mounted.contains(chain_id))?;
                continue;
            }
            match stage.publish(&target) {
                // Another pull was quicker; its layer is the same.
                Err(e) if e.is_errno(libc::EEXIST) => {}
                other => other?,
            }
        }
        atomic::sync_dir(&self.store.paths.layers())
    }
}

impl Unpacker<'_> {
    /// Puts the new layer in the place of the old one in one step. The old one goes, unless it is mounted.
    fn swap(&self, stage: Staging, target: &Path, mounted: bool) -> Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, stage.path(), CWD, target, RenameFlags::EXCHANGE)
            .with_context(|| format!("replace {}", target.display()))?;
        if mounted {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let aside = format!("{name}{}{:08x}", super::layers::REPLACED, super::blobs::random()?);
            stage.publish(&target.with_file_name(aside))?;
        }
        Ok(())
    }
}
