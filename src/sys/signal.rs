//! What SIGPIPE and the signals that ask to stop do to this process.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// A write to a closed pipe ends the process quietly, as for any Unix filter. Rust starts programs with SIGPIPE ignored.
pub fn pipe_kills() {
    set(libc::SIG_DFL);
}

/// A write to a closed pipe fails with EPIPE: for relays, which still have a container to serve.
pub fn pipe_fails() {
    set(libc::SIG_IGN);
}

/// A copy of a process that is [`Interruptible`] is not: signals that ask to stop do what they did before.
pub fn stop_as_usual() {
    for signal in STOPPING {
        if replace(signal, libc::SIG_DFL).sa_sigaction == libc::SIG_IGN {
            let _ = replace(signal, libc::SIG_IGN);
        }
    }
}

/// From here on the keys that interrupt and quit are not for this process: it waits for one that they are for.
pub fn ignore_keys() {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: no handler of ours runs; signal(2) can't fail for these.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn set(action: libc::sighandler_t) {
    // SAFETY: both actions are constants, no handler of ours runs; signal(2) can't fail for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, action) };
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long the orderly end may take, in seconds: a read of a silent server can't be cut short.
const PATIENCE: u32 = 2;

const STOPPING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// As long as it lives, the first SIGINT, SIGTERM or SIGHUP asks for an orderly end ([`interrupted`]), which may take two
/// seconds; the second one kills as usual. System calls of the thread that is hit return EINTR. No thread is started.
/// Signals that this process was started to ignore (nohup) stay ignored.
#[derive(Debug)]
pub struct Interruptible {
    old: Vec<(libc::c_int, libc::sigaction)>,
}

/// Whether somebody asked this process to stop since the [`Interruptible`] was made.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

impl Interruptible {
    pub fn new() -> Interruptible {
        INTERRUPTED.store(false, Ordering::Relaxed);
        let mut old = Vec::new();
        for signal in STOPPING {
            let before = replace(signal, stop as *const () as libc::sighandler_t);
            if before.sa_sigaction == libc::SIG_IGN {
                restore(signal, &before);
            } else {
                old.push((signal, before));
            }
        }
        old.push((libc::SIGALRM, replace(libc::SIGALRM, give_up as *const () as libc::sighandler_t)));
        Interruptible { old }
    }
}

impl Default for Interruptible {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        // SAFETY: alarm(2) takes a number and can't fail.
        unsafe { libc::alarm(0) };
        for (signal, before) in &self.old {
            restore(*signal, before);
        }
    }
}

extern "C" fn stop(signal: libc::c_int) {
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        // SAFETY: both are async-signal-safe; the signal is delivered when this handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    } else {
        // SAFETY: alarm(2) is async-signal-safe.
        unsafe { libc::alarm(PATIENCE) };
    }
}

extern "C" fn give_up(_: libc::c_int) {
    const TEXT: &[u8] = b"\nerror: interrupted\n";
    // SAFETY: write(2) and _exit(2) are async-signal-safe; the buffer is a constant.
    unsafe {
        libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len());
        libc::_exit(130);
    }
}

fn replace(signal: libc::c_int, handler: libc::sighandler_t) -> libc::sigaction {
    let mut old = MaybeUninit::zeroed();
    // SAFETY: a zeroed sigaction is valid (no flags, so no SA_RESTART; an empty mask); the handlers are async-signal-safe;
    // `old` is filled in by the call, and valid as zeroes should it fail.
    unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = handler;
        libc::sigaction(signal, &new, old.as_mut_ptr());
        old.assume_init()
    }
}

fn restore(signal: libc::c_int, action: &libc::sigaction) {
    // SAFETY: `action` came from sigaction(2).
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}
