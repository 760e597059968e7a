//! A process that does nothing but keep a new user namespace there.

use super::clone::{BlockedSignals, reap};
use crate::error::{Error, Result};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

/// The holder makes four system calls.
const STACK: usize = 16 << 10;

/// The first process of a new user namespace. It sleeps until this is dropped, or our thread ends.
#[derive(Debug)]
pub struct Holder {
    /// Whose id maps are to be written.
    pub pid: i32,
    pidfd: OwnedFd,
    /// What it sleeps on.
    _stack: Box<[MaybeUninit<u128>]>,
}

impl Holder {
    /// Makes the namespace.
    ///
    /// # Errors
    /// What clone(2) says of CLONE_NEWUSER.
    pub fn new() -> Result<Holder> {
        let mut stack: Box<[MaybeUninit<u128>]> = Box::new_uninit_slice(STACK / 16);
        let mut pidfd: c_int = -1;
        let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_NEWUSER | libc::SIGCHLD;
        let parent = std::process::id() as usize;
        let blocked = BlockedSignals::all();
        // SAFETY: the child shares our memory while we go on (no page tables to copy): it touches nothing but its own
        // stack, which we keep until it is reaped, and makes raw system calls that leave our errno alone.
        let (pid, errno) = unsafe {
            let top = stack.as_mut_ptr_range().end.cast();
            let none = std::ptr::null_mut::<c_void>();
            let pid = libc::clone(sleep, top, flags, parent as *mut c_void, &raw mut pidfd, none, none);
            (pid, *libc::__errno_location())
        };
        drop(blocked);
        if pid < 0 {
            return Err(Error::errno(errno, "clone a process into namespaces"));
        }
        // SAFETY: the kernel stored a fresh descriptor that nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Holder { pid, pidfd, _stack: stack })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = super::process::pidfd_kill(self.pidfd.as_fd(), libc::SIGKILL);
        reap(self.pid);
    }
}

/// The holder's program. All signals but SIGKILL are blocked. rustix and `syscalls` do without libc and its errno.
extern "C" fn sleep(parent: *mut c_void) -> c_int {
    let parent = parent as usize as i32;
    let kill = rustix::process::Signal::KILL;
    let _ = rustix::process::set_parent_process_death_signal(Some(kill));
    // SAFETY: this process owns its copy of the descriptor table and uses none of it.
    let _ = unsafe { syscalls::syscall!(syscalls::Sysno::close_range, 0, u32::MAX, 0) };
    // We may have died before that took hold.
    while rustix::process::getppid().is_some_and(|p| p.as_raw_nonzero().get() == parent) {
        rustix::event::pause();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(pid: &str) -> Option<std::path::PathBuf> {
        std::fs::read_link(format!("/proc/{pid}/ns/user")).ok()
    }

    #[test]
    fn keeps_a_namespace_until_dropped() {
        let holder = Holder::new().unwrap();
        let pid = holder.pid.to_string();
        let held = namespace(&pid).unwrap();
        assert_ne!(held, namespace("self").unwrap());
        // It sleeps, with no descriptor of ours.
        let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(usize::MAX, Iterator::count);
        for _ in 0..1000 {
            if open() == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!((open(), namespace(&pid)), (0, Some(held)));
        drop(holder);
        assert_eq!(namespace(&pid), None);
    }
}
