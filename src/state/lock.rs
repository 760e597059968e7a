//! The two kinds of lock: flock for whoever changes an object, and the monitor's life lock.
//!
//! Both belong to the open file description, so the kernel releases them when the last process that holds it dies;
//! nothing has to be cleaned up after a crash or a reboot.

use crate::error::{Context, Error, Kind, Result};
use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// An flock(2) on a file or directory, released on drop.
#[derive(Debug)]
pub struct Flock {
    fd: OwnedFd,
}

impl Flock {
    /// Waits for the exclusive lock of the file `path`, which is made if its directory exists. `NotFound` when the
    /// object was removed meanwhile.
    pub fn exclusive(path: &Path) -> Result<Flock> {
        Self::file(path, FlockOperation::LockExclusive).and_then(|l| l.ok_or_else(|| gone(path)))
    }

    /// Waits for a shared lock.
    pub fn shared(path: &Path) -> Result<Flock> {
        Self::file(path, FlockOperation::LockShared).and_then(|l| l.ok_or_else(|| gone(path)))
    }

    /// The exclusive lock, or `None` when someone else has it.
    pub fn try_exclusive(path: &Path) -> Result<Option<Flock>> {
        match Self::file(path, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => Ok(lock),
            Err(e) if e.is_errno(libc::EWOULDBLOCK) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits for the exclusive lock of the directory `path` itself.
    pub fn dir(path: &Path) -> Result<Flock> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))?;
        loop {
            match rustix::fs::flock(&fd, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Flock { fd }),
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(crate::error::IntoError::context(e, format!("lock {}", path.display()))),
            }
        }
    }

    /// Locks the directory `path` itself, without waiting; `None` when someone else has it or it is gone.
    pub fn try_dir(path: &Path) -> Option<Flock> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Flock { fd })
    }

    fn file(path: &Path, operation: FlockOperation) -> Result<Option<Flock>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|e| {
            let kind = if e == rustix::io::Errno::NOENT { Kind::NotFound } else { Kind::Io };
            crate::error::IntoError::context(e, format!("open lock {}", path.display())).kind(kind)
        })?;
        loop {
            match rustix::fs::flock(&fd, operation) {
                Ok(()) => break,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(crate::error::IntoError::context(e, format!("lock {}", path.display()))),
            }
        }
        // The holder before us may have removed the object: then this lock protects nothing.
        Ok(same_file(&fd, path).then_some(Flock { fd }))
    }
}

impl AsFd for Flock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn gone(path: &Path) -> Error {
    Error::not_found(format!("lock {}: it was removed meanwhile", path.display()))
}

fn same_file(fd: &OwnedFd, path: &Path) -> bool {
    match (rustix::fs::fstat(fd), rustix::fs::stat(path)) {
        (Ok(a), Ok(b)) => a.st_dev == b.st_dev && a.st_ino == b.st_ino,
        _ => false,
    }
}

/// The life lock of a container (an open file description lock, fcntl(2)): the monitor holds it from start to finished
/// clean-up. Free = no monitor lives, so the state files may be repaired by a process that takes it.
#[derive(Debug)]
pub struct Life {
    fd: OwnedFd,
}

impl Life {
    /// Takes it for writing, waiting up to `patience`; `None` when a monitor keeps it.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Option<Life>> {
        let fd = open_life(path)?;
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(200);
        loop {
            match fcntl(&fd, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
                Ok(_) => return Ok(Some(Life { fd })),
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(crate::error::IntoError::context(e, format!("lock {}", path.display()))),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether somebody holds it. Takes nothing; a missing file (removed container) is held by nobody.
    pub fn held(path: &Path) -> Result<bool> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(false),
            Err(e) => return Err(crate::error::IntoError::context(e, format!("open {}", path.display()))),
        };
        Self::held_fd(&fd)
    }

    /// [`Life::held`] on an open file, which keeps its meaning when the container is removed.
    pub fn held_fd(fd: &OwnedFd) -> Result<bool> {
        let mut probe = whole_file(libc::F_WRLCK);
        fcntl(fd, FcntlArg::F_OFD_GETLK(&mut probe)).context("probe the life lock")?;
        Ok(i32::from(probe.l_type) != libc::F_UNLCK)
    }

    /// Opens the file for [`Life::held_fd`].
    pub fn probe(path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))
    }

    /// Waits until nobody holds it; false when `patience` ran out first. `None` waits for ever.
    pub fn wait(fd: &OwnedFd, patience: Option<Duration>) -> Result<bool> {
        let deadline = patience.map(|p| Instant::now() + p);
        let mut pause = Duration::from_micros(200);
        while Self::held_fd(fd)? {
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(true)
    }
}

impl AsFd for Life {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_life(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).with_context(|| format!("open {}", path.display()))
}

fn whole_file(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flock_excludes_and_notices_removal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Flock::exclusive(&path).unwrap();
        assert!(Flock::try_exclusive(&path).unwrap().is_none());
        drop(held);
        assert!(Flock::try_exclusive(&path).unwrap().is_some());
        let waiting = std::thread::spawn({
            let (path, held) = (path.clone(), Flock::exclusive(&path).unwrap());
            move || {
                std::thread::sleep(Duration::from_millis(30));
                std::fs::remove_file(path).unwrap();
                drop(held);
            }
        });
        let e = Flock::exclusive(&path).unwrap_err();
        assert_eq!(e.kind, Kind::NotFound);
        waiting.join().unwrap();
        assert_eq!(Flock::exclusive(&dir.path().join("no/lock")).unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn life_is_probed_without_taking_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("life");
        assert!(!Life::held(&path).unwrap());
        let life = Life::acquire(&path, Duration::ZERO).unwrap().unwrap();
        assert!(Life::held(&path).unwrap());
        assert!(Life::acquire(&path, Duration::from_millis(5)).unwrap().is_none());
        let probe = Life::probe(&path).unwrap();
        assert!(!Life::wait(&probe, Some(Duration::from_millis(5))).unwrap());
        drop(life);
        assert!(Life::wait(&probe, None).unwrap());
    }
}
