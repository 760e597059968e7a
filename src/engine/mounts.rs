//! `mount` and `image mount`: files of images and containers as directories of the host, read-only.
//!
//! An ordinary user can mount only in a mount namespace of a user namespace of his own, so all of this works below
//! `unshare` alone. The mounts lie on a tmpfs that `unshare` mounts first: all is gone with its last process.

use super::{Ctx, start, tree};
use crate::error::{Context, Error, Result};
use crate::image::Store;
use crate::runtime::jobs::{RootFs, mount_view};
use crate::spec::model::Spec;
use crate::state::containers;
use crate::state::paths::Paths;
use crate::sys::mount;
use crate::userns::IdMap;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// What the tmpfs is called in /proc/self/mountinfo.
const SOURCE: &std::ffi::CStr = c"coracle-mounts";

/// Whose files are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Image,
    Container,
}

/// Something that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    pub of: Of,
    pub id: String,
    pub path: PathBuf,
}

/// Where things are mounted.
pub(super) fn directory(paths: &Paths) -> PathBuf {
    paths.run.join("mounts")
}

/// Prepares a mount namespace that is nobody else's.
pub(super) fn begin(directory: &Path) -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(SOURCE, directory, c"tmpfs", flags, Some(c"mode=700"))
        .with_context(|| format!("mount a tmpfs on {}", directory.display()))
}

/// The directory for mounts, if this is a process below `unshare`.
fn inside(ctx: &Ctx, what: &str) -> Result<PathBuf> {
    let dir = directory(&ctx.paths);
    if points().iter().any(|(at, source)| *at == dir && source == SOURCE.to_str().unwrap_or_default()) {
        return Ok(dir);
    }
    Err(Error::denied(format!("{what}: an ordinary user can't do that in the system's mount namespace"))
        .hint("run 'coracle unshare' first, and this command in it"))
}

/// Ids of the images that are mounted in this or another session of `unshare`. From within one, others can't be seen:
/// their namespaces are their own.
pub(super) fn mounted_images(paths: &Paths) -> HashSet<String> {
    let dir = directory(paths);
    let mut seen = HashSet::new();
    let mut found = HashSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let numeric = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
        // Processes share namespaces; those of other users can't be looked into, and have nothing of ours.
        let Some(namespace) = numeric.then(|| std::fs::read_link(entry.path().join("ns/mnt")).ok()).flatten() else {
            continue;
        };
        if !seen.insert(namespace) {
            continue;
        }
        let of = |path: PathBuf| path.strip_prefix(&dir).ok()?.to_str()?.strip_prefix("image-").map(String::from);
        found.extend(points_of(&entry.path()).into_iter().filter_map(|(path, _)| of(path)));
    }
    found
}

/// Mount points and sources of this process.
fn points() -> Vec<(PathBuf, String)> {
    points_of(Path::new("/proc/self"))
}

/// Mount points and sources of a process's mountinfo (proc(5)).
fn points_of(process: &Path) -> Vec<(PathBuf, String)> {
    let text = std::fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
    let point = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        Some((PathBuf::from(unescaped(left.split(' ').nth(4)?)), right.split(' ').nth(1)?.to_string()))
    };
    text.lines().filter_map(point).collect()
}

/// Blanks and the like are octal there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_string(), |t, (code, c)| t.replace(code, c))
}

/// Mounts the image's files; where it is mounted already, that place.
///
/// # Errors
/// `Denied` outside `unshare`, `NotFound`.
pub fn image(ctx: &Ctx, name: &str) -> Result<Mounted> {
    let dir = inside(ctx, "mount an image")?;
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let image = store.resolve(name)?;
    let at = Mounted { of: Of::Image, path: dir.join(format!("image-{}", image.id)), id: image.id.clone() };
    let lowers = || tree::layers(&store, &image, &IdMap::around()?);
    attach(at, || mount_view(&lowers()?, None)).with_context(|| format!("mount image {name}"))
}

/// Mounts the container's files; where they are mounted already, that place.
///
/// # Errors
/// `Denied` outside `unshare`, `NotFound`, `Unsupported` for a container with ids of its own that never ran.
pub fn container(ctx: &Ctx, name: &str) -> Result<Mounted> {
    let dir = inside(ctx, "mount a container")?;
    let id = containers::resolve(&ctx.paths, name)?;
    let container = containers::load(&ctx.paths, &id)?;
    container.sound()?;
    let at = Mounted { of: Of::Container, path: dir.join(format!("container-{id}")), id };
    let view = || {
        let spec: Spec = containers::load_spec(&ctx.paths, &at.id)?;
        let map = IdMap::around()?;
        let lowers = start::layers(ctx, &container, &spec, &map)?;
        let (_, root) = RootFs::of(&spec, &container.dir, &lowers, &map)?;
        root.view()
    };
    attach(at.clone(), view).with_context(|| format!("mount container {name}"))
}

fn attach(at: Mounted, view: impl FnOnce() -> Result<std::os::fd::OwnedFd>) -> Result<Mounted> {
    if points().iter().any(|(point, _)| *point == at.path) {
        return Ok(at);
    }
    let view = view()?;
    let named = || format!("make {}", at.path.display());
    match std::fs::create_dir(&at.path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e).with_context(named),
        _ => {}
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::open(&at.path, flags, Mode::empty()).with_context(named)?;
    mount::attach(view.as_fd(), target.as_fd()).with_context(|| format!("mount on {}", at.path.display()))?;
    Ok(at)
}

/// What is mounted.
pub fn list(ctx: &Ctx, of: Of) -> Result<Vec<Mounted>> {
    let dir = inside(ctx, "list mounts")?;
    let one = |(path, _): (PathBuf, String)| {
        let name = path.strip_prefix(&dir).ok()?.to_str()?;
        let (kind, id) = name.split_once('-')?;
        let kind = match kind {
            "image" => Of::Image,
            "container" => Of::Container,
            _ => return None,
        };
        Some(Mounted { of: kind, id: id.to_string(), path: path.clone() })
    };
    Ok(points().into_iter().filter_map(one).filter(|m| m.of == of).collect())
}

/// Unmounts; with `force` even while files are in use, for then they are let go of one by one.
///
/// # Errors
/// `NotFound` when it is not mounted; `Conflict` when it is in use.
pub fn unmount(ctx: &Ctx, of: Of, name: &str, force: bool) -> Result<Mounted> {
    let mounted = list(ctx, of)?;
    let id = match of {
        Of::Container => containers::resolve(&ctx.paths, name)?,
        Of::Image => match Store::open(&ctx.paths)?.lookup(name) {
            Ok(image) => image.id,
            // Removed meanwhile.
            Err(e) => mounted.iter().find(|m| m.id.starts_with(name)).map(|m| m.id.clone()).ok_or(e)?,
        },
    };
    let not = || Error::not_found(format!("unmount {name}: it is not mounted"));
    let at = mounted.into_iter().find(|m| m.id == id).ok_or_else(not)?;
    detach(&at, force).with_context(|| format!("unmount {name}"))?;
    Ok(at)
}

/// Unmounts one of [`list`].
pub fn detach(at: &Mounted, force: bool) -> Result<()> {
    let flags = if force { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    rustix::mount::unmount(&at.path, flags | UnmountFlags::NOFOLLOW).map_err(|e| match e {
        rustix::io::Errno::BUSY => {
            Error::conflict(format!("{} is in use", at.path.display())).hint("leave the directory, or use -f")
        }
        other => crate::error::IntoError::context(other, format!("unmount {}", at.path.display())),
    })?;
    let _ = std::fs::remove_dir(&at.path);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn mountinfo_escapes() {
        assert_eq!(super::unescaped(r"/a\040b\134c"), r"/a b\c");
    }
}
