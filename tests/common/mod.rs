//! What every test needs: a private store and runtime directory, the real binary, and proof that nothing is left.
//!
//! Environment (set by contrib/test, all optional):
//! `CORACLE_TEST_BIN` the binary under test, `CORACLE_TEST_SOURCE` the source tree, `CORACLE_TEST_DIR` where stores are
//! made (a tmpfs), `CORACLE_TEST_FIXTURES` the cache of images, `CORACLE_TEST_SKIPS` a file that collects the reasons of
//! skipped tests, `CORACLE_TEST_NO_SKIP=1` makes a skip a failure.

#![allow(dead_code)] // Each test binary uses its own part of this module.

pub mod fixtures;
pub mod hostile;
pub mod intake;
pub mod leaks;
pub mod output;
pub mod pty;
pub mod registry;

pub use output::{Output, Ran};

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long one command may take before the test calls it hung. Generous: CI has two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends the test with a reason; an error where skips are forbidden.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::common::note_skip(std::thread::current().name().unwrap_or("?"), &format!($($why)*));
        return;
    }};
}

/// Skips unless the program is installed.
#[macro_export]
macro_rules! need {
    ($($program:expr),+) => {
        $(if $crate::common::which($program).is_none() {
            $crate::skip!("{} is not installed", $program);
        })+
    };
}

pub fn note_skip(test: &str, why: &str) {
    assert!(std::env::var_os("CORACLE_TEST_NO_SKIP").is_none(), "may not be skipped here: {why}");
    eprintln!("SKIP {test}: {why}");
    if let Some(path) = std::env::var_os("CORACLE_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut f| f.write_all(format!("{test}: {why}\n").as_bytes()));
    }
}

/// Looks a program up in PATH and the administrators' directories.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/local/sbin";
    path.split(':').map(|d| Path::new(d).join(program)).find(|p| p.is_file())
}

pub fn binary() -> PathBuf {
    std::env::var_os("CORACLE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_coracle").into(), PathBuf::from)
}

/// The root of the source tree.
pub fn source() -> PathBuf {
    std::env::var_os("CORACLE_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Polls until `done` says yes; panics with `what` after `seconds`.
pub fn eventually(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < end, "did not happen within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A free TCP port of the loopback interface (it was free a moment ago).
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A store of its own, removed with everything in it at the end of the test.
pub struct TestEnv {
    pub dir: PathBuf,
    /// Checked at drop: no process, file or mount of ours is left after `rm -f` of all containers.
    check: bool,
}

impl TestEnv {
    pub fn new() -> TestEnv {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = std::env::var_os("CORACLE_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        // Short, because socket paths end at 107 bytes; the process id keeps test binaries apart.
        let name = format!("ct{}-{:03}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = base.join(name);
        for path in [dir.clone(), dir.join("home"), dir.join("run"), dir.join("tmp")] {
            std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap_or_else(|e| panic!("make {path:?}: {e}"));
        }
        // Ids of a container must be able to walk to bind mount sources in here.
        std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        TestEnv { dir, check: true }
    }

    /// For tests that damage the store on purpose: no leak check at the end, only clean-up.
    pub fn unchecked() -> TestEnv {
        let mut env = TestEnv::new();
        env.check = false;
        env
    }

    pub fn root(&self) -> PathBuf {
        self.dir.join("data")
    }
    pub fn runroot(&self) -> PathBuf {
        self.dir.join("run/c")
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
    /// Writes a file below the test's directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `coracle --root … --runroot …` in a clean environment, ready for arguments.
    pub fn bare(&self) -> Command {
        let mut c = self.program(binary());
        c.arg("--root").arg(self.root()).arg("--runroot").arg(self.runroot());
        c
    }

    /// Another program in the same clean environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut c = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        c.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("TERM", "xterm").env("TZ", "UTC");
        c.env("HOME", self.dir.join("home")).env("XDG_RUNTIME_DIR", self.dir.join("run"));
        c.env("TMPDIR", self.dir.join("tmp")).env("CORACLE_TEST_ENV", &self.dir);
        for name in ["USER", "LOGNAME", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                c.env(name, value);
            }
        }
        c.current_dir(&self.dir).stdin(Stdio::null());
        c
    }

    /// `sh -c SCRIPT` as root of a namespace with all ids that we may map, and with mounts of its own.
    pub fn as_mapped_root(&self, script: &str) -> Command {
        let mut command = self.program("unshare");
        command.arg("--mount");
        if !is_root() {
            command.args(["--user", "--map-root-user", "--map-auto", "--setuid", "0", "--setgid", "0"]);
            // podman and buildah take this for the namespace that they would make themselves.
            let id = rustix::process::geteuid().as_raw().to_string();
            command.env("_CONTAINERS_USERNS_CONFIGURED", "done");
            command.env("_CONTAINERS_ROOTLESS_UID", &id).env("_CONTAINERS_ROOTLESS_GID", &id);
        }
        command.env("BUILDAH_ISOLATION", "chroot").args(["sh", "-euc", script]);
        command
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut c = self.bare();
        c.args(args);
        c
    }

    /// Runs coracle with `args`, stdin empty.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.finish(&mut self.command(args), b"")
    }

    /// Runs coracle with one string of arguments, split as a shell does.
    pub fn sh(&self, args: &str) -> Ran {
        self.run(shlex::split(args).unwrap_or_else(|| panic!("unbalanced quotes: {args}")))
    }

    pub fn run_with_stdin<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, stdin: &[u8]) -> Ran {
        self.finish(&mut self.command(args), stdin)
    }

    /// Runs any prepared command to its end (or to a timeout), collecting its output.
    pub fn finish(&self, command: &mut Command, stdin: &[u8]) -> Ran {
        output::finish(command, stdin, PATIENCE)
    }

    /// Starts coracle in the background with all three streams piped.
    pub fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Child {
        let mut c = self.command(args);
        c.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        c.spawn().unwrap_or_else(|e| panic!("start {c:?}: {e}"))
    }

    /// `run -d` with one string of arguments; the container's id.
    pub fn start(&self, args: &str) -> String {
        self.sh(&format!("run -d {args}")).success().line()
    }

    /// A container's `hello --json` with the given flags.
    pub fn probe(&self, flags: &str) -> serde_json::Value {
        self.sh(&format!("run --rm {flags} hello --json")).success().json()
    }

    pub fn inspect(&self, container: &str) -> serde_json::Value {
        self.run(["inspect", container]).success().json()[0].take()
    }

    pub fn inspect_volume(&self, volume: &str) -> serde_json::Value {
        self.run(["volume", "inspect", volume]).success().json()[0].take()
    }

    /// Ids of all containers.
    pub fn containers(&self) -> Vec<String> {
        self.sh("ps -aq --no-trunc").success().stdout.lines().map(String::from).collect()
    }

    /// Removes every container and fails where something of them stays behind.
    pub fn assert_no_leaks(&self) {
        self.remove_containers();
        leaks::assert_none(self);
    }

    fn remove_containers(&self) {
        if !self.root().join("containers").exists() {
            return;
        }
        let ids = self.run(["ps", "-aq", "--no-trunc"]);
        let ids: Vec<&str> = ids.stdout.lines().collect();
        if !ids.is_empty() {
            let mut args = vec!["rm", "-f", "-t", "0"];
            args.extend(&ids);
            let out = self.run(args);
            if self.check && !std::thread::panicking() {
                let _ = out.success();
            }
        }
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        // A second panic while unwinding would abort the whole test binary: check only where the test went well.
        let failed = std::thread::panicking();
        if self.root().exists() {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                if self.check && !failed { self.assert_no_leaks() } else { self.remove_containers() }
            }));
            leaks::kill_all(&self.dir);
            leaks::remove_tree(&self.dir);
            if let Err(panic) = result
                && !failed
            {
                std::panic::resume_unwind(panic);
            }
        } else {
            leaks::remove_tree(&self.dir);
        }
    }
}
