//! Directories that a layer only implies.
//!
//! An archive may hold `etc/passwd` without `etc/`. The directory then exists in the layer with made-up attributes,
//! and would show them instead of those of the layers below. Layers are extracted in isolation, so this is mended when
//! all of an image's layers are there.

use super::dirs::open_dir;
use super::meta::timestamps;
use super::{OVERRIDE_STAT, printable};
use crate::error::{Context, Result};
use crate::image::tar::Time;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Gives the directories `implied` of the layer `root` the mode, owner and time that they have in the nearest of the
/// layers below (`lowers`, nearest first) which has them; 0755 root:root where none has.
pub fn inherit_implied(root: BorrowedFd<'_>, implied: &[String], lowers: &[OwnedFd]) -> Result<()> {
    // Children first: the attributes of a parent may forbid what a child still needs.
    for path in implied.iter().rev() {
        let name = || format!("extract directory {}", printable(path.as_bytes()));
        let Some(dir) = open_dir(root, path.as_bytes()).with_context(name)? else { continue };
        match below(lowers, path.as_bytes()).with_context(name)? {
            Some(model) => copy(&dir, &model).with_context(name)?,
            None => rustix::fs::fchmod(&dir, Mode::from_raw_mode(0o755)).with_context(name)?,
        }
    }
    Ok(())
}

struct Model {
    stat: Stat,
    owner: Option<Vec<u8>>,
}

fn copy(dir: &OwnedFd, model: &Model) -> Result<()> {
    let stat = &model.stat;
    if (stat.st_uid, stat.st_gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        match rustix::fs::fchown(dir, Some(uid), Some(gid)) {
            // A single-id map: the real owner is in the attribute.
            Err(Errno::INVAL | Errno::PERM) => {}
            other => other.context("set its owner")?,
        }
    }
    if let Some(owner) = &model.owner {
        let _ = rustix::fs::fsetxattr(dir, OVERRIDE_STAT, owner, XattrFlags::empty());
    }
    rustix::fs::fchmod(dir, Mode::from_raw_mode(stat.st_mode & 0o7777)).context("set its mode")?;
    let time = Time { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 };
    rustix::fs::futimens(dir, &timestamps(time)).context("set its time")
}

/// The directory as an overlay of `lowers` would show it.
fn below(lowers: &[OwnedFd], path: &[u8]) -> Result<Option<Model>> {
    for lower in lowers {
        match look(lower.as_fd(), path)? {
            Look::Found(model) => return Ok(Some(model)),
            Look::Absent => {}
            Look::Hidden => return Ok(None),
        }
    }
    Ok(None)
}

enum Look {
    Found(Model),
    /// Look further below.
    Absent,
    /// Nothing below counts: a whiteout, an opaque directory or another kind of file is in the way.
    Hidden,
}

fn look(root: BorrowedFd<'_>, path: &[u8]) -> Result<Look> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut dir = rustix::fs::openat(root, ".", flags, Mode::empty()).context("look at a lower layer")?;
    let mut hidden = false;
    for name in path.split(|b| *b == b'/').filter(|n| !n.is_empty()) {
        hidden |= is_opaque(&dir);
        let stat = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(if hidden { Look::Hidden } else { Look::Absent }),
            Err(e) => return Err(e).context("look at a lower layer"),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(Look::Hidden);
        }
        dir = rustix::fs::openat(&dir, name, flags, Mode::empty()).context("look at a lower layer")?;
    }
    let mut value = vec![0; 256];
    let owner = rustix::fs::fgetxattr(&dir, OVERRIDE_STAT, &mut value[..]).ok().map(|n| value[..n].to_vec());
    Ok(Look::Found(Model { stat: rustix::fs::fstat(&dir).context("look at a lower layer")?, owner }))
}

fn is_opaque(dir: &OwnedFd) -> bool {
    let mut value = [0; 1];
    rustix::fs::fgetxattr(dir, "user.overlay.opaque", &mut value).is_ok_and(|n| n == 1 && value == *b"y")
}
