//! Named volumes: `<data>/volumes/<name>/{_data,meta.json}`.

use crate::error::{Error, Result};
use crate::state::paths::Paths;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// Makes a volume; `Kind::Conflict` when it exists.
pub fn create(_paths: &Paths, _volume: &Volume) -> Result<Volume> {
    Err(Error::unsupported("create a volume: not built yet"))
}

/// The volume, made when it does not exist yet.
pub fn ensure(_paths: &Paths, _name: &str, _anonymous: bool) -> Result<Volume> {
    Err(Error::unsupported("create a volume: not built yet"))
}

/// `Kind::NotFound` when there is no such volume.
pub fn get(_paths: &Paths, _name: &str) -> Result<Volume> {
    Err(Error::unsupported("read a volume: not built yet"))
}

/// All volumes by name.
pub fn list(_paths: &Paths) -> Result<Vec<Volume>> {
    Err(Error::unsupported("list volumes: not built yet"))
}

/// Removes the volume and its files. Whether a container still uses it is the caller's question.
/// Files of mapped ids: the tree is renamed to `<data>/trash`, where the engine's sweep finds it.
pub fn remove(_paths: &Paths, _name: &str) -> Result<()> {
    Err(Error::unsupported("remove a volume: not built yet"))
}
