//! A child in namespaces that goes on with our program: no execve(2), which costs a static program of our size most of
//! a millisecond where the CPU's identification is emulated (virtual machines).

use super::clone::{BlockedSignals, MAX_FDS, Spawned, arrange};
use crate::error::{Error, Result};
use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Everything about the child; see [`super::clone::Exec`].
#[derive(Clone, Copy, Debug)]
pub struct Fork<'a> {
    pub stdio: [Option<BorrowedFd<'a>>; 3],
    /// Become 3, 4, …; every other descriptor is closed.
    pub fds: &'a [BorrowedFd<'a>],
    /// CLONE_NEW* flags.
    pub namespaces: c_int,
    pub cgroup_procs: Option<BorrowedFd<'a>>,
    pub session: bool,
    pub death_signal: c_int,
}

/// Forks. The child runs `entry` with what became of its preparation and ends with the exit code that it returns; of
/// the descriptors that existed before, only 0 to 2 and those of `fds`, by their new numbers, may be used in it.
///
/// # Errors
/// EBUSY in a process with threads, and what clone(2) says. The child's own errors are `entry`'s to report.
pub fn fork(how: &Fork<'_>, entry: impl FnOnce(Result<()>) -> i32) -> Result<Spawned> {
    let what = "clone a process into namespaces";
    if how.fds.len() > MAX_FDS {
        return Err(Error::bug("hand over descriptors: too many"));
    }
    if !super::process::single_threaded() {
        return Err(Error::errno(libc::EBUSY, what));
    }
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD | how.namespaces;
    let blocked = BlockedSignals::all();
    // SAFETY: with a null stack clone(2) is fork(2): the child has a copy of our memory, and the only thread goes on in
    // it, so no lock is held by a thread that is gone.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    if pid == 0 {
        let ready = prepare(how);
        super::process::unblock_signals();
        let code = entry(ready);
        super::process::exit(code);
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    drop(blocked);
    if pid < 0 {
        return Err(Error::errno(errno, what));
    }
    // SAFETY: the kernel stored a fresh descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid: pid as i32, pidfd })
}

/// In the child.
fn prepare(how: &Fork<'_>) -> Result<()> {
    let failed = |step: &str| {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        Error::errno(errno, step)
    };
    // SAFETY: system calls on the child's own state. The descriptors that are closed belong to values of the parent's
    // frames below `fork`, which the child never returns to, so they are neither used nor closed again.
    unsafe {
        // The descriptors go first: a failure of the rest is reported through them.
        let above = 3 + how.fds.len() as c_int;
        let procs = how.cgroup_procs.map(|fd| libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, above));
        arrange(how.stdio, how.fds, -1).map_err(|()| failed("arrange file descriptors"))?;
        if let Some(procs) = procs
            && libc::write(procs, c"0".as_ptr().cast(), 1) < 0
        {
            return Err(failed("enter the cgroup"));
        }
        super::process::close_from(above).map_err(|e| Error::errno(e.raw_os_error(), "close file descriptors"))?;
        if how.death_signal != 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, how.death_signal as libc::c_ulong, 0, 0, 0);
        }
        if how.session && libc::setsid() < 0 {
            return Err(failed("start a session"));
        }
    }
    Ok(())
}
