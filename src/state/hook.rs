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

/// Whether to act as on a host without `what` (`overlay`: the kernel's, `fuse`: fuse-overlayfs), if the environment
/// lists it: `CORACLE_TEST_WITHOUT=overlay,fuse`.
pub fn without(what: &str) -> bool {
    std::env::var(WITHOUT).is_ok_and(|list| list.split(',').any(|w| w == what))
}

const DIE_AT: &str = "CORACLE_TEST_DIE_AT";
const WITHOUT: &str = "CORACLE_TEST_WITHOUT";

/// What the otherwise empty environment of PID 1 and of jobs holds: nothing, but in those tests.
pub fn environment() -> Vec<std::ffi::CString> {
    let passed = |name: &str| std::ffi::CString::new(format!("{name}={}", std::env::var(name).ok()?)).ok();
    [DIE_AT, WITHOUT].into_iter().filter_map(passed).collect()
}
