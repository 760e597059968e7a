//! Named volumes: `<data>/volumes/<name>/{_data,meta.json}`.
//!
//! A volume exists completely or not at all (made in `tmp/`, renamed into place). What the image has at the mount
//! point is copied by PID 1 when an empty volume is first mounted (`runtime::copyup`).

mod options;

pub use options::Backing;

use crate::error::{Context, Error, IntoError, Kind, Result};
use crate::state::atomic::{self, Class};
use crate::state::gcdir::{self, Staging};
use crate::state::paths::Paths;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The newest `meta.json` that this build writes.
const SCHEMA: u32 = 1;

/// `meta.json` of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    pub version: u32,
    pub name: String,
    /// RFC 3339.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    /// Made by a container for itself: goes with it.
    pub anonymous: bool,
}

impl Volume {
    /// The directory that containers see.
    pub fn data(&self, paths: &Paths) -> PathBuf {
        data_dir(paths, &self.name)
    }
}

/// Where the files of volume `name` are.
pub fn data_dir(paths: &Paths, name: &str) -> PathBuf {
    paths.volumes().join(name).join("_data")
}

fn check_name(name: &str) -> Result<()> {
    if crate::spec::volumes::valid_name(name) {
        return Ok(());
    }
    Err(Error::user(format!("read volume name '{name}'"))
        .hint("a name starts with a letter or digit and has letters, digits, '_', '.' and '-'"))
}

/// Makes a volume; `Kind::Conflict` when it exists. `version` and an empty `created` are filled in.
pub fn create(paths: &Paths, volume: &Volume) -> Result<Volume> {
    check_name(&volume.name)?;
    volume.backing()?;
    let mut volume = Volume { version: SCHEMA, ..volume.clone() };
    if volume.created.is_empty() {
        volume.created = crate::state::events::now();
    }
    let named = || format!("create volume {}", volume.name);
    let target = paths.volumes().join(&volume.name);
    if target.exists() {
        return Err(Error::conflict(format!("{}: it exists already", named())));
    }
    atomic::make_dirs(&paths.volumes())?;
    // Two processes may make the same volume at once: the loser of the rename is told that it exists.
    let staging = Staging::new(paths, &format!("volume-{}-{}", volume.name, std::process::id())).with_context(named)?;
    let data = staging.path().join("_data");
    rustix::fs::mkdir(&data, Mode::from_raw_mode(0o755)).with_context(|| format!("create {}", data.display()))?;
    // The mode must not depend on the caller's umask: the container's users have to get in.
    rustix::fs::chmod(&data, Mode::from_raw_mode(0o755)).with_context(|| format!("chmod {}", data.display()))?;
    rustix::fs::chmod(staging.path(), Mode::from_raw_mode(0o755))
        .with_context(|| format!("chmod {}", staging.path().display()))?;
    let class = if volume.anonymous { Class::Volatile } else { Class::Durable };
    atomic::write_json(&staging.path().join("meta.json"), &volume, class)?;
    match staging.publish(&target) {
        Ok(()) => {}
        Err(e) if e.is_errno(libc::EEXIST) || e.is_errno(libc::ENOTEMPTY) => {
            return Err(Error::conflict(format!("{}: it exists already", named())));
        }
        Err(e) => return Err(e.context(named())),
    }
    if class == Class::Durable {
        atomic::sync_dir(&paths.volumes())?;
    }
    Ok(volume)
}

/// `meta.json` for a volume whose own is lost: no labels, made now.
pub fn record(name: &str) -> Result<Vec<u8>> {
    let created = crate::state::events::now();
    let volume = Volume { version: SCHEMA, name: name.to_string(), created, ..Volume::default() };
    serde_json::to_vec(&volume).with_context(|| format!("encode the record of volume {name}"))
}

/// The volume, made when it does not exist yet.
pub fn ensure(paths: &Paths, name: &str, anonymous: bool) -> Result<Volume> {
    match get(paths, name) {
        Err(e) if e.kind == Kind::NotFound => {}
        other => return other,
    }
    match create(paths, &Volume { name: name.to_string(), anonymous, ..Volume::default() }) {
        Err(e) if e.kind == Kind::Conflict => get(paths, name),
        other => other,
    }
}

/// `Kind::NotFound` when there is no such volume.
pub fn get(paths: &Paths, name: &str) -> Result<Volume> {
    check_name(name)?;
    let missing = || Error::not_found(format!("find volume {name}: no such volume"));
    match atomic::read_json::<Volume>(&paths.volumes().join(name).join("meta.json")) {
        Ok(volume) if volume.version > SCHEMA => {
            Err(Error::unsupported(format!("read volume {name}: a newer coracle wrote it")))
        }
        Ok(volume) => Ok(volume),
        Err(e) if e.kind == Kind::NotFound || e.is_errno(libc::ENOENT) => Err(missing()),
        // Those of anonymous volumes are not synced, and a power cut may empty them; it has to be found all the same,
        // to be pruned.
        Err(_) if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Volume { version: SCHEMA, name: name.to_string(), anonymous: true, ..Volume::default() })
        }
        Err(e) => Err(e.context(format!("read volume {name}"))),
    }
}

/// All volumes by name; a damaged one is left out.
pub fn list(paths: &Paths) -> Result<Vec<Volume>> {
    let dir = paths.volumes();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.context(format!("read {}", dir.display()))),
    };
    let mut volumes: Vec<Volume> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| get(paths, &name).ok())
        .collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

/// Removes the volume and its files. Whether a container still uses it is the caller's question.
/// Files of mapped ids stay in `<data>/trash`, where the engine's sweep finds them.
pub fn remove(paths: &Paths, name: &str) -> Result<()> {
    let trashed = discard(paths, name)?;
    let _ = gcdir::remove_tree(&trashed);
    Ok(())
}

/// Moves the volume to the trash: it does not exist any more. Gives the place of its files.
pub fn discard(paths: &Paths, name: &str) -> Result<PathBuf> {
    check_name(name)?;
    let path = paths.volumes().join(name);
    if !path.exists() {
        return Err(Error::not_found(format!("find volume {name}: no such volume")));
    }
    gcdir::discard(paths, &path).map_err(|e| e.context(format!("remove volume {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_of_a_volume() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
        assert!(list(&paths).unwrap().is_empty());
        assert_eq!(get(&paths, "v").unwrap_err().kind, Kind::NotFound);
        let made = ensure(&paths, "v", false).unwrap();
        assert!(made.data(&paths).is_dir() && !made.created.is_empty());
        assert_eq!(ensure(&paths, "v", true).unwrap(), made);
        assert_eq!(create(&paths, &made).unwrap_err().kind, Kind::Conflict);
        let labels = [("a".to_string(), "b".to_string())].into();
        create(&paths, &Volume { name: "a".into(), labels, ..Volume::default() }).unwrap();
        assert_eq!(list(&paths).unwrap().iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["a", "v"]);
        std::fs::write(made.data(&paths).join("f"), "x").unwrap();
        remove(&paths, "v").unwrap();
        assert_eq!(remove(&paths, "v").unwrap_err().kind, Kind::NotFound);
        assert!(gcdir::garbage(&paths).is_empty());
    }

    #[test]
    fn an_anonymous_volume_survives_the_loss_of_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
        let name = "0123456789abcdef".repeat(4);
        for name in [&name, "named"] {
            ensure(&paths, name, true).unwrap();
            std::fs::write(paths.volumes().join(name).join("meta.json"), "{").unwrap();
        }
        let left: Vec<_> = list(&paths).unwrap().into_iter().map(|v| (v.name, v.anonymous)).collect();
        assert_eq!(left, [(name, true)]);
    }

    #[test]
    fn odd_names_never_reach_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path());
        for bad in ["", "../x", "a/b", ".", "-x"] {
            assert_eq!(ensure(&paths, bad, false).unwrap_err().kind, Kind::User, "{bad}");
            assert!(remove(&paths, bad).is_err());
        }
    }
}
