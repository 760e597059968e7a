//! What users said short names mean: asked at a terminal, kept where podman keeps it (containers-registries.conf(5),
//! "short-name-mode"), so that each tool knows what the other was told.

use super::{Env, file};
use crate::error::{Context, Error, Result};
use crate::image::Reference;
use crate::state::atomic::{self, Class};
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::Serialize;
use std::collections::BTreeMap;

/// Asks which of several full names the short one means; gives its index.
#[derive(Clone, Copy)]
pub struct Chooser(pub fn(&str, &[String]) -> Result<usize>);

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chooser")
    }
}

/// An answer to be kept once it has proved right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Without tag and digest.
    pub(super) name: String,
    /// Repository with its registry.
    pub(super) target: String,
}

#[derive(Serialize)]
struct Aliases {
    aliases: BTreeMap<String, String>,
}

impl Chosen {
    pub(super) fn new(name: &str, meant: &Reference) -> Chosen {
        Chosen { name: name.into(), target: meant.repository() }
    }

    /// Keeps the answer in the user's file of recorded short names, in the place of an earlier one.
    ///
    /// # Errors
    /// The file can't be read or written; it stays as it was then.
    pub fn record(&self, env: &Env) -> Result<()> {
        let path = file::recorded_aliases(env).ok_or_else(|| Error::user("HOME is not set"));
        let path = path.with_context(|| format!("keep what '{}' means", self.name))?;
        let named = || format!("keep what '{}' means in {}", self.name, path.display());
        if let Some(dir) = path.parent() {
            atomic::make_dirs(dir).with_context(named)?;
        }
        // Podman's lock: of the process, on this very name.
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = rustix::fs::open(&lock, flags, Mode::from_raw_mode(0o644)).with_context(named)?;
        rustix::fs::fcntl_lock(&lock, FlockOperation::LockExclusive).with_context(named)?;
        let mut aliases = file::read(&path).with_context(named)?.unwrap_or_default().aliases;
        if aliases.get(&self.name) == Some(&self.target) {
            return Ok(());
        }
        aliases.insert(self.name.clone(), self.target.clone());
        let text = toml::to_string(&Aliases { aliases })
            .map_err(|e| Error::new(crate::error::Kind::Bug, format!("{}: {e}", named())))?;
        atomic::write(&path, text.as_bytes(), Class::Durable).with_context(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_beside_others() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap().to_string();
        let mut env = Env::from_lookup(|n| (n == "HOME").then(|| home.clone()));
        env.root = dir.path().into();
        let chosen = |name: &str, full: &str| Chosen::new(name, &Reference::parse(full).unwrap());
        chosen("a/b", "quay.io/a/b:1").record(&env).unwrap();
        chosen("debian", "debian").record(&env).unwrap();
        chosen("a/b", "r.io:5000/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000")
            .record(&env)
            .unwrap();
        let path = file::recorded_aliases(&env).unwrap();
        let kept = file::read(&path).unwrap().unwrap().aliases;
        let want = [("a/b", "r.io:5000/a/b"), ("debian", "docker.io/library/debian")];
        assert_eq!(kept, want.into_iter().map(|(k, v)| (k.into(), v.into())).collect());
        std::fs::write(&path, "= =").unwrap();
        let e = chosen("x", "quay.io/x").record(&env).unwrap_err().to_string();
        assert!(e.contains("short-name-aliases.conf"), "{e}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "= =");
    }
}
