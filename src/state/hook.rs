//! Hooks for the crash tests: stop or end this process at a named step.

/// Stops this process (SIGSTOP) if the environment asks for `step`: `CORACLE_TEST_STOP_AT=step`. One look at the
/// environment block, no system call.
pub fn stop_at(step: &str) {
    if std::env::var_os("CORACLE_TEST_STOP_AT").is_some_and(|wanted| wanted == step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
}

/// Ends this process without a word, as SIGKILL would, if the environment asks for `step`: `CORACLE_TEST_DIE_AT=step`.
/// For PID 1 of a container, which takes no signals from itself.
pub fn dies_at(step: &str) {
    if std::env::var_os(DIE_AT).is_some_and(|wanted| wanted == step) {
        std::process::exit(137);
    }
}

const DIE_AT: &str = "CORACLE_TEST_DIE_AT";

/// What the otherwise empty environment of PID 1 holds: nothing, but in those tests.
pub fn environment() -> Vec<std::ffi::CString> {
    let wanted = std::env::var(DIE_AT).ok().and_then(|step| std::ffi::CString::new(format!("{DIE_AT}={step}")).ok());
    wanted.into_iter().collect()
}
