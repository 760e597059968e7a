//! What SIGPIPE does to this process.

/// A write to a closed pipe ends the process quietly, as for any Unix filter. Rust starts programs with SIGPIPE ignored.
pub fn pipe_kills() {
    set(libc::SIG_DFL);
}

/// A write to a closed pipe fails with EPIPE: for relays, which still have a container to serve.
pub fn pipe_fails() {
    set(libc::SIG_IGN);
}

fn set(action: libc::sighandler_t) {
    // SAFETY: both actions are constants, no handler of ours runs; signal(2) can't fail for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, action) };
}
