//! What both ends share: roots to resolve paths in, and limits.

use crate::error::Result;
use crate::image::OVERRIDE_STAT;
use crate::sys::rooted;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Directories may nest this deep: each level costs a descriptor.
pub(super) const MAX_DEPTH: usize = 500;

/// Whose the copies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// Whoever extracts: the container's root, or the user on the host (docker's rule).
    Extractor,
    /// `-a`: as at the source, where ids and privileges allow it.
    Recorded,
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Style {
    /// A copy: what belongs to the place it comes from (attributes of overlays, access lists) stays behind.
    Copy,
    /// The files of a volume, as they are. `one_id`: owners are recorded, for want of ids to give them.
    Volume { one_id: bool },
}

/// Where paths begin.
#[derive(Debug)]
pub(in crate::engine) enum Root {
    /// Paths as this process sees them.
    Host,
    /// Inside this directory, which no symlink or `..` leaves.
    Inside(OwnedFd),
}

impl Root {
    pub(super) fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        match self {
            Root::Host => {
                let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
            }
            Root::Inside(fd) => rooted::open(fd.as_fd(), path, flags),
        }
    }

    /// Whether symlinks of the tree below may be followed: inside a container's root they can lead nowhere else.
    pub(super) fn is_confined(&self) -> bool {
        matches!(self, Root::Inside(_))
    }
}

/// Raises the soft limit of open files: deep trees hold a descriptor a level.
pub(super) fn many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

/// Bytes as a path.
pub(super) fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

/// The parts of a path of a stream; an error for `..`, which no honest stream has.
pub(super) fn parts(path: &[u8]) -> Result<Vec<&[u8]>> {
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
    if parts.iter().any(|p| *p == b"..") || parts.len() > MAX_DEPTH + 1 {
        return Err(crate::error::Error::user(format!(
            "extract '{}': the path leaves the destination",
            String::from_utf8_lossy(path)
        )));
    }
    Ok(parts)
}

/// Whether a stream of this style carries the extended attribute.
pub(super) fn is_kept(name: &[u8], style: Style) -> bool {
    let user = name.starts_with(b"user.");
    match style {
        Style::Copy => name == b"security.capability" || (user && !name.starts_with(b"user.overlay.")),
        // What the engine itself writes into it stands for the owner, which the entry has.
        Style::Volume { one_id: true } if name == OVERRIDE_STAT.as_bytes() => false,
        Style::Volume { .. } => user || name == b"security.capability" || name.starts_with(b"system.posix_acl_"),
    }
}
