//! Layers as another id map sees them (`--userns keep-id`).
//!
//! An extracted layer belongs to the ids of the usual map. Under a map that arranges the same ids differently its
//! owners would be wrong, and an unprivileged user can't make idmapped mounts of the host's file systems. So the
//! layers of an image get, once per map, a common *skeleton*: directories, links and empty files that carry owners,
//! modes and attributes, and lead (`user.overlay.metacopy`, `user.overlay.redirect`) to the file's content in its
//! layer, which the overlay gets as a data-only lower. It costs metadata only. It is one for all layers because the
//! kernel follows such a lead from the lowest layer only ("refusing to follow metacopy origin"). Kernels that refuse
//! data-only layers without privilege (before 6.16) get a copy of each layer instead, by reflink where the file system
//! has it.
//!
//! The redirect starts with the layer's own directory name and the data-only lower is the directory of all layers, so
//! every file has one address, whatever upper layers cover. An overlay's layers may not contain each other: hence
//! `views/` stands beside `layers/`, not below. A view whose layer is gone goes when the next one is made.

use super::reown::{self, Reown};
use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use crate::userns::{IdMap, Level};
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags, flock, open};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Name of the job that makes one layer's skeleton or copy.
pub const JOB: &str = "own-layer";

/// The lower directories of an overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Top-most first.
    pub lowers: Vec<PathBuf>,
    /// The directory that skeletons lead to.
    pub data: Option<PathBuf>,
}

/// What a view is made of; kept with it, so that it can be made once more to compare.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// Top-most first: all layers of an image for a skeleton, one for a copy.
    layers: Vec<PathBuf>,
    kind: Kind,
    /// Directory to make beside the top-most layer.
    name: String,
    usual: IdMap,
    pub(super) map: IdMap,
}

impl Request {
    pub(super) fn is_copy(&self) -> bool {
        self.kind == Kind::Copy
    }
}

/// The file with the [`Request`] in a view's directory.
pub(super) const REQUEST: &str = "request.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Skeleton,
    Copy,
}

impl Kind {
    /// The directory's name.
    fn name(self) -> &'static str {
        match self {
            // The number keeps views of another form from being taken for this one.
            Kind::Skeleton => "skeleton-2",
            Kind::Copy => "copy",
        }
    }
}

/// The layers `lowers` (extracted under the map `usual`) for containers with the map `map`; makes what is missing, which
/// takes time at the first use of a map.
pub fn layers(lowers: &[PathBuf], usual: &IdMap, map: &IdMap) -> Result<Layers> {
    let same = usual.uids == map.uids && usual.gids == map.gids;
    // With one id there is nothing to rearrange: all files are the user's, whatever he is called inside.
    if same || map.level != Level::Full {
        return Ok(Layers { lowers: lowers.to_vec(), data: None });
    }
    let text = format!("{:?} {:?}", map.uids, map.gids);
    let hash = Sha256::digest(text.as_bytes());
    let name: String = "as-"
        .chars()
        .chain(hash.iter().take(8).flat_map(|b| format!("{b:02x}").into_bytes()).map(char::from))
        .collect();
    let Some(top) = lowers.first() else { return Ok(Layers::default()) };
    let data = top.parent().and_then(Path::parent).map(Path::to_path_buf);
    let request = |layers: &[PathBuf], kind| {
        // Made here, it belongs to the user, who can move it away without the job's map.
        if let Some(home) = layers.first().and_then(|top| home(top)) {
            crate::state::atomic::make_dirs(&home)?;
        }
        let name = name.clone();
        Work::start(
            JOB,
            WorkNs::New(map),
            &Request { layers: layers.to_vec(), kind, name, usual: usual.clone(), map: map.clone() },
            &[],
        )
    };
    let what = "prepare a layer for the container's id map";
    if let Some(dir) = find(top, &name, Kind::Skeleton) {
        return Ok(Layers { lowers: vec![dir], data });
    }
    let missing: Vec<&PathBuf> = lowers.iter().filter(|layer| find(layer, &name, Kind::Copy).is_none()).collect();
    if !missing.is_empty() && map.is_around() {
        // Its ids are in no namespace that could be made here.
        return Err(Error::unsupported("prepare a layer for another id map within a user namespace")
            .hint("start a container with that map outside first"));
    }
    if !missing.is_empty() && request(lowers, Kind::Skeleton)?.finish::<bool>().context(what)? {
        let dir = find(top, &name, Kind::Skeleton).ok_or_else(|| Error::bug(format!("{what}: it is not there")))?;
        return Ok(Layers { lowers: vec![dir], data });
    }
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
    for batch in missing.chunks(workers) {
        let running = batch.iter().map(|layer| request(std::slice::from_ref(*layer), Kind::Copy));
        for work in running.collect::<Result<Vec<_>>>()? {
            work.finish::<bool>().context(what)?;
        }
    }
    let copies = lowers.iter().map(|layer| {
        find(layer, &name, Kind::Copy)
            .ok_or_else(|| Error::bug(format!("prepare {}: it is not there", layer.display())))
    });
    Ok(Layers { lowers: copies.collect::<Result<_>>()?, data: None })
}

/// `views/LAYER` for the layer at `layers/LAYER/diff`.
fn home(layer: &Path) -> Option<PathBuf> {
    let dir = layer.parent()?;
    Some(dir.parent()?.parent()?.join("views").join(dir.file_name()?))
}

/// The finished directory for the map named `name`.
fn find(layer: &Path, name: &str, kind: Kind) -> Option<PathBuf> {
    Some(home(layer)?.join(name).join(kind.name())).filter(|dir| dir.is_dir())
}

/// The job: as root of the new map. The answer tells whether this kernel takes what was asked for; if so, it is there.
pub fn job(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let request: Request = serde_json::from_value(request).context("decode the job's request")?;
    let Some(top) = request.layers.first() else { return Err(Error::bug("prepare no layer")) };
    let what = || format!("prepare {} for another id map", top.display());
    let home = home(top).ok_or_else(|| Error::bug(what()))?;
    let base = home.join(&request.name);
    fs::create_dir_all(&home).with_context(what)?;
    let lock = lock(&home)?;
    if find(top, &request.name, request.kind).is_some() {
        return Ok(Value::Bool(true));
    }
    sweep(&home);
    let draft = home.join(format!("{}.draft", request.name));
    super::jobs::remove_path(&draft)?;
    fs::create_dir(&draft).with_context(what)?;
    if request.kind == Kind::Skeleton && !data_only_works(&draft) {
        super::jobs::remove_path(&draft)?;
        return Ok(Value::Bool(false));
    }
    super::jobs::remove_path(&base)?;
    make(&request, &draft)?;
    let text = serde_json::to_vec(&request).with_context(what)?;
    fs::write(draft.join(REQUEST), text).with_context(what)?;
    // Power loss must not leave half a layer under the final name.
    rustix::fs::syncfs(&lock).with_context(what)?;
    rustix::fs::renameat_with(rustix::fs::CWD, &draft, rustix::fs::CWD, &base, RenameFlags::NOREPLACE)
        .with_context(what)?;
    Ok(Value::Bool(true))
}

/// Several containers may start at once: one works, the others find it done.
pub(super) fn lock(home: &Path) -> Result<OwnedFd> {
    let what = || format!("lock {}", home.display());
    let lock = open(home, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).with_context(what)?;
    flock(&lock, FlockOperation::LockExclusive).with_context(what)?;
    Ok(lock)
}

/// Makes the view in the directory `draft`; returns where.
pub(super) fn make(request: &Request, draft: &Path) -> Result<PathBuf> {
    let target = draft.join(request.kind.name());
    fs::create_dir(&target).with_context(|| format!("make {}", target.display()))?;
    for layer in request.layers.iter().rev() {
        let prefix = match (request.kind, layer.parent().and_then(Path::file_name), layer.file_name()) {
            (Kind::Skeleton, Some(dir), Some(diff)) => Some(Path::new("/").join(dir).join(diff)),
            _ => None,
        };
        let mut walk = Reown::new(&request.usual, &request.map, prefix);
        if request.kind == Kind::Skeleton {
            walk = walk.merging();
        }
        walk.tree(layer, &target).with_context(|| format!("prepare {} for another id map", layer.display()))?;
    }
    Ok(target)
}

/// Removes the views of layers that are no more.
fn sweep(home: &Path) {
    let Some(views) = home.parent() else { return };
    let layers = views.with_file_name("layers");
    for entry in fs::read_dir(views).into_iter().flatten().flatten() {
        if !layers.join(entry.file_name()).exists() {
            // The next pass gets what is left.
            let _ = super::jobs::remove_path(&entry.path());
        }
    }
}

/// Whether this kernel follows a skeleton: asked by mounting one.
fn data_only_works(scratch: &Path) -> bool {
    let probe = || -> Result<bool> {
        let [top, data] = ["top", "data"].map(|name| scratch.join(name));
        for dir in [&top, &data] {
            fs::create_dir(dir).context("make a probe")?;
        }
        fs::write(data.join("real"), "content").context("make a probe")?;
        fs::write(top.join("name"), "").context("make a probe")?;
        let file = fs::OpenOptions::new().write(true).open(top.join("name")).context("make a probe")?;
        file.set_len(7).context("make a probe")?;
        reown::lead(&file, Path::new("/real")).context("make a probe")?;
        let root = super::rootfs::read_only(std::slice::from_ref(&top), Some(&data))?;
        let text =
            crate::sys::rooted::read(std::os::fd::AsFd::as_fd(&root), Path::new("name"), 64).context("read a probe")?;
        for dir in [&top, &data] {
            super::jobs::remove_path(dir)?;
        }
        Ok(text == b"content")
    };
    let works = probe().unwrap_or(false);
    for name in ["top", "data"] {
        let _ = super::jobs::remove_path(&scratch.join(name));
    }
    works
}
