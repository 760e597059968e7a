//! The store as a whole: its version file and its directories.

use super::atomic::{self, Class, make_dirs};
use super::paths::Paths;
use crate::error::{Error, Kind, Result};

/// The store format that this build writes; it reads all older ones.
pub const VERSION: u32 = 1;

/// The directories of the data directory.
pub const DIRECTORIES: &[&str] = &[
    "blobs",
    "build",
    "containers",
    "layers",
    "leases",
    "names",
    "networks",
    "partial",
    "tmp",
    "trash",
    "views",
    "volumes",
];
/// Its files.
pub const FILES: &[&str] = &[
    "version",
    "lock",
    "oci-layout",
    "index.json",
    "index.json.damaged",
    "index.lock",
    "held-layers",
    "events.jsonl",
    "events.jsonl.1",
    "places.json",
];

/// Whether an entry of the data directory is one that coracle makes there.
pub fn is_ours(name: &str) -> bool {
    DIRECTORIES.contains(&name) || FILES.contains(&name) || is_temporary(name)
}

/// Whether it is what a process leaves that dies within [`atomic::write`] to one of [`FILES`].
pub fn is_temporary(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|rest| rest.rsplit_once('.'));
    parts.is_some_and(|(file, pid)| FILES.contains(&file) && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
}

/// Makes the store's directories and version file where they are missing, and refuses a newer store. Writers call it
/// first; readers work without.
pub fn open(paths: &Paths) -> Result<()> {
    match check(paths) {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(e) => return Err(e),
    }
    for dir in [paths.data.clone(), paths.containers(), paths.names(), paths.tmp(), paths.trash()] {
        make_dirs(&dir).map_err(|e| e.hint("choose a writable directory with --root DIR"))?;
    }
    atomic::write(&paths.data.join("version"), format!("{VERSION}\n").as_bytes(), Class::Durable)
}

/// Whether the store exists in a version that we understand.
pub fn check(paths: &Paths) -> Result<bool> {
    let path = paths.data.join("version");
    let text = match atomic::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind == Kind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let text = String::from_utf8_lossy(&text);
    match text.trim().parse::<u32>() {
        Ok(version) if version <= VERSION => Ok(true),
        Ok(version) => Err(Error::unsupported(format!("open store {}: version {version}", paths.data.display()))
            .hint(format!("this coracle knows versions up to {VERSION}; use a newer one, or another --root"))),
        // An empty version file is what a power cut leaves of the very first command.
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_entries() {
        for name in ["version", "layers", ".index.json.4711"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["photos", ".bashrc", ".index.json.x", ".photos.1", "", ".", "version2"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn makes_and_checks_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("a/b"), dir.path());
        assert!(!check(&paths).unwrap());
        open(&paths).unwrap();
        assert!(check(&paths).unwrap() && paths.names().is_dir());
        std::fs::write(paths.data.join("version"), "99\n").unwrap();
        assert_eq!(open(&paths).unwrap_err().kind, Kind::Unsupported);
        std::fs::write(paths.data.join("version"), "").unwrap();
        open(&paths).unwrap();
        assert!(check(&paths).unwrap());
    }
}
