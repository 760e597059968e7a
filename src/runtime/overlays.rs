//! Overlays over mounts (`-v …:O`), and images as mounts.

use super::jobs::remove_path;
use super::owned::Layers;
use super::plan::Writes;
use super::rootfs;
use crate::error::{Context, Error, Result};
use crate::sys::{mount, rooted};
use rustix::fs::{Gid, Mode, OFlags, Timespec, Timestamps, Uid, open, openat};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory `source` with `writes` over it, attached nowhere. `shown` is its name for messages.
pub fn over(source: BorrowedFd<'_>, writes: &Writes, shown: &Path) -> Result<OwnedFd> {
    let what = || format!("mount an overlay over {}", shown.display());
    let source = openat(source, ".", DIRECTORY, Mode::empty())
        .with_context(what)
        .map_err(|e| if e.is_errno(libc::ENOTDIR) { e.hint("only directories can have one") } else { e })?;
    prepare(source.as_fd(), writes).with_context(what)?;
    // By descriptor: its path is the host's or a container's, and may be changing.
    let lower = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
    mounted(&Layers { lowers: vec![lower], data: None }, writes).map_err(|e| {
        let refused = rootfs::refused(&e);
        let e = e.context(what());
        if refused { e.hint("the kernel or the file system does not allow it without privileges") } else { e }
    })
}

/// The root file system of the image with these layers, attached nowhere: read-only without `writes`.
fn root(layers: &Layers, writes: Option<&Writes>) -> Result<OwnedFd> {
    match (writes, layers.lowers.as_slice(), &layers.data) {
        (_, [], _) => Err(Error::user("the image has no files")),
        (Some(writes), [top, ..], _) => {
            let top = open(top, DIRECTORY, Mode::empty()).with_context(|| format!("open {}", top.display()))?;
            prepare(top.as_fd(), writes)?;
            mounted(layers, writes)
        }
        // The kernel makes no overlay of one directory, and it needs none.
        (None, [one], None) => {
            let dir = open(one, DIRECTORY, Mode::empty()).with_context(|| format!("open {}", one.display()))?;
            mount::clone_tree(dir.as_fd(), Path::new(""), false).context("mount its layer")
        }
        (None, lowers, data) => rootfs::read_only(lowers, data.as_deref()),
    }
}

/// What `subpath` (all of it, if empty) of the image is, attached nowhere. `place`: a path of ours to make a directory
/// for the moment at.
pub fn image(layers: &Layers, subpath: &str, writes: Option<&Writes>, place: &Path) -> Result<OwnedFd> {
    let root = root(layers, writes)?;
    if subpath.is_empty() {
        return Ok(root);
    }
    // A part of a mount can be cloned only where the mount is attached (before Linux 6.15).
    fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
    let at = open(place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context("open the place")?;
    mount::attach(root.as_fd(), at.as_fd()).context("attach the image")?;
    let part = rooted::open_path(root.as_fd(), Path::new(subpath))
        .with_context(|| format!("open {subpath} in the image"))
        .and_then(|part| mount::clone_tree(part.as_fd(), Path::new(""), false).context("clone a part of the image"));
    unmount(place, UnmountFlags::DETACH).context("detach the image")?;
    part
}

fn mounted(layers: &Layers, writes: &Writes) -> Result<OwnedFd> {
    let (root, attached) = rootfs::overlay(layers, &writes.upper, &writes.work, writes.fresh)?;
    if !attached {
        return Ok(root);
    }
    let tree = mount::clone_tree(root.as_fd(), Path::new(""), false).context("clone the overlay")?;
    unmount(&writes.upper, UnmountFlags::DETACH).context("detach the overlay")?;
    Ok(tree)
}

/// Makes (fresh ones: makes anew) the directories of an overlay; the upper one looks as `lower` does.
fn prepare(lower: BorrowedFd<'_>, writes: &Writes) -> Result<()> {
    if !writes.fresh {
        return Ok(());
    }
    for dir in [&writes.upper, &writes.work] {
        remove_path(dir)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(dir)
            .with_context(|| format!("make {}", dir.display()))?;
    }
    let stat = rustix::fs::fstat(lower).context("look at it")?;
    let upper = open(&writes.upper, DIRECTORY, Mode::empty()).context("open the overlay's directory")?;
    // An owner outside the map can't be given; what it has is right then.
    let _ = rustix::fs::fchown(&upper, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    rustix::fs::fchmod(&upper, Mode::from_raw_mode(stat.st_mode & 0o7777)).context("set its mode")?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ };
    let _ = rustix::fs::futimens(&upper, &Timestamps { last_access: time, last_modification: time });
    Ok(())
}
