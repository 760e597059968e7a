//! Clone and execute in one step, with namespaces: `posix_spawn(3)` for containers.
//!
//! The child shares our memory and we sleep until it executes (CLONE_VM | CLONE_VFORK): no page tables are copied, and
//! the child can leave the failed step and its errno where we read them. Until execve(2) it makes raw system calls on
//! data prepared by the parent: no allocation, no locks, no destructors.

use crate::error::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What to execute.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    Path(&'a CStr),
    Fd(BorrowedFd<'a>),
    /// The file `path` through a read-only mount that exists nowhere else (needs CLONE_NEWNS or a joined mount
    /// namespace of ours, Linux 5.12): nobody can write to it through /proc/PID/exe. Must still be the inode given.
    Detached {
        path: &'a CStr,
        device: u64,
        inode: u64,
    },
}

/// Everything about the child.
#[derive(Clone, Copy, Debug)]
pub struct Exec<'a> {
    pub program: Program<'a>,
    pub argv: &'a [CString],
    pub env: &'a [CString],
    /// Fds 0, 1, 2; `None` inherits ours.
    pub stdio: [Option<BorrowedFd<'a>>; 3],
    /// Become 3, 4, …; every other descriptor is closed.
    pub fds: &'a [BorrowedFd<'a>],
    /// CLONE_NEW* flags.
    pub namespaces: c_int,
    /// Namespaces entered before the clone (a pidfd or namespace file with its setns(2) flags), by a process in between
    /// that is gone when we return.
    pub joins: &'a [(BorrowedFd<'a>, c_int)],
    /// A cgroup.procs opened for writing: the child moves itself there first.
    pub cgroup_procs: Option<BorrowedFd<'a>>,
    pub session: bool,
    /// Signal at the death of our thread (prctl(2) PR_SET_PDEATHSIG).
    pub death_signal: c_int,
    /// Carry all capabilities over execve(2) although the new user namespace has no uid 0 yet.
    pub ambient: bool,
}

/// The child's pid and its pidfd.
#[derive(Debug)]
pub struct Spawned {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// Steps of the child, for error messages.
const STEPS: &[&str] = &[
    "clone a process",
    "join a namespace",
    "clone a process into namespaces",
    "enter the cgroup",
    "start a session",
    "arrange file descriptors",
    "clone the program's mount",
    "make the program's mount read-only",
    "execute the program",
    "write an id map",
];
const JOIN: usize = 1;
const CLONE_INNER: usize = 2;
const CGROUP: usize = 3;
const SESSION: usize = 4;
const FDS: usize = 5;
const TREE: usize = 6;
const TREE_RO: usize = 7;
const EXEC: usize = 8;
const MAP: usize = 9;

/// Beyond the soft limit of most shells only where more than this many descriptors are handed over.
pub(super) const MAX_FDS: usize = 32;
const STACK: usize = 64 << 10;

/// What parent and child share. Lives on the parent's stack while the child borrows its memory.
struct Shared<'a> {
    exec: &'a Exec<'a>,
    maps: Option<[&'a CStr; 2]>,
    argv: *const *const c_char,
    env: *const *const c_char,
    inner_stack: *mut c_void,
    /// Where it failed, with the errno; `step == usize::MAX` means it did not.
    step: usize,
    errno: c_int,
    /// What the child left: a pid, or a descriptor.
    inner_pid: c_int,
}

/// Starts the child; returns once it executes its program.
///
/// # Errors
/// The failed step with its errno; the program itself may be missing (ENOENT) or refused (EACCES).
pub fn spawn(exec: &Exec<'_>) -> Result<Spawned> {
    spawn_mapped(exec, None)
}

/// The same for a user namespace within one that is joined: `maps` are its uid_map and gid_map, which only a process of
/// the outer one may write (user_namespaces(7)). They are written when this returns.
///
/// # Errors
/// As [`spawn`]; the kernel's refusal of a map.
pub fn spawn_mapped(exec: &Exec<'_>, maps: Option<[&CStr; 2]>) -> Result<Spawned> {
    if exec.fds.len() > MAX_FDS {
        return Err(Error::bug("hand over descriptors: too many"));
    }
    let pointers = |list: &[CString]| -> Vec<*const c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(exec.argv), pointers(exec.env));
    let mut stack: Box<[MaybeUninit<u128>]> = Box::new_uninit_slice(STACK / 16);
    let inner_size = if exec.joins.is_empty() { 0 } else { STACK / 16 };
    let mut inner_stack: Box<[MaybeUninit<u128>]> = Box::new_uninit_slice(inner_size);
    let mut shared = Shared {
        exec,
        maps,
        argv: argv.as_ptr(),
        env: env.as_ptr(),
        inner_stack: inner_stack.as_mut_ptr_range().end.cast(),
        step: usize::MAX,
        errno: 0,
        inner_pid: 0,
    };
    let mut pidfd: c_int = -1;
    let direct = exec.joins.is_empty();
    let flags = libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::CLONE_PIDFD
        | libc::SIGCHLD
        | if direct { exec.namespaces } else { 0 };
    let entry = if direct { child } else { between };
    let blocked = BlockedSignals::all();
    // SAFETY: the child runs `entry` on a stack of its own that outlives it (CLONE_VFORK: we sleep until it executes
    // or exits), touches only `shared`, which stays borrowed by this call, and makes async-signal-safe calls. Signals
    // are blocked, so no handler of ours runs in it.
    let (pid, clone_errno) = unsafe {
        let pid = libc::clone(
            entry,
            stack.as_mut_ptr_range().end.cast(),
            flags,
            (&raw mut shared).cast(),
            &raw mut pidfd,
            std::ptr::null_mut::<c_void>(),
            std::ptr::null_mut::<c_int>(),
        );
        (pid, *libc::__errno_location())
    };
    drop(blocked);
    if pid < 0 {
        let step = if direct && exec.namespaces != 0 { CLONE_INNER } else { 0 };
        return Err(Error::errno(clone_errno, STEPS[step]));
    }
    // SAFETY: the kernel stored a fresh descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if shared.step != usize::MAX {
        reap(pid);
        if shared.inner_pid > 0 {
            reap(shared.inner_pid);
        }
        return Err(Error::errno(shared.errno, STEPS[shared.step]));
    }
    if direct {
        return Ok(Spawned { pid, pidfd });
    }
    reap(pid);
    let pid = shared.inner_pid;
    let Some(inner) = rustix::process::Pid::from_raw(pid) else {
        return Err(Error::bug("clone into namespaces: no process"));
    };
    // The child is ours and not waited for, so its pid can't have been reused.
    let pidfd = rustix::process::pidfd_open(inner, rustix::process::PidfdFlags::empty())
        .map_err(|e| Error::errno(e.raw_os_error(), "open a pidfd of the child"))?;
    Ok(Spawned { pid, pidfd })
}

pub(super) fn reap(pid: c_int) {
    // SAFETY: waits for our own child; no memory is passed.
    unsafe { while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0 && *libc::__errno_location() == libc::EINTR {} }
}

/// All signals blocked until dropped.
pub(super) struct BlockedSignals {
    old: libc::sigset_t,
}

impl BlockedSignals {
    pub(super) fn all() -> Self {
        // SAFETY: both sets live on this stack; sigfillset(3) initialises the first, the kernel the second.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut old = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
            BlockedSignals { old }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: restores the set that the kernel gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.old, std::ptr::null_mut()) };
    }
}

/// Leaves the errno for the parent and ends the child.
///
/// # Safety
/// Only in the child of [`spawn`].
unsafe fn fail(shared: &mut Shared<'_>, step: usize) -> ! {
    // SAFETY: the caller is the child; _exit(2) runs no destructor of the parent's.
    unsafe {
        shared.errno = *libc::__errno_location();
        shared.step = step;
        libc::_exit(1)
    }
}

/// The process in between: joins namespaces, clones the real child as a sibling of itself (CLONE_PARENT), ends.
extern "C" fn between(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the parent's `Shared`, valid while it sleeps; see `spawn`.
    unsafe {
        let shared = &mut *arg.cast::<Shared<'_>>();
        for (fd, flags) in shared.exec.joins {
            if libc::setns(fd.as_raw_fd(), *flags) != 0 {
                fail(shared, JOIN);
            }
        }
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT | shared.exec.namespaces;
        let pid = libc::clone(child, shared.inner_stack, flags, arg);
        if pid < 0 {
            fail(shared, CLONE_INNER);
        }
        if let Some([users, groups]) = shared.maps
            && !(write_map(pid, c"/uid_map", users) && write_map(pid, c"/gid_map", groups))
        {
            libc::kill(pid, libc::SIGKILL);
            shared.inner_pid = pid;
            fail(shared, MAP);
        }
        shared.inner_pid = pid;
        libc::_exit(0)
    }
}

/// Writes `text` to a file of /proc/PID; the errno tells why not.
///
/// # Safety
/// Makes async-signal-safe calls only.
pub(super) unsafe fn write_map(pid: c_int, name: &CStr, text: &CStr) -> bool {
    let mut path = [0u8; 32];
    let mut digits = [0u8; 10];
    let (mut rest, mut count) = (pid.unsigned_abs(), 0);
    while rest > 0 && count < digits.len() {
        digits[count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
    }
    let parts = b"/proc/".iter().chain(digits[..count].iter().rev()).chain(name.to_bytes());
    // The last byte stays zero: 6 + 10 + 8 are less than 32.
    path[..31].iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    // SAFETY: both texts end with a zero byte and outlive the calls.
    unsafe {
        let fd = libc::open(path.as_ptr().cast(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return false;
        }
        let length = text.to_bytes().len();
        let written = libc::write(fd, text.as_ptr().cast(), length);
        let errno = *libc::__errno_location();
        libc::close(fd);
        *libc::__errno_location() = errno;
        written == length as isize
    }
}

/// The child itself, up to execve(2).
extern "C" fn child(arg: *mut c_void) -> c_int {
    // SAFETY: as for `between`.
    unsafe {
        let shared = &mut *arg.cast::<Shared<'_>>();
        let exec = shared.exec;
        if let Some(procs) = exec.cgroup_procs
            && libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) < 0
        {
            fail(shared, CGROUP);
        }
        if exec.death_signal != 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, exec.death_signal as libc::c_ulong, 0, 0, 0);
        }
        if exec.session && libc::setsid() < 0 {
            fail(shared, SESSION);
        }
        if exec.ambient {
            raise_ambient();
        }
        let program = open_program(shared);
        let Ok(program) = arrange(exec.stdio, exec.fds, program) else { fail(shared, FDS) };
        // Rust ignores SIGPIPE at start-up; execve(2) would hand that on.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        match exec.program {
            Program::Path(path) => {
                libc::execve(path.as_ptr(), shared.argv, shared.env);
            }
            _ => {
                libc::syscall(libc::SYS_execveat, program, c"".as_ptr(), shared.argv, shared.env, libc::AT_EMPTY_PATH);
            }
        }
        fail(shared, EXEC)
    }
}

/// The descriptor to execute, or -1 for a path.
unsafe fn open_program(shared: &mut Shared<'_>) -> c_int {
    // SAFETY: raw calls on data of the sleeping parent; `statx`-like buffers are on this stack.
    unsafe {
        match shared.exec.program {
            Program::Path(_) => -1,
            Program::Fd(fd) => fd.as_raw_fd(),
            Program::Detached { path, device, inode } => {
                let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
                let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) as c_int;
                if tree < 0 {
                    fail(shared, TREE);
                }
                let mut stat: libc::stat = std::mem::zeroed();
                if libc::fstat(tree, &raw mut stat) != 0 || stat.st_dev != device || stat.st_ino != inode {
                    // Replaced on disk (an upgrade): not the program we are.
                    *libc::__errno_location() = libc::ESTALE;
                    fail(shared, TREE);
                }
                if super::mount::raw_mount_setattr(tree, super::mount::ATTR_RDONLY, 0, 0, false) != 0 {
                    fail(shared, TREE_RO);
                }
                tree
            }
        }
    }
}

/// The mount of [`detached_mount`].
#[derive(Debug)]
pub struct DetachedMount {
    pub fd: OwnedFd,
    /// Its maker, on its way out.
    maker: c_int,
}

impl Drop for DetachedMount {
    /// Reaps the maker: the end of its mount namespace takes milliseconds, so let other work come first.
    fn drop(&mut self) {
        reap(self.maker);
    }
}

/// A read-only mount of the file `path` alone, made in a user and mount namespace that is gone again when we return:
/// whoever executes a program through it can't be made to give up a writable handle on the program's file. No
/// privilege needed but that of making a user namespace.
///
/// # Errors
/// As for [`Program::Detached`].
pub fn detached_mount(path: &CStr, device: u64, inode: u64) -> Result<DetachedMount> {
    let exec = Exec {
        program: Program::Detached { path, device, inode },
        argv: &[],
        env: &[],
        stdio: [None; 3],
        fds: &[],
        namespaces: 0,
        joins: &[],
        cgroup_procs: None,
        session: false,
        death_signal: 0,
        ambient: false,
    };
    let mut stack: Box<[MaybeUninit<u128>]> = Box::new_uninit_slice(STACK / 16);
    let mut shared = Shared {
        exec: &exec,
        maps: None,
        argv: std::ptr::null(),
        env: std::ptr::null(),
        inner_stack: std::ptr::null_mut(),
        step: usize::MAX,
        errno: 0,
        inner_pid: -1,
    };
    // CLONE_FILES: what the child opens is open here.
    let flags = libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::CLONE_FILES
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::SIGCHLD;
    let blocked = BlockedSignals::all();
    // SAFETY: as in `spawn`; the child only opens one descriptor, which nobody else can know yet.
    let (pid, errno) = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        let pid = libc::clone(mounter, top, flags, (&raw mut shared).cast());
        (pid, *libc::__errno_location())
    };
    drop(blocked);
    if pid < 0 {
        return Err(Error::errno(errno, STEPS[CLONE_INNER]));
    }
    if shared.step != usize::MAX {
        reap(pid);
        return Err(Error::errno(shared.errno, STEPS[shared.step]));
    }
    // SAFETY: the child opened it in our table and told nobody but us.
    let fd = unsafe { OwnedFd::from_raw_fd(shared.inner_pid) };
    Ok(DetachedMount { fd, maker: pid })
}

/// The child of [`detached_mount`].
extern "C" fn mounter(arg: *mut c_void) -> c_int {
    // SAFETY: as for `between`.
    unsafe {
        let shared = &mut *arg.cast::<Shared<'_>>();
        shared.inner_pid = open_program(shared);
        libc::_exit(0)
    }
}

/// Puts stdio and the extra descriptors in place and marks all others close-on-exec; returns where the program is, or
/// leaves an errno. Makes system calls only.
///
/// # Safety
/// The process owns its descriptor table (no CLONE_FILES), and uses by their old numbers only those above what is placed.
pub(super) unsafe fn arrange(
    stdio: [Option<BorrowedFd<'_>>; 3],
    fds: &[BorrowedFd<'_>],
    program: c_int,
) -> std::result::Result<c_int, ()> {
    // SAFETY: as above; no memory is passed.
    unsafe {
        let above = 3 + fds.len() as c_int;
        let mut streams = [-1; 3];
        let mut moved = [-1; MAX_FDS];
        let sources = stdio.iter().map(|f| f.map_or(-1, |f| f.as_raw_fd()));
        for (to, from) in streams.iter_mut().zip(sources) {
            *to = if from < 0 { -1 } else { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, above) };
            if from >= 0 && *to < 0 {
                return Err(());
            }
        }
        for (to, from) in moved.iter_mut().zip(fds) {
            *to = libc::fcntl(from.as_raw_fd(), libc::F_DUPFD_CLOEXEC, above);
            if *to < 0 {
                return Err(());
            }
        }
        let program = if program < 0 { -1 } else { libc::fcntl(program, libc::F_DUPFD_CLOEXEC, above) };
        for (n, fd) in streams.iter().enumerate() {
            if *fd >= 0 && libc::dup2(*fd, n as c_int) < 0 {
                return Err(());
            }
        }
        for (n, fd) in moved.iter().take(fds.len()).enumerate() {
            if libc::dup2(*fd, 3 + n as c_int) < 0 {
                return Err(());
            }
        }
        if super::process::raw_close_range_cloexec(above) != 0 {
            return Err(());
        }
        Ok(program)
    }
}

/// All capabilities become inheritable and ambient (capabilities(7)); failures show at the first privileged call.
unsafe fn raise_ambient() {
    // SAFETY: capget/capset with version 3 take two data words each; both arrays are on this stack.
    unsafe {
        let header = [0x2008_0522u32, 0];
        let mut data = [0u32; 6];
        if libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) == 0 {
            data[2] = data[1];
            data[5] = data[4];
            libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr());
        }
        for cap in 0..64 {
            if libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn run(exec: &Exec<'_>) -> (Spawned, String) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let spawned = spawn(&Exec { stdio: [None, Some(write.as_fd()), None], ..*exec }).unwrap();
        drop(write);
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        reap(spawned.pid);
        (spawned, text)
    }

    fn shell<'a>(argv: &'a [CString]) -> Exec<'a> {
        Exec {
            program: Program::Path(c"/bin/sh"),
            argv,
            env: &[],
            stdio: [None; 3],
            fds: &[],
            namespaces: 0,
            joins: &[],
            cgroup_procs: None,
            session: false,
            death_signal: 0,
            ambient: false,
        }
    }

    #[test]
    fn hands_over_exactly_the_named_descriptors() {
        let argv = [c"sh".into(), c"-c".into(), c"cat <&3; cat <&4; ls /proc/self/fd | wc -l".into()];
        let files: Vec<_> = ["one ", "two "]
            .iter()
            .map(|text| {
                let file = rustix::fs::memfd_create("t", rustix::fs::MemfdFlags::empty()).unwrap();
                rustix::io::pwrite(&file, text.as_bytes(), 0).unwrap();
                file
            })
            .collect();
        // In an order that overlaps with their own numbers.
        let fds: Vec<_> = files.iter().rev().map(|f| f.as_fd()).collect();
        let (_, text) = run(&Exec { fds: &fds, ..shell(&argv) });
        // 0, 1, 2, 3, 4 and the directory itself.
        assert_eq!(text, "two one 6\n");
    }

    #[test]
    fn reports_the_failed_step() {
        let argv = [c"x".into()];
        let e = spawn(&Exec { program: Program::Path(c"/nonexistent"), ..shell(&argv) }).unwrap_err();
        assert_eq!((e.errno, e.context[0].as_str()), (Some(libc::ENOENT), "execute the program"));
    }

    #[test]
    fn resets_signals() {
        let argv = [c"sh".into(), c"-c".into(), c"grep -E 'SigBlk|SigIgn' /proc/self/status".into()];
        let (_, text) = run(&shell(&argv));
        let bits = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        // SIGPIPE is what Rust changes; others are as the caller of the tests left them.
        assert_eq!((bits("SigBlk:"), bits("SigIgn:") & 1 << (libc::SIGPIPE - 1)), (0, 0));
    }
}
