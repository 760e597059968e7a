//! Owners, modes, extended attributes and times.

use super::{Applier, DirMeta, OVERRIDE_STAT, Owners, printable};
use crate::error::{Context, Error, Result};
use crate::image::tar::{Entry, Kind, Time};
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// This process's umask, read without changing it (proc(5), Linux 4.7; older kernels: assume the usual one).
pub(super) fn umask() -> Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("Umask:")).unwrap_or("0022");
    u32::from_str_radix(line.trim(), 8).map_err(|_| Error::bug("read this process's umask"))
}

/// What may become an extended attribute of an extracted file.
fn wanted(name: &[u8]) -> bool {
    // overlayfs and the engine itself act on these: a layer must not be able to forge them.
    const OURS: [&[u8]; 4] = [b"user.overlay.", b"user.containers.", b"user.fuseoverlayfs.", b"user.coracle."];
    let ours = OURS.iter().any(|p| name.starts_with(p));
    let known = name.starts_with(b"user.") || name == b"security.capability" || name.starts_with(b"system.posix_acl_");
    known && !ours
}

/// Extended attributes that must be set after the owner: chown(2) clears them.
fn after_owner(name: &[u8]) -> bool {
    !name.starts_with(b"user.")
}

pub(super) fn timestamps(time: Time) -> Timestamps {
    let spec = Timespec { tv_sec: time.secs, tv_nsec: time.nanos.into() };
    Timestamps { last_access: spec, last_modification: spec }
}

impl Applier {
    /// Owner, attributes, mode and time of a regular file just created with `created` as its mode.
    pub(super) fn file_meta(&mut self, file: &OwnedFd, entry: &Entry, created: u32) -> Result<()> {
        self.xattrs(file.as_fd(), &entry.path, &entry.xattrs, false)?;
        let chowned = self.chown_fd(file, &entry.path, entry.uid, entry.gid, entry.mode)?;
        // chown(2) clears set-id bits, so the mode comes after it; often it is right already.
        let exact = self.umask_zero && created == entry.mode;
        if !exact || (chowned && entry.mode & 0o6000 != 0) {
            rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).context("set its mode")?;
        }
        self.xattrs(file.as_fd(), &entry.path, &entry.xattrs, true)?;
        rustix::fs::futimens(file, &timestamps(entry.mtime)).context("set its time")
    }

    pub(super) fn directory_meta(&mut self, dir: &OwnedFd, path: &[u8], meta: &DirMeta) -> Result<()> {
        self.xattrs(dir.as_fd(), path, &meta.xattrs, false)?;
        self.chown_fd(dir, path, meta.uid, meta.gid, meta.mode)?;
        rustix::fs::fchmod(dir, Mode::from_raw_mode(meta.mode)).context("set its mode")?;
        self.xattrs(dir.as_fd(), path, &meta.xattrs, true)?;
        rustix::fs::futimens(dir, &timestamps(meta.mtime)).context("set its time")
    }

    /// Owner, mode and time of a link, fifo or device: things that can't be opened without side effects.
    pub(super) fn special_meta(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        match self.owners {
            Owners::Apply { ids } if (entry.uid, entry.gid) != (0, 0) => {
                let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
                rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| owner_error(e, entry.uid, entry.gid, ids))?;
            }
            Owners::Record if (entry.uid, entry.gid) != (0, 0) => {
                // Only files and directories can carry user.* attributes (xattr(7)).
                self.note(|| format!("owner {}:{} of {} not kept", entry.uid, entry.gid, entry.name()));
            }
            _ => {}
        }
        if entry.kind != Kind::Symlink {
            // It was made here and is no link, so following is harmless (and fchmodat can't do otherwise).
            rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .context("set its mode")?;
        }
        if !entry.xattrs.is_empty() {
            self.note(|| format!("extended attributes of {} not kept: it is no file or directory", entry.name()));
        }
        rustix::fs::utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).context("set its time")
    }

    /// Sets or records the owner; whether chown(2) was called.
    fn chown_fd(&mut self, fd: &OwnedFd, path: &[u8], uid: u32, gid: u32, mode: u32) -> Result<bool> {
        match self.owners {
            // Everything is created with id 0, and no directory is set-gid while entries are made.
            _ if (uid, gid) == (0, 0) => Ok(false),
            Owners::Apply { ids } => {
                rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                    .map_err(|e| owner_error(e, uid, gid, ids))?;
                Ok(true)
            }
            Owners::Record => {
                let value = format!("{uid}:{gid}:0{mode:o}");
                if let Err(e) = rustix::fs::fsetxattr(fd, OVERRIDE_STAT, value.as_bytes(), XattrFlags::empty()) {
                    self.note(|| format!("owner {uid}:{gid} of {} not kept: {e}", printable(path)));
                }
                Ok(false)
            }
        }
    }

    fn xattrs(&mut self, fd: BorrowedFd<'_>, path: &[u8], all: &[(Vec<u8>, Vec<u8>)], after: bool) -> Result<()> {
        for (name, value) in all.iter().filter(|(n, _)| after_owner(n) == after) {
            let refused = if wanted(name) {
                match rustix::fs::fsetxattr(fd, &name[..], value, XattrFlags::empty()) {
                    Ok(()) => continue,
                    Err(Errno::NOSPC | Errno::DQUOT) => {
                        return Err(Errno::NOSPC).context("set its extended attributes");
                    }
                    Err(e) => std::io::Error::from(e).to_string(),
                }
            } else {
                "not for layers to set".to_string()
            };
            let name = printable(name);
            self.note(|| format!("extended attribute {name} of {} not kept: {refused}", printable(path)));
        }
        Ok(())
    }
}

fn owner_error(e: Errno, uid: u32, gid: u32, ids: u64) -> Error {
    let error = Error::errno(e.raw_os_error(), format!("give it to {uid}:{gid}"));
    match e {
        Errno::INVAL => error.hint(format!(
            "the image needs id {}, but only {ids} ids are mapped: give the user a larger range in /etc/subuid and /etc/subgid",
            uid.max(gid)
        )),
        _ => error,
    }
}
