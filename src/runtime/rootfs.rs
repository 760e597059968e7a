//! The root file system: layers below a writable directory.

use crate::error::{Context, Error, Result};
use crate::sys::mount;
use rustix::fs::{AtFlags, Mode, OFlags, open};
use rustix::mount::{FsOpenFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsopen};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes the writable directory and the kernel's scratch directory of an overlay where they are missing. The root
/// directory of a container has the owner and mode that its top-most layer gives it.
pub fn prepare(lowers: &[PathBuf], upper: &Path, work: &Path) -> Result<()> {
    if !work.exists() {
        let made = fs::DirBuilder::new().mode(0o700).create(work);
        made.with_context(|| format!("make {}", work.display()))?;
    }
    if upper.exists() {
        return Ok(());
    }
    fs::DirBuilder::new().mode(0o755).create(upper).with_context(|| format!("make {}", upper.display()))?;
    if let Some(meta) = lowers.first().and_then(|dir| fs::symlink_metadata(dir).ok()) {
        // An owner outside the map can't be given; root's is right then.
        let _ = std::os::unix::fs::chown(upper, Some(meta.uid()), Some(meta.gid()));
        let mode = fs::Permissions::from_mode(meta.permissions().mode() & 0o7777);
        fs::set_permissions(upper, mode).with_context(|| format!("set the mode of {}", upper.display()))?;
    }
    Ok(())
}

/// Mounts the overlay and gives its root. With the old mount(2) it is attached at `upper`; otherwise nowhere yet: the
/// flag says whether it is attached.
pub fn overlay(lowers: &[PathBuf], upper: &Path, work: &Path, volatile: bool) -> Result<(OwnedFd, bool)> {
    if lowers.is_empty() {
        // An image without layers is an empty directory.
        let dir = open(upper, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context("open the empty root")?;
        return Ok((mount::clone_tree(dir.as_fd(), Path::new(""), false).context("mount the empty root")?, false));
    }
    // Left by a volatile mount whose machine or container died; refused by the kernel until it is gone
    // (Documentation/filesystems/overlayfs.rst, "Volatile mount"). Whoever removes nothing of a volatile container
    // after a crash would do so here, and these are all --rm ones.
    let _ = fs::remove_dir(work.join("work/incompat/volatile"));
    match by_fsopen(lowers, upper, work, volatile) {
        Ok(root) => Ok((root, false)),
        // Linux before 6.8 knows no `lowerdir+`.
        Err(e) if e.is_errno(libc::EINVAL) => Ok((by_mount(lowers, upper, work, volatile)?, true)),
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

fn by_fsopen(lowers: &[PathBuf], upper: &Path, work: &Path, volatile: bool) -> Result<OwnedFd> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("open the overlay file system")?;
    let configure = || {
        fsconfig_set_string(fs.as_fd(), "source", "overlay")?;
        fsconfig_set_flag(fs.as_fd(), "userxattr")?;
        for lower in lowers {
            fsconfig_set_string(fs.as_fd(), "lowerdir+", lower.as_path())?;
        }
        fsconfig_set_string(fs.as_fd(), "upperdir", escaped(upper))?;
        fsconfig_set_string(fs.as_fd(), "workdir", escaped(work))?;
        if volatile {
            fsconfig_set_flag(fs.as_fd(), "volatile")?;
        }
        fsconfig_create(fs.as_fd())?;
        mount::from_context(fs.as_fd(), 0)
    };
    configure().map_err(|e| {
        let error = Error::errno(e.raw_os_error(), format!("mount the overlay of {}", upper.display()));
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
