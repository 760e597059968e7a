//! Jobs of the `work` stage that other areas need.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Request of `remove-tree`: deletes `path` and all below it, whoever of the mapped ids owns it. Answer: null.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveTree {
    pub path: PathBuf,
}

/// Request of `chown-tree`: gives `path` and all below it to `uid`:`gid` (ids inside the map). Answer: null.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChownTree {
    pub path: PathBuf,
    pub uid: u32,
    pub gid: u32,
}

/// The root file system of a stopped container, for jobs that need to see it ([`mount_root`]).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Top-most first; empty with `rootfs`.
    pub lowers: Vec<PathBuf>,
    pub upper: PathBuf,
    pub work: PathBuf,
    /// `--rootfs DIR`, used in place.
    pub rootfs: Option<PathBuf>,
    /// The id map is not the store's (keep-id).
    #[serde(default)]
    pub readonly: bool,
}

/// Mounts a stopped container's root inside a job (`WorkNs::New`) and gives a descriptor of it (O_PATH directory, a
/// detached mount: gone when the job ends). Use it with openat2(RESOLVE_IN_ROOT) only.
pub fn mount_root(_root: &RootFs) -> Result<OwnedFd> {
    Err(Error::unsupported("mount a root file system: not built yet"))
}

/// Job `remove-tree`.
pub fn remove_tree(_request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    Err(Error::unsupported("remove a tree: not built yet"))
}

/// Job `chown-tree`.
pub fn chown_tree(_request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    Err(Error::unsupported("chown a tree: not built yet"))
}
