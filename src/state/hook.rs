//! A hook for the crash tests: stop this process at a named step, so that a test can kill it just there.

/// Stops this process (SIGSTOP) if the environment asks for `step`: `CORACLE_TEST_STOP_AT=step`. One look at the
/// environment block, no system call.
pub fn stop_at(step: &str) {
    if std::env::var_os("CORACLE_TEST_STOP_AT").is_some_and(|wanted| wanted == step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
}
