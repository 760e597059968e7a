//! Jobs of the `work` stage that other areas need, and the root of a stopped container.

use super::owned::Layers;
use super::{flat, fuse, rootfs};
use crate::error::{Context, Error, Result};
use crate::spec::model::Spec;
use crate::state::paths::ContainerDir;
use crate::userns::IdMap;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, RawDir, Uid, open, openat, statat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Request of `remove-tree`: deletes `path` and all below it, whoever of the mapped ids owns it. Answer: null. A path
/// that is not there is no error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveTree {
    pub path: PathBuf,
}

/// Request of `chown-tree`: gives `path` and all below it to `uid`:`gid` (ids inside the map). Answer: null.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChownTree {
    pub path: PathBuf,
    pub uid: u32,
    pub gid: u32,
}

/// The root file system of a stopped container, for jobs that need to see it ([`mount_root`]).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Empty with `rootfs`.
    pub layers: Layers,
    pub upper: PathBuf,
    pub work: PathBuf,
    /// `--rootfs DIR`, used in place.
    pub rootfs: Option<PathBuf>,
}

impl RootFs {
    /// The root of the container of `spec`, with the id map in which its job has to run. `lowers` (top-most first) are
    /// the layers as extracted under `idmap`, the user's usual one.
    pub fn of(spec: &Spec, dir: &ContainerDir, lowers: &[PathBuf], idmap: &IdMap) -> Result<(IdMap, RootFs)> {
        let map = super::launch::map_of(spec, idmap)?;
        let layers = super::owned::layers(lowers, idmap, &map)?;
        let rootfs = spec.root.rootfs.as_ref().map(PathBuf::from);
        Ok((map, RootFs { layers, upper: dir.upper(), work: dir.work(), rootfs }))
    }
}

impl RootFs {
    /// Whether the writable directory holds a whole root instead of what differs from the layers.
    pub fn is_whole(&self) -> bool {
        self.rootfs.is_some() || flat::is_flat(&self.work)
    }
}

impl RootFs {
    /// The container's files, read-only and attached nowhere, in the present namespaces. It may run: then what changes
    /// afterwards need not be seen.
    pub fn view(&self) -> Result<OwnedFd> {
        let whole = self.rootfs.clone().or_else(|| flat::is_flat(&self.work).then(|| self.upper.clone()));
        if let Some(dir) = whole {
            return mount_view(&[dir], None);
        }
        // Before the first start there is none.
        let upper = self.upper.is_dir().then(|| self.upper.clone());
        let lowers: Vec<PathBuf> = upper.into_iter().chain(self.layers.lowers.iter().cloned()).collect();
        mount_view(&lowers, self.layers.data.as_deref())
    }
}

/// The layers (top-most first) as one read-only tree, attached nowhere, in the present namespaces.
pub fn mount_view(lowers: &[PathBuf], data: Option<&Path>) -> Result<OwnedFd> {
    let read_only = u64::from(rustix::mount::MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    let view = match lowers {
        [] => crate::sys::mount::create("tmpfs", &[], 0).context("mount an empty directory")?,
        // An overlay has two at least.
        [one] if data.is_none() => {
            let dir = open(one, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .with_context(|| format!("open {}", one.display()))?;
            crate::sys::mount::clone_tree(dir.as_fd(), Path::new(""), false)
                .with_context(|| format!("mount {}", one.display()))?
        }
        _ => rootfs::read_only(lowers, data)?,
    };
    crate::sys::mount::set_attr(view.as_fd(), read_only, 0, 0, false).context("make the mount read-only")?;
    Ok(view)
}

/// Mounts a stopped container's root inside a job (`WorkNs::New`) and gives a descriptor of its root directory: gone
/// when the job ends. Use it with openat2(RESOLVE_IN_ROOT) (`sys::rooted`) only. Never while the container runs: two
/// overlays on one upper directory corrupt it.
pub fn mount_root(root: &RootFs) -> Result<OwnedFd> {
    let dir = match &root.rootfs {
        Some(dir) => open(dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open {}", dir.display()))?,
        None => {
            rootfs::prepare(&root.layers.lowers, &root.upper, &root.work)?;
            return stopped(root);
        }
    };
    open_dir(&dir)
}

/// The overlay, or what serves instead of it.
fn stopped(root: &RootFs) -> Result<OwnedFd> {
    if !flat::is_flat(&root.work) {
        match rootfs::overlay(&root.layers, &root.upper, &root.work, false) {
            Ok((mounted, _)) => return open_dir(&mounted),
            Err(e) if !rootfs::refused(&e) => return Err(e),
            Err(_) => {}
        }
        let request = fuse::Request {
            layers: root.layers.clone(),
            upper: root.upper.clone(),
            work: root.work.clone(),
            volatile: false,
            at: rootfs::mount_point(&root.upper)?,
        };
        // We are in the right namespaces already; it dies with us.
        if let Ok(at) = fuse::here(&request) {
            return open_dir(&at);
        }
    }
    open_dir(&flat::root(&root.layers.lowers, &root.upper, &root.work)?)
}

fn open_dir(dir: &OwnedFd) -> Result<OwnedFd> {
    openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).context("open the root")
}

fn decode<T: serde::de::DeserializeOwned>(request: Value) -> Result<T> {
    serde_json::from_value(request).context("decode the job's request")
}

/// Job `remove-tree`.
pub fn remove_tree(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let RemoveTree { path } = decode(request)?;
    remove_path(&path)?;
    Ok(Value::Null)
}

/// Deletes `path` and all below it; it need not be there.
pub(super) fn remove_path(path: &Path) -> Result<()> {
    let what = || format!("remove {}", path.display());
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::bug(what()));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.with_context(what)?,
    };
    let name = crate::stage::spawn::cstring(std::os::unix::ffi::OsStrExt::as_bytes(name))?;
    remove_entry(parent.as_fd(), &name).with_context(what)
}

/// Removes one entry with everything below; what is gone already is fine. Depth costs one descriptor per level only.
pub(super) fn remove_entry(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    let child =
        openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    // Names first: deleting while reading is allowed, but repeats on some file systems.
    loop {
        let names = names_of(child.as_fd(), 4096)?;
        if names.is_empty() {
            break;
        }
        for name in &names {
            remove_entry(child.as_fd(), name)?;
        }
    }
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Up to about `limit` entries of a directory, from its start.
fn names_of(dir: BorrowedFd<'_>, limit: usize) -> rustix::io::Result<Vec<CString>> {
    rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut entries = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
        if names.len() >= limit {
            break;
        }
    }
    Ok(names)
}

/// Job `chown-tree`.
pub fn chown_tree(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let ChownTree { path, uid, gid } = decode(request)?;
    let what = || format!("change the owner of {}", path.display());
    let root = open(&path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).with_context(what)?;
    chown_all(root.as_fd(), uid, gid).with_context(what)?;
    Ok(Value::Null)
}

/// Gives `place` and, if it is a directory, everything below it on the same file system to `uid`:`gid`. Entries that
/// are theirs already are not touched, so a second pass is quick and changes no ctime.
pub(super) fn chown_all(place: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    let stat = statat(place, "", AtFlags::EMPTY_PATH).context("look at it")?;
    chown_one(place, c"", uid, gid, &stat).context("change its owner")?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(place, ".", flags, Mode::empty()).context("read it")?;
    chown_below(dir, uid, gid, stat.st_dev)
}

fn chown_one(dir: BorrowedFd<'_>, name: &CStr, uid: u32, gid: u32, stat: &rustix::fs::Stat) -> rustix::io::Result<()> {
    if stat.st_uid == uid && stat.st_gid == gid {
        return Ok(());
    }
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
    // chown(2) takes the set-id bits away.
    if stat.st_mode & 0o6000 != 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    Ok(())
}

fn chown_below(dir: OwnedFd, uid: u32, gid: u32, device: u64) -> Result<()> {
    for entry in Dir::read_from(&dir).context("read a directory")? {
        let entry = entry.context("read a directory")?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let what = || format!("change the owner of {}", name.to_string_lossy());
        let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other.with_context(what)?,
        };
        if stat.st_dev != device {
            continue;
        }
        chown_one(dir.as_fd(), name, uid, gid, &stat).with_context(what)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let child = openat(&dir, name, flags, Mode::empty()).with_context(what)?;
            chown_below(child, uid, gid, device).with_context(|| name.to_string_lossy().into_owned())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn removes_deep_and_wide_trees() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        let mut deep = top.clone();
        for _ in 0..100 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        for n in 0..5000 {
            fs::write(top.join(format!("f{n}")), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc", top.join("link")).unwrap();
        let request = serde_json::to_value(RemoveTree { path: top.clone() }).unwrap();
        remove_tree(request.clone(), Vec::new()).unwrap();
        assert!(!top.exists());
        assert!(fs::metadata("/etc").is_ok());
        remove_tree(request, Vec::new()).unwrap();
    }

    #[test]
    fn chown_to_the_present_owner_changes_nothing() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/f"), "").unwrap();
        let before = fs::metadata(dir.path().join("sub/f")).unwrap();
        let request = ChownTree { path: dir.path().into(), uid: before.uid(), gid: before.gid() };
        chown_tree(serde_json::to_value(request).unwrap(), Vec::new()).unwrap();
        let after = fs::metadata(dir.path().join("sub/f")).unwrap();
        assert_eq!((before.ctime(), before.ctime_nsec()), (after.ctime(), after.ctime_nsec()));
    }
}
