//! A child in namespaces that goes on with our program: no execve(2), which costs a static program of our size most of
//! a millisecond where the CPU's identification is emulated (virtual machines).

use super::clone::{BlockedSignals, MAX_FDS, Spawned, arrange, reap, write_map};
use crate::error::{Error, Result};
use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Of a child that is made below another user namespace; untouched pages of it cost nothing.
const STACK: usize = 1 << 20;

/// Everything about the child; see [`super::clone::Exec`].
#[derive(Clone, Copy, Debug)]
pub struct Fork<'a> {
    pub stdio: [Option<BorrowedFd<'a>>; 3],
    /// Become 3, 4, …; every other descriptor is closed.
    pub fds: &'a [BorrowedFd<'a>],
    /// CLONE_NEW* flags.
    pub namespaces: c_int,
    /// A user namespace entered before the clone, by a process in between that is gone when we return. With
    /// CLONE_NEWUSER the child's own is one below it.
    pub user_namespace: Option<BorrowedFd<'a>>,
    /// The uid_map and gid_map of the child's own below it, which only a process of the outer one may write
    /// (user_namespaces(7)). They are written when [`fork`] returns.
    pub maps: Option<[&'a CStr; 2]>,
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
    let mut entry = Some(entry);
    let mut child = || -> c_int {
        let ready = prepare(how);
        super::process::unblock_signals();
        entry.take().map_or(125, |entry| entry(ready))
    };
    let blocked = BlockedSignals::all();
    let cloned = match how.user_namespace {
        None => clone_here(how.namespaces, &mut child),
        Some(user) => clone_below(user, how, &mut child),
    };
    drop(blocked);
    cloned.map_err(|errno| Error::errno(errno, what))
}

fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn clone_here(namespaces: c_int, child: &mut dyn FnMut() -> c_int) -> std::result::Result<Spawned, c_int> {
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD | namespaces;
    // SAFETY: with a null stack clone(2) is fork(2): the child has a copy of our memory, and the only thread goes on in
    // it, so no lock is held by a thread that is gone.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    if pid == 0 {
        super::process::exit(child());
    }
    if pid < 0 {
        return Err(errno());
    }
    // SAFETY: the kernel stored a fresh descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid: pid as i32, pidfd })
}

/// What [`clone_below`] and the process in between share.
struct Between<'a, 'b> {
    user: c_int,
    namespaces: c_int,
    maps: Option<[&'a CStr; 2]>,
    child: &'a mut (dyn FnMut() -> c_int + 'b),
    pid: c_int,
    errno: c_int,
}

/// There is no way back from another user namespace, so a process that shares our memory goes there and makes the copy
/// of us, as our own child (CLONE_PARENT).
fn clone_below(
    user: BorrowedFd<'_>,
    how: &Fork<'_>,
    child: &mut dyn FnMut() -> c_int,
) -> std::result::Result<Spawned, c_int> {
    let stack = Stack::new()?;
    let (namespaces, maps) = (how.namespaces, how.maps);
    let mut shared = Between { user: user.as_raw_fd(), namespaces, maps, child, pid: -1, errno: 0 };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: `between` runs on a stack of its own that outlives it (CLONE_VFORK: we sleep until it ends) and touches
    // only `shared`. Signals are blocked by the caller.
    let pid = unsafe { libc::clone(between, stack.top(), flags, (&raw mut shared).cast()) };
    if pid < 0 {
        return Err(errno());
    }
    reap(pid);
    let Some(inner) = rustix::process::Pid::from_raw(shared.pid.max(0)) else { return Err(shared.errno) };
    if shared.errno != 0 {
        // Without its maps it is of no use.
        let _ = super::process::kill(shared.pid, libc::SIGKILL);
        reap(shared.pid);
        return Err(shared.errno);
    }
    // The child is ours and not waited for, so its pid can't have been reused.
    match rustix::process::pidfd_open(inner, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Spawned { pid: shared.pid, pidfd }),
        Err(e) => {
            let _ = super::process::kill(shared.pid, libc::SIGKILL);
            reap(shared.pid);
            Err(e.raw_os_error())
        }
    }
}

/// A mapping, because malloc(3) would keep more from then on.
struct Stack(*mut c_void);

impl Stack {
    fn new() -> std::result::Result<Stack, c_int> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at no address that anything else has.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), STACK, access, MapFlags::PRIVATE | MapFlags::STACK) };
        base.map(Stack).map_err(rustix::io::Errno::raw_os_error)
    }

    fn top(&self) -> *mut c_void {
        self.0.wrapping_byte_add(STACK)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: ours alone, and nothing runs on it any more.
        let _ = unsafe { rustix::mm::munmap(self.0, STACK) };
    }
}

extern "C" fn between(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the parent's `Between`, valid while it sleeps. The copy made here is like that of `clone_here`,
    // with this stack for its own.
    unsafe {
        let shared = &mut *arg.cast::<Between<'_, '_>>();
        if libc::setns(shared.user, libc::CLONE_NEWUSER) == 0 {
            let flags = libc::CLONE_PARENT | shared.namespaces;
            shared.pid = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as c_int;
            if shared.pid == 0 {
                super::process::exit((shared.child)());
            }
        }
        let mapped = |[uids, gids]: [&CStr; 2]| {
            write_map(shared.pid, c"/uid_map", uids) && write_map(shared.pid, c"/gid_map", gids)
        };
        if shared.pid < 0 || !shared.maps.is_none_or(mapped) {
            shared.errno = errno();
        }
    }
    0
}

/// In the child.
fn prepare(how: &Fork<'_>) -> Result<()> {
    let failed = |step: &str| Error::errno(errno(), step);
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
