//! Paths inside a foreign root: openat2(2) with RESOLVE_IN_ROOT, so that no symlink or `..` of a container leaves it.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat2, readlinkat, statat};
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Opens `path` as a process whose root directory is `root` would. Magic links (/proc/PID/fd/N) are refused: they jump
/// out of any root. EAGAIN (a rename raced with `..`) is tried again.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    for _ in 0..64 {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens the place `path` in `root` (O_PATH), following symlinks.
pub fn open_path(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open(root, path, OFlags::PATH)
}

/// What [`ensure`] makes where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Dir,
    File,
}

/// Opens the place `path` in `root` (O_PATH), making what is missing: directories on the way (mode 0755) and the last
/// entry itself. Dangling symlinks are followed, inside the root. An existing entry is taken as it is.
pub fn ensure(root: BorrowedFd<'_>, path: &Path, want: Want) -> Result<OwnedFd> {
    match open_path(root, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let whole = canonical(root, path)?;
    let mut at = PathBuf::new();
    for name in &whole {
        let dir = open_path(root, &at)?;
        let path = at.join(name);
        match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) if path == whole && want == Want::File => make_file(dir.as_fd(), name)?,
            Err(Errno::NOENT) => match mkdirat(&dir, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        }
        at = path;
    }
    open_path(root, &at)
}

/// The path in `root`, without leading slash, that `path` leads to when all symlinks are followed, dangling ones too.
/// What is not there stays as it is written.
pub fn canonical(root: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    let mut queue: VecDeque<OsString> = components(path);
    let mut at = PathBuf::new();
    let mut links = 0;
    // From here on nothing exists.
    let mut missing = false;
    while let Some(name) = queue.pop_front() {
        if name == ".." {
            at.pop();
            missing = missing && matches!(open_path(root, &at), Err(Errno::NOENT));
            continue;
        }
        if missing {
            at.push(&name);
            continue;
        }
        let dir = open_path(root, &at)?;
        match statat(&dir, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = PathBuf::from(OsString::from_vec(readlinkat(&dir, name.as_os_str(), [])?.into_bytes()));
                if target.is_absolute() {
                    at = PathBuf::new();
                }
                for part in components(&target).into_iter().rev() {
                    queue.push_front(part);
                }
                continue;
            }
            Ok(_) => {}
            Err(Errno::NOENT) => missing = true,
            Err(e) => return Err(e),
        }
        at.push(&name);
    }
    Ok(at)
}

fn make_file(dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e),
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|c| match c {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
            _ => None,
        })
        .collect()
}

/// Reads a whole regular file of at most `limit` bytes inside `root`; EFBIG beyond, EINVAL for anything but a file.
pub fn read(root: BorrowedFd<'_>, path: &Path, limit: usize) -> Result<Vec<u8>> {
    // O_NONBLOCK: a fifo planted under the name must not hang us.
    let file = open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let mut content = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(limit) + 1);
    loop {
        if content.len() > limit {
            return Err(Errno::FBIG);
        }
        content.reserve(4096);
        if rustix::io::read(&file, rustix::buffer::spare_capacity(&mut content))? == 0 {
            return Ok(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let fd = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        (dir, fd)
    }

    #[test]
    fn makes_missing_places_inside_only() {
        let (dir, fd) = root();
        let p = dir.path();
        fs::create_dir(p.join("etc")).unwrap();
        symlink("/run/real", p.join("etc/abs")).unwrap();
        symlink("../../../../run/up", p.join("etc/up")).unwrap();
        symlink("abs2", p.join("etc/chain")).unwrap();
        symlink("/outside", p.join("etc/abs2")).unwrap();
        for (path, want, made) in [
            ("/a/b/c", Want::Dir, "a/b/c"),
            ("/a/file", Want::File, "a/file"),
            ("/etc/abs", Want::File, "run/real"),
            ("/etc/up/x", Want::File, "run/up/x"),
            ("/etc/chain", Want::Dir, "outside"),
            ("../../top", Want::Dir, "top"),
        ] {
            ensure(fd.as_fd(), Path::new(path), want).unwrap();
            let kind = fs::symlink_metadata(p.join(made)).unwrap().file_type();
            assert_eq!(kind.is_dir(), want == Want::Dir, "{path}");
        }
    }

    #[test]
    fn refuses_loops_and_foreign_kinds() {
        let (dir, fd) = root();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(ensure(fd.as_fd(), Path::new("/a/x"), Want::Dir).unwrap_err(), Errno::LOOP);
        fs::write(dir.path().join("file"), "x").unwrap();
        assert_eq!(ensure(fd.as_fd(), Path::new("/file/x"), Want::Dir).unwrap_err(), Errno::NOTDIR);
    }

    #[test]
    fn reads_bounded_regular_files() {
        let (dir, fd) = root();
        fs::write(dir.path().join("f"), vec![7u8; 5000]).unwrap();
        symlink("/f", dir.path().join("link")).unwrap();
        assert_eq!(read(fd.as_fd(), Path::new("link"), 5000).unwrap().len(), 5000);
        assert_eq!(read(fd.as_fd(), Path::new("f"), 4999).unwrap_err(), Errno::FBIG);
        assert_eq!(read(fd.as_fd(), Path::new("/"), 10).unwrap_err(), Errno::INVAL);
    }
}
