//! The root file system: layers below a writable directory.

use super::owned::Layers;
use crate::error::{Context, Error, Result};
use crate::state::hook;
use crate::sys::mount;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, open};
use rustix::mount::{FsOpenFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsopen};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes the writable directory and the kernel's scratch directory of an overlay where they are missing, and before the
/// first mount gives the container's root directory the owner and mode that its top-most layer has.
pub fn prepare(lowers: &[PathBuf], upper: &Path, work: &Path) -> Result<()> {
    for (dir, mode) in [(work, 0o700), (upper, 0o755)] {
        match fs::DirBuilder::new().mode(mode).create(dir) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.with_context(|| format!("make {}", dir.display()))?,
        }
    }
    // The kernel's own directory in it is there from the first mount on; later `chmod /` of the container counts.
    if work.join("work").symlink_metadata().is_ok() {
        return Ok(());
    }
    let model = lowers.first().and_then(|dir| fs::symlink_metadata(dir).ok());
    let (uid, gid, mode) = match &model {
        Some(meta) => (meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777),
        None => (0, 0, 0o755),
    };
    // An owner outside the map can't be given; what it has is right then.
    let _ = std::os::unix::fs::chown(upper, Some(uid), Some(gid));
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(upper, mode).with_context(|| format!("set the mode of {}", upper.display()))?;
    if let Some(meta) = model {
        let time = Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        // Only for looks: a root directory as old as the image says.
        let _ = rustix::fs::utimensat(rustix::fs::CWD, upper, &times, AtFlags::empty());
    }
    Ok(())
}

/// Mounts the overlay and gives its root. With the old mount(2) it is attached at `upper`; otherwise nowhere yet: the
/// flag says whether it is attached.
pub fn overlay(layers: &Layers, upper: &Path, work: &Path, volatile: bool) -> Result<(OwnedFd, bool)> {
    let lowers = &layers.lowers;
    if lowers.is_empty() {
        // An image without layers is an empty directory.
        let dir = open(upper, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context("open the empty root")?;
        return Ok((mount::clone_tree(dir.as_fd(), Path::new(""), false).context("mount the empty root")?, false));
    }
    // Left by a volatile mount whose machine or container died; refused by the kernel until it is gone
    // (Documentation/filesystems/overlayfs.rst, "Volatile mount"). Whoever removes nothing of a volatile container
    // after a crash would do so here, and these are all --rm ones.
    let _ = fs::remove_dir(work.join("work/incompat/volatile"));
    match by_fsopen(layers, Some((upper, work)), volatile) {
        Ok(root) => Ok((root, false)),
        // Linux before 6.8 knows no `lowerdir+`.
        Err(e) if e.is_errno(libc::EINVAL) && layers.data.is_none() => {
            Ok((by_mount(lowers, upper, work, volatile)?, true))
        }
        Err(e) => Err(e),
    }
}

/// Backslashes are escapes in upperdir and workdir, and only there.
fn escaped(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) if text.contains('\\') => text.replace('\\', "\\\\").into(),
        _ => path.into(),
    }
}

/// Whether the error of [`overlay`] means that this kernel or file system does not do it, so that something else may.
pub fn refused(error: &Error) -> bool {
    let codes = [libc::EINVAL, libc::EPERM, libc::ENODEV, libc::EOPNOTSUPP, libc::ENOSYS, libc::EACCES];
    error.errno.is_some_and(|e| codes.contains(&e))
}

/// A directory beside `upper` to mount on.
pub fn mount_point(upper: &Path) -> Result<PathBuf> {
    let at = upper.with_file_name("merged");
    match fs::create_dir(&at) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(at),
        other => other.map(|()| at).context("make a mount point for the root"),
    }
}

/// A read-only overlay of `lowers` (top-most first), attached nowhere.
pub fn read_only(lowers: &[PathBuf], data: Option<&Path>) -> Result<OwnedFd> {
    by_fsopen(&Layers { lowers: lowers.to_vec(), data: data.map(Path::to_path_buf) }, None, false)
}

fn by_fsopen(layers: &Layers, write: Option<(&Path, &Path)>, volatile: bool) -> Result<OwnedFd> {
    if hook::without("overlay") {
        return Err(Error::errno(libc::EPERM, "mount the overlay"));
    }
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("open the overlay file system")?;
    let configure = || {
        fsconfig_set_string(fs.as_fd(), "source", "overlay")?;
        fsconfig_set_flag(fs.as_fd(), "userxattr")?;
        for lower in &layers.lowers {
            fsconfig_set_string(fs.as_fd(), "lowerdir+", lower.as_path())?;
        }
        if let Some(data) = &layers.data {
            fsconfig_set_string(fs.as_fd(), "datadir+", data.as_path())?;
        }
        if let Some((upper, work)) = write {
            fsconfig_set_string(fs.as_fd(), "upperdir", escaped(upper))?;
            fsconfig_set_string(fs.as_fd(), "workdir", escaped(work))?;
        }
        if volatile {
            fsconfig_set_flag(fs.as_fd(), "volatile")?;
        }
        fsconfig_create(fs.as_fd())?;
        mount::from_context(fs.as_fd(), 0)
    };
    configure().map_err(|e| {
        let place = write.map_or_else(String::new, |(upper, _)| format!(" of {}", upper.display()));
        let error = Error::errno(e.raw_os_error(), format!("mount the overlay{place}"));
        match mount::log_of(fs.as_fd()) {
            Some(log) => error.hint(format!("the kernel says: {log}")),
            None => error,
        }
    })
}

fn by_mount(lowers: &[PathBuf], upper: &Path, work: &Path, volatile: bool) -> Result<OwnedFd> {
    // One page holds all options, so layers go in by descriptor: 17 bytes each, and no escapes.
    let dir = |path: &Path| {
        open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open {}", path.display()))
    };
    let fds = lowers.iter().map(|l| dir(l)).collect::<Result<Vec<_>>>()?;
    let (upper_fd, work_fd) = (dir(upper)?, dir(work)?);
    let list: Vec<String> = fds.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect();
    let mut options = format!(
        "userxattr,lowerdir={},upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{}",
        list.join(":"),
        upper_fd.as_raw_fd(),
        work_fd.as_raw_fd()
    );
    if volatile {
        options.push_str(",volatile");
    }
    let data = crate::stage::spawn::cstring(options)?;
    rustix::mount::mount("overlay", upper, "overlay", MountFlags::empty(), Some(data.as_c_str()))
        .with_context(|| format!("mount the overlay of {}", upper.display()))?;
    dir(upper)
}

/// Whether `path` is a directory; `None` if it can't be told.
pub fn is_dir(fd: &OwnedFd) -> Result<bool> {
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH).context("look at a mount's source")?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
}
