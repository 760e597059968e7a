//! User namespaces: which ids the user may map, and how they get into a new namespace.
//!
//! The ladder: subordinate ranges through newuidmap/newgidmap (`Full`), the user's own id alone (`OneId`), and for
//! root the identity map of every id that root has (`Root`).

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How much of the id space a container gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 0 is the user, 1.. are the subordinate ranges.
    Full,
    /// Only 0, which is the user.
    OneId,
    /// The caller is root: identity map of all ids of the caller.
    Root,
}

/// One line of an id map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// The id map of a container: the same for all containers of a user, unless keep-id asks for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    pub level: Level,
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
    /// Why the level is lower than it could be; see [`IdMap::note`].
    #[serde(default)]
    pub reason: Option<String>,
}

impl IdMap {
    /// The best map this user can have. Cheap (two small files): called at each start.
    pub fn detect() -> Result<IdMap> {
        Err(Error::unsupported("detect the id map: not built yet"))
    }
    /// The same ids, arranged so that the user's own ids are `uid`:`gid` inside.
    pub fn keep_id(&self, _uid: u32, _gid: u32) -> Result<IdMap> {
        Err(Error::unsupported("arrange a keep-id map: not built yet"))
    }
    /// How many user ids the container sees.
    pub fn container_ids(&self) -> u64 {
        self.uids.iter().map(|r| u64::from(r.count)).sum()
    }
    /// One line for stderr when containers get fewer ids than usual.
    pub fn note(&self) -> Option<String> {
        self.reason.clone()
    }
}

/// Writes the maps of the process `pid`, the first one in a new user namespace.
pub fn write_maps(_pid: i32, _map: &IdMap) -> Result<()> {
    Err(Error::unsupported("write id maps: not built yet"))
}
