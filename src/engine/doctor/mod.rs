//! `doctor`: what this host offers, what follows where something is missing, and the exact remedy.
//!
//! Where it can, a check does the thing itself (makes a user namespace, mounts an overlay) instead of reading
//! settings: settings explain only.

mod foreign;
mod ids;
mod network;
mod storage;
mod system;

pub(super) use ids::user_name;

pub use foreign::{BINFMT, qemu_name};
pub use ids::probe_namespaces;
pub use storage::probe_storage;

use super::Ctx;
use serde::Serialize;
use std::path::PathBuf;

/// Version of the JSON form; grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Something works less well, or only a choice is missing.
    Warn,
    /// Something does not work at all.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Stable name for scripts: `kernel-overlay`.
    pub check: &'static str,
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What follows from it; empty when all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consequence: String,
    /// A command or a file's line; empty when there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// Without it no container runs.
    pub essential: bool,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Finding {
        Finding {
            check,
            state: State::Ok,
            detail: detail.into(),
            consequence: String::new(),
            fix: String::new(),
            essential: false,
        }
    }

    fn warn(
        check: &'static str,
        detail: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding { state: State::Warn, consequence: consequence.into(), fix: fix.into(), ..Finding::ok(check, detail) }
    }

    fn fail(
        check: &'static str,
        detail: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding { state: State::Fail, ..Finding::warn(check, detail, consequence, fix) }
    }

    fn essential(self) -> Finding {
        Finding { essential: true, ..self }
    }
}

/// All checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub version: &'static str,
    /// Containers can run here, if maybe with less comfort.
    pub runs: bool,
    pub checks: Vec<Finding>,
}

/// What the caller knows of the environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// PATH, in order.
    pub path: Vec<PathBuf>,
    /// XDG_RUNTIME_DIR.
    pub runtime_dir: Option<PathBuf>,
    /// Settings of networks in containers.conf that have no effect; or what is wrong with a file.
    pub network_settings: Result<Vec<String>, String>,
}

impl Environment {
    /// The first executable of that name in PATH or the administrator's directories, which users' PATHs often lack.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        use rustix::fs::{Access, access};
        let extra = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let all = self.path.iter().chain(&extra).map(|dir| dir.join(program));
        all.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
    }

    /// The line of `program OPTION` that has its version.
    pub fn version(&self, program: &str, option: &str) -> Option<(PathBuf, String)> {
        let path = self.find(program)?;
        let output = std::process::Command::new(&path).arg(option).stdin(std::process::Stdio::null()).output().ok()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let text = String::from_utf8_lossy(&text);
        // fuse-overlayfs names the version of fusermount first.
        let line = text.lines().find(|l| l.starts_with(program)).or_else(|| text.lines().next());
        Some((path, line.unwrap_or_default().trim().to_string()))
    }
}

/// Runs all checks.
pub fn doctor(ctx: &Ctx, env: &Environment) -> Report {
    let namespaces = ids::user_namespaces();
    let usable = namespaces.state != State::Fail;
    let mut checks = vec![namespaces];
    checks.extend(ids::ids(env, usable));
    checks.extend(storage::storage(ctx, env, usable));
    checks.extend(network::network(env));
    checks.extend(system::system(env));
    checks.push(foreign::foreign());
    let runs = checks.iter().all(|c| !c.essential || c.state != State::Fail);
    Report { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), runs, checks }
}

/// A small file's text without its last line feed.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|t| t.trim_end().to_string())
}
