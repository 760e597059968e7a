//! The container's end: where its files are, and the jobs that touch them.

use super::files::{Owner, Root};
use super::{Place, extract, pack};
use crate::engine::{Ctx, start};
use crate::error::{Context, Error, Result};
use crate::runtime::jobs::{RootFs, mount_root};
use crate::spec::model::{MountKind, Spec};
use crate::stage::{Work, WorkNs};
use crate::state::containers;
use crate::state::lock::Flock;
use crate::sys::rooted;
use crate::userns::IdMap;
use crate::volume;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The root that a container's paths begin at.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Where {
    /// The root directory of the running container.
    Running,
    /// The root of a stopped one.
    Stopped(RootFs),
    /// A volume or bind mount of a stopped one: a directory of the host.
    Mounted {
        source: PathBuf,
        /// Below a volume's files, which containers write: never to be joined to a path of the host.
        subpath: PathBuf,
    },
}

/// A path of a container.
pub(super) struct Located {
    at: Where,
    path: PathBuf,
    pid: i32,
    idmap: IdMap,
    /// A stopped container must not start meanwhile: two overlays on one directory corrupt it.
    _lock: Option<Flock>,
}

/// Finds `path` of the container `name`.
pub(super) fn locate(ctx: &Ctx, name: &str, path: &str) -> Result<Located> {
    let id = containers::resolve(&ctx.paths, name)?;
    // Relative paths begin at the root, as docker and podman have it.
    let path = Path::new("/").join(path);
    let mut lock = None;
    let mut container = containers::load(&ctx.paths, &id)?;
    if !runs(&container) {
        lock = Some(Flock::exclusive(&container.dir.lock())?);
        container = containers::load(&ctx.paths, &id)?;
    }
    container.sound()?;
    let spec: Spec = containers::load_spec(&ctx.paths, &id)?;
    let usual = IdMap::detect()?;
    if runs(&container) {
        return Ok(Located { at: Where::Running, path, pid: container.state.pid, idmap: usual, _lock: None });
    }
    let lowers = start::layers(ctx, &container, &spec, &usual)?;
    let (idmap, rootfs) = RootFs::of(&spec, &container.dir, &lowers, &usual)?;
    let (at, path) = match mounted(ctx, &spec, &path) {
        Some(found) => found,
        None => (Where::Stopped(rootfs), path),
    };
    Ok(Located { at, path, pid: 0, idmap, _lock: lock })
}

fn runs(container: &containers::Container) -> bool {
    container.alive && container.active() && container.state.pid > 0
}

/// The mount of a stopped container that `path` lies in, and the path in it.
fn mounted(ctx: &Ctx, spec: &Spec, path: &Path) -> Option<(Where, PathBuf)> {
    let inside = |m: &&crate::spec::model::Mount| path.starts_with(&m.destination);
    let mount = spec.mounts.iter().filter(inside).max_by_key(|m| m.destination.len())?;
    let (source, subpath) = match &mount.kind {
        MountKind::Bind { source } => (PathBuf::from(source), PathBuf::new()),
        MountKind::Volume { name, subpath, .. } => {
            // One in memory has no files now.
            let volume = volume::get(&ctx.paths, name).ok()?;
            (crate::engine::volume::files(ctx, &volume).ok()?, PathBuf::from(subpath))
        }
        _ => return None,
    };
    let rest = path.strip_prefix(&mount.destination).ok()?;
    // The trailing slash of `/data/` matters to the rules of cp, and `strip_prefix` takes it away.
    let text = path.to_string_lossy();
    let rest = match rest.as_os_str().is_empty() {
        true if text.ends_with("/.") => PathBuf::from("/."),
        true => PathBuf::from("/"),
        false => Path::new("/").join(rest),
    };
    source.exists().then_some((Where::Mounted { source, subpath }, rest))
}

#[derive(Serialize, Deserialize)]
struct PackRequest {
    at: Where,
    path: PathBuf,
    follow: bool,
    own_names: bool,
}

#[derive(Serialize, Deserialize)]
struct ExtractRequest {
    at: Where,
    path: PathBuf,
    /// `None`: a user's stream for the directory `path`.
    place: Option<Place>,
    owner: Owner,
}

fn ns(located: &Located) -> WorkNs<'_> {
    match located.at {
        Where::Running => WorkNs::Join { pid: located.pid },
        _ => WorkNs::New(&located.idmap),
    }
}

/// Starts to pack what is located into `out`; the answer is a list of notes.
pub(super) fn pack_job(from: &Located, follow: bool, own_names: bool, out: BorrowedFd<'_>) -> Result<Work> {
    let request = PackRequest { at: from.at.clone(), path: from.path.clone(), follow, own_names };
    Work::start("copy-out", ns(from), &request, &[out])
}

/// Starts to extract `input` at the located place; the answer is a list of notes.
pub(super) fn extract_job(to: &Located, place: Option<Place>, owner: Owner, input: BorrowedFd<'_>) -> Result<Work> {
    // The path may begin at a mount instead of the root.
    let place = place.map(|place| Place { path: to.path.clone(), ..place });
    let request = ExtractRequest { at: to.at.clone(), path: to.path.clone(), place, owner };
    Work::start("copy-in", ns(to), &request, &[input])
}

fn root(at: &Where) -> Result<Root> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Root::Inside(match at {
        Where::Running => rustix::fs::open("/", flags, Mode::empty()).context("open the container's root")?,
        Where::Stopped(rootfs) => mount_root(rootfs)?,
        Where::Mounted { source, subpath } => {
            let dir =
                rustix::fs::open(source, flags, Mode::empty()).with_context(|| format!("open {}", source.display()))?;
            if subpath.as_os_str().is_empty() {
                dir
            } else {
                rooted::open(dir.as_fd(), subpath, flags)
                    .with_context(|| format!("open {} in {}", subpath.display(), source.display()))?
            }
        }
    }))
}

fn only_fd(fds: Vec<OwnedFd>) -> Result<File> {
    fds.into_iter().next().map(File::from).ok_or_else(|| Error::bug("copy: the stream's descriptor is missing"))
}

/// Job `copy-out`.
pub fn copy_out(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let request: PackRequest = serde_json::from_value(request).context("read the request")?;
    crate::sys::signal::pipe_fails();
    let root = root(&request.at)?;
    let notes = pack::pack(&root, &request.path, request.follow, request.own_names, only_fd(fds)?)?;
    serde_json::to_value(notes).context("write the answer")
}

/// Job `copy-in`.
pub fn copy_in(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let request: ExtractRequest = serde_json::from_value(request).context("read the request")?;
    let root = root(&request.at)?;
    let input = only_fd(fds)?;
    let notes = match &request.place {
        Some(place) => extract::tree(&root, place, request.owner, input)?,
        None => extract::stream(&root, &request.path, request.owner, input)?,
    };
    serde_json::to_value(notes).context("write the answer")
}
