//! `system reset`: deletes all data of coracle's own, by name. What coracle did not make stays where it is, and a data
//! directory that can't be a store is refused.

use super::Ctx;
use super::rm::{self, RmOptions};
use crate::error::{Context, Error, IntoError, Result};
use crate::monitor::remove;
use crate::state::lock::{Flock, Life};
use crate::state::{containers, names, store};
use crate::userns::IdMap;
use std::path::{Path, PathBuf};

/// What is there to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub containers: usize,
    pub running: usize,
    pub layers: usize,
    pub volumes: usize,
    /// What coracle did not make: it stays.
    pub foreign: Vec<PathBuf>,
}

/// Looks at the data directory; `None` when there is none.
///
/// # Errors
/// `User` when it is no directory of coracle's own: the root directory, a home directory (`home`) or one above it, a
/// directory with other files and no sign of a store.
pub fn contents(ctx: &Ctx, home: Option<&Path>) -> Result<Option<Contents>> {
    let data = &ctx.paths.data;
    let named = || format!("reset {}", data.display());
    let real = match data.canonicalize() {
        Ok(real) => real,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.context(named())),
    };
    let home = home.and_then(|home| home.canonicalize().ok());
    let refuse = |why: &str| Err(Error::user(format!("{}: {why}", named())).hint("check --root"));
    if real.parent().is_none() {
        return refuse("it is the root directory");
    }
    if home.is_some_and(|home| home.starts_with(&real)) {
        return refuse("a home directory is in it");
    }
    if !real.is_dir() {
        return refuse("it is no directory");
    }
    let own = Own::find(&real)?;
    let signs = ["version", "oci-layout", "index.json"];
    if !own.foreign.is_empty() && !signs.iter().any(|name| real.join(name).is_file()) {
        return refuse("it has other files, and nothing says that it is a store");
    }
    let count = |dir: &str| own.children.iter().filter(|p| p.parent().is_some_and(|d| d.ends_with(dir))).count();
    let ids = containers::ids(&ctx.paths).unwrap_or_default();
    let running = ids.iter().filter(|id| Life::held(&ctx.paths.container(id).life()).unwrap_or(true)).count();
    Ok(Some(Contents {
        containers: count("containers"),
        running,
        layers: count("layers"),
        volumes: count("volumes"),
        foreign: own.foreign,
    }))
}

/// Stops all containers and deletes the store; gives what stayed because coracle did not make it. Call [`contents`]
/// first, which refuses what must not be deleted.
///
/// # Errors
/// `Conflict` when a process uses the store. When something can't be deleted the rest is deleted all the same.
pub fn reset(ctx: &Ctx, home: Option<&Path>) -> Result<Vec<PathBuf>> {
    if contents(ctx, home)?.is_none() {
        return Ok(Vec::new());
    }
    let paths = &ctx.paths;
    let mut failed: Option<Error> = None;
    for id in containers::ids(paths).unwrap_or_default() {
        let options = RmOptions { force: true, volumes: true, timeout: None };
        if let Err(e) = rm::rm(ctx, &id, options)
            && Life::held(&paths.container(&id).life()).unwrap_or(true)
        {
            // Its monitor would write into what is being deleted.
            failed.get_or_insert(e);
        }
    }
    if let Some(e) = failed {
        return Err(e.context("reset the store"));
    }
    // Whoever adds to the store holds its lock.
    let lock = paths.store_lock();
    let _lock = match Flock::try_exclusive(&lock) {
        Ok(Some(lock)) => Some(lock),
        Ok(None) => {
            return Err(Error::conflict("reset the store: a pull, a build or the like adds to it")
                .hint("wait for it, or end it"));
        }
        // It is no file: then nobody can hold it.
        Err(_) => None,
    };
    let real = paths.data.canonicalize().with_context(|| format!("reset {}", paths.data.display()))?;
    let own = Own::find(&real)?;
    let idmap = IdMap::detect().ok();
    for path in own.children.iter().chain(&own.files) {
        remove::destroy(path, idmap.as_ref());
    }
    for dir in &own.directories {
        // Not where something foreign is in it.
        let _ = std::fs::remove_dir(dir);
    }
    for name in ["c", "net", "remote-ignored"] {
        remove::destroy(&paths.run.join(name), None);
    }
    let _ = std::fs::remove_dir(&paths.run);
    let stayed = own.children.iter().chain(&own.files).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = stayed {
        return Err(Error::conflict(format!("delete {}: something of it stays", path.display()))
            .hint("an administrator can delete it"));
    }
    if !paths.data.is_symlink() {
        let _ = std::fs::remove_dir(&real);
    }
    Ok(own.foreign)
}

/// What coracle made in a data directory, and what it did not make.
#[derive(Debug, Default)]
struct Own {
    files: Vec<PathBuf>,
    /// Entries of its directories, with all they hold.
    children: Vec<PathBuf>,
    /// The directories themselves, inner ones first.
    directories: Vec<PathBuf>,
    foreign: Vec<PathBuf>,
}

impl Own {
    fn find(data: &Path) -> Result<Own> {
        let mut own = Own::default();
        let entries = std::fs::read_dir(data).with_context(|| format!("read {}", data.display()))?;
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && store::is_ours(&name) && !store::DIRECTORIES.contains(&name.as_str()) {
                own.files.push(path);
            } else if is_dir && name == "blobs" {
                // One level deeper than the others.
                let blobs = path.join("sha256");
                own.children_of(&path, |name| name == "sha256" && blobs.is_dir() && !blobs.is_symlink());
                if own.children.pop_if(|child| *child == blobs).is_some() {
                    own.directory(&blobs, |name| is_hex(name, 64));
                }
                own.directories.push(path);
            } else if is_dir && store::DIRECTORIES.contains(&name.as_str()) {
                let dir = path.clone();
                own.directory(&path, |child| made(&name, &dir, child));
            } else {
                // A link in the place of a directory leads to what the user has put there.
                own.foreign.push(path);
            }
        }
        own.foreign.sort();
        Ok(own)
    }

    fn directory(&mut self, dir: &Path, ours: impl Fn(&str) -> bool) {
        self.children_of(dir, ours);
        self.directories.push(dir.to_path_buf());
    }

    fn children_of(&mut self, dir: &Path, ours: impl Fn(&str) -> bool) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if ours(&name) { self.children.push(entry.path()) } else { self.foreign.push(entry.path()) }
        }
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether coracle makes entries of this name in this directory of the store.
fn made(kind: &str, dir: &Path, name: &str) -> bool {
    let layer = |name: &str| name.split_once('-').is_some_and(|(chain, map)| is_hex(chain, 64) && is_hex(map, 8));
    match kind {
        "containers" => is_hex(name, 64),
        "layers" => layer(name.split(".replaced-").next().unwrap_or_default()),
        "views" => layer(name),
        "names" => names::check(name).is_ok() && dir.join(name).is_symlink(),
        "volumes" => {
            let volume = dir.join(name);
            crate::spec::volumes::valid_name(name)
                && !volume.is_symlink()
                && (volume.join("_data").is_dir() || volume.join("meta.json").is_file())
        }
        "partial" => is_hex(name.strip_suffix(".pull").unwrap_or(name), 64),
        // Ours by purpose: whatever is made or deleted passes through them.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let hex = "0123456789abcdef".repeat(4);
        let ours = [
            "version".to_string(),
            format!("blobs/sha256/{hex}"),
            format!("layers/{hex}-01234567/diff/x"),
            format!("layers/{hex}-01234567.replaced-89abcdef/diff/x"),
            format!("containers/{hex}/config.json"),
            "volumes/v/_data/f".into(),
            "tmp/anything".into(),
        ];
        let foreign = ["photo.jpg", "blobs/x", "blobs/sha256/x", "layers/x", "containers/notes.txt", "volumes/w/x"];
        for path in ours.iter().map(String::as_str).chain(foreign) {
            let path = data.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("/", data.join("views")).unwrap();
        let own = Own::find(data).unwrap();
        let relative = |path: &PathBuf| path.strip_prefix(data).unwrap().display().to_string();
        let found: Vec<String> = own.foreign.iter().map(relative).collect();
        assert_eq!(
            found,
            ["blobs/sha256/x", "blobs/x", "containers/notes.txt", "layers/x", "photo.jpg", "views", "volumes/w"]
        );
        assert_eq!(own.children.len() + own.files.len(), ours.len());
    }
}
