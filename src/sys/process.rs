//! Process state: execve, signals, namespaces, descriptors.

use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString, c_char, c_int};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

fn check(result: i64) -> Result<i64> {
    if result >= 0 { Ok(result) } else { Err(last()) }
}

fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Marks all descriptors from `first` on close-on-exec: close_range(2), Linux 5.11.
pub(super) fn raw_close_range_cloexec(first: c_int) -> i64 {
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) }
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn cloexec_from(first: i32) -> Result<()> {
    check(raw_close_range_cloexec(first)).map(drop)
}

/// Closes every descriptor from `first` on, whoever owns it: only where nothing above is used afterwards, as in a
/// stage's last steps.
pub fn close_from(first: i32) -> Result<()> {
    // SAFETY: no memory is passed. Owners of closed descriptors must not use them again, as documented.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Takes ownership of an inherited descriptor (a stage's 3, 4, …) and makes it close-on-exec; EBADF if it is not open.
/// Each number may be taken once.
pub fn take_fd(n: i32) -> Result<OwnedFd> {
    // SAFETY: F_SETFD passes no memory and fails for a closed number.
    check(unsafe { libc::fcntl(n, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: open, as just seen, and by the contract above nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(n) })
}

/// Has `fds` be 3, 4, … also in the program that this process is about to execute; what was there is closed, whoever
/// believes to own it.
pub fn pass_on(fds: &[OwnedFd]) -> Result<()> {
    let first = 3 + fds.len() as c_int;
    let aside: Vec<OwnedFd> = fds.iter().map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, first)).collect::<Result<_>>()?;
    for (fd, number) in aside.iter().zip(3..) {
        // SAFETY: no memory is passed. The caller executes a program or ends.
        check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into())?;
    }
    Ok(())
}

/// Whether this process was started with descriptor `n` open: what it opens itself is close-on-exec.
pub fn is_inherited(n: i32) -> bool {
    // SAFETY: no memory is passed, and no number is taken for open.
    let flags = unsafe { libc::fcntl(n, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Replaces the process; returns only on failure.
pub fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> Errno {
    let pointers = |list: &[CString]| -> Vec<*const c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and their strings live until the call returns, if it does.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    last()
}

/// Replaces the process by the file behind `fd`; returns only on failure.
pub fn exec_fd(fd: BorrowedFd<'_>, argv: &[CString], env: &[CString]) -> Errno {
    let pointers = |list: &[CString]| -> Vec<*const c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: as in `exec`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last()
}

/// All signal handlers default, none blocked: the state in which a program expects to start.
pub fn reset_signals() {
    // All zero is the kernel's struct sigaction of SIG_DFL on every architecture. libc's own call refuses the two
    // real-time signals it uses itself, which some shells leave ignored.
    let default = [0u64; 8];
    // SAFETY: SIG_DFL installs no code of ours; KILL and STOP can't be set and fail harmlessly. The buffers are larger
    // than the kernel's structs and live on this stack.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u8>(), 8);
        }
    }
    unblock_signals();
}

/// No signal blocked.
pub(super) fn unblock_signals() {
    // SAFETY: the set is initialised by sigemptyset(3) and lives on this stack.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Blocks all signals, for a loop of [`next_signal`].
pub fn block_signals() {
    // SAFETY: the set is initialised by sigfillset(3) and lives on this stack.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Waits for any blocked signal and gives its number.
pub fn next_signal() -> i32 {
    // SAFETY: the set is initialised by sigfillset(3); no siginfo is asked for.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        loop {
            let signal = libc::sigwaitinfo(&raw const all, std::ptr::null_mut());
            if signal > 0 {
                return signal;
            }
        }
    }
}

/// Sends `signal` (0 = none, just checks) to a process by pid: only for own, unreaped children.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// Sends any signal number, real-time ones included, to the process behind `pidfd`.
pub fn pidfd_kill(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: a null siginfo is allowed (pidfd_send_signal(2)).
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    })
    .map(drop)
}

/// Reaps any child that has ended: pid and exit code (128 + signal); `None` when there is none.
pub fn reap_any() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is written by the kernel.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then(|| (pid, exit_code(status)))
}

fn exit_code(status: c_int) -> i32 {
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
}

/// Waits for our own child `pid`: exit code, or 128 + signal.
pub fn wait(pid: i32) -> Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is written by the kernel.
        let result = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        match check(result.into()) {
            Ok(_) => return Ok(exit_code(status)),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Whether this process has one thread, or can't know.
pub fn single_threaded() -> bool {
    // A directory's link count is that of its subdirectories and two.
    rustix::fs::stat("/proc/self/task").map_or(true, |s| s.st_nlink <= 3)
}

/// Forks without running libc's handlers: 0 in the child. With `sibling` the child's parent is ours (CLONE_PARENT).
///
/// The process must be single-threaded (checked): the child goes on with all our memory.
pub fn fork(sibling: bool) -> Result<i32> {
    if !single_threaded() {
        return Err(Errno::BUSY);
    }
    let flags = if sibling { libc::CLONE_PARENT } else { libc::SIGCHLD };
    // SAFETY: with a null stack clone(2) is fork(2); the only thread goes on in the child, so no lock is held by a
    // thread that is gone.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) }).map(|pid| pid as i32)
}

/// Our pid in our pid namespace, asked of the kernel: libc may remember that of before a [`fork`].
pub fn own_pid() -> i32 {
    // SAFETY: no arguments.
    (unsafe { libc::syscall(libc::SYS_getpid) }) as i32
}

/// Leaves some of the caller's namespaces for fresh ones (CLONE_NEW*); single-threaded where `flags` has NEWUSER.
pub fn unshare(flags: c_int) -> Result<()> {
    // SAFETY: namespaces only; CLONE_FILES and CLONE_VM are not offered to callers outside the runtime.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// The user namespace in which the one of `fd` was made (NS_GET_PARENT of ioctl_ns(2)); EPERM where it is out of sight.
pub fn parent_user_namespace(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: the request takes no memory; what it gives is a new descriptor that nobody else owns (close-on-exec).
    unsafe {
        let raw = check(libc::ioctl(fd.as_raw_fd(), NS_GET_PARENT as _).into())?;
        Ok(OwnedFd::from_raw_fd(raw as i32))
    }
}

/// The user namespace that owns the namespace of `fd` (NS_GET_USERNS of ioctl_ns(2)); EPERM where it is out of sight.
pub fn owning_user_namespace(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    // SAFETY: the request takes no memory; what it gives is a new descriptor that nobody else owns (close-on-exec).
    unsafe {
        let raw = check(libc::ioctl(fd.as_raw_fd(), NS_GET_USERNS as _).into())?;
        Ok(OwnedFd::from_raw_fd(raw as i32))
    }
}

/// Which kind of namespace `fd` is, a CLONE_NEW* flag (NS_GET_NSTYPE of ioctl_ns(2)); ENOTTY for other files.
pub fn namespace_type(fd: BorrowedFd<'_>) -> Result<c_int> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: the request takes no memory.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE as _) }.into()).map(|kind| kind as c_int)
}

/// Enters namespaces: `fd` is a pidfd (any CLONE_NEW* flags) or a namespace file (its flag).
pub fn setns(fd: BorrowedFd<'_>, flags: c_int) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::setns(fd.as_raw_fd(), flags) }.into()).map(drop)
}

/// Gives the heap's unused pages back to the kernel, those between used ones too (malloc_trim(3)).
pub fn trim_heap() {
    // SAFETY: concerns free memory only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Unmaps the pages of our program and its constants, which the page cache keeps: those that a quiet process still needs
/// come back, a few of thousands.
pub fn forget_program() {
    extern "C" fn each(info: *mut libc::dl_phdr_info, _size: usize, _data: *mut libc::c_void) -> c_int {
        // SAFETY: the callback of dl_iterate_phdr(3) gets a valid record, whose headers stay mapped. MADV_DONTNEED on a
        // private mapping of a file that was never writable loses nothing: the pages are read from the file again.
        unsafe {
            let info = &*info;
            let page = rustix::param::page_size();
            for header in std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) {
                if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
                    let start = (info.dlpi_addr as usize + header.p_vaddr as usize).next_multiple_of(page);
                    let end =
                        (info.dlpi_addr as usize + header.p_vaddr as usize + header.p_memsz as usize) & !(page - 1);
                    let start = std::ptr::with_exposed_provenance_mut(start);
                    libc::madvise(start, end.saturating_sub(start.addr()), libc::MADV_DONTNEED);
                }
            }
        }
        0
    }
    // SAFETY: `each` neither unwinds nor keeps anything.
    unsafe { libc::dl_iterate_phdr(Some(each), std::ptr::null_mut()) };
}

/// Ends the process at once, without destructors or exit handlers.
pub fn exit(code: i32) -> ! {
    // SAFETY: always sound.
    unsafe { libc::_exit(code) }
}

/// Writes `words` over our arguments in memory, as far as they have room: what /proc/PID/cmdline shows (proc(5)).
/// `std::env::args` must not be used afterwards. Without /proc nothing happens.
pub fn rename(words: &[&str]) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    let Some((start, length)) = arguments(&stat) else { return };
    let text = words.join("\0").into_bytes();
    let fits = text.len().min(length - 1);
    // SAFETY: the kernel says that our arguments are there, which lie on the writable stack; only their bytes change.
    unsafe {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(start);
        std::ptr::write_bytes(start, 0, length);
        std::ptr::copy_nonoverlapping(text.as_ptr(), start, fits);
    }
}

/// Address and length of the arguments: fields 48 and 49 of /proc/PID/stat (proc_pid_stat(5), Linux 3.5).
fn arguments(stat: &str) -> Option<(usize, usize)> {
    // The name of the process, in parentheses, may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(45);
    let start: usize = fields.next()?.parse().ok()?;
    let length = fields.next()?.parse::<usize>().ok()?.checked_sub(start)?;
    (start != 0 && length != 0).then_some((start, length))
}

/// Takes back what a caller can leave us with and no program of several processes works with: children that nobody can
/// wait for (an ignored SIGCHLD outlives execve(2)), and a umask that keeps us out of our own directories.
pub fn begin_as_usual() {
    let mask = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    rustix::process::umask(mask - rustix::fs::Mode::RWXU);
    // SAFETY: no handler is installed; signal(2) can't fail for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Sends a signal to the process group that an unreaped child of ours leads.
pub fn kill_group(leader: i32, signal: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(-leader, signal) }.into()).map(drop)
}

/// sethostname(2) and setdomainname(2) of this UTS namespace.
pub fn set_names(hostname: Option<&str>, domain: Option<&str>) -> Result<()> {
    // SAFETY: pointer and length describe the string.
    unsafe {
        if let Some(name) = hostname {
            check(libc::sethostname(name.as_ptr().cast(), name.len()).into())?;
        }
        if let Some(name) = domain {
            check(libc::setdomainname(name.as_ptr().cast(), name.len()).into())?;
        }
    }
    Ok(())
}

/// Sets IFF_UP of the loopback device of this network namespace (netdevice(7)).
pub fn loopback_up() -> Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain data, zero is valid; the ioctls read and write only it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request).into())?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request).into())?;
    }
    Ok(())
}

/// Sets a resource limit of this process by its number (setrlimit(2)).
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: prlimit64(2) reads `limit`; the old value is not asked for.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, std::ptr::null_mut::<u8>()) })
        .map(drop)
}

/// Soft and hard limit of this process.
pub fn rlimit(resource: u32) -> Result<(u64, u64)> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: prlimit64(2) writes `limit`.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, std::ptr::null::<u8>(), &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}
