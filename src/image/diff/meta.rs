//! What tars keep of files besides their content.

use crate::image::apply::OVERRIDE_STAT;
use crate::image::tar::{Entry, Kind, Time};
use rustix::fs::Stat;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// The owner to write down: in the one-id mode files and directories carry the one that they should have.
pub fn owner(stat: &Stat, fd: Option<BorrowedFd<'_>>) -> (u32, u32) {
    let mut value = [0u8; 64];
    let recorded = fd.and_then(|fd| rustix::fs::fgetxattr(fd, OVERRIDE_STAT, &mut value[..]).ok());
    recorded.and_then(|n| parse_owner(&value[..n])).unwrap_or((stat.st_uid, stat.st_gid))
}

/// `uid:gid:mode`; the mode is the file's own.
fn parse_owner(text: &[u8]) -> Option<(u32, u32)> {
    let mut parts = std::str::from_utf8(text).ok()?.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(super) fn entry(stat: &Stat, path: &[u8], kind: Kind, owner: (u32, u32), newest: Option<i64>) -> Entry {
    let mut mtime = Time { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
    if let Some(newest) = newest
        && mtime.secs >= newest
    {
        mtime = Time { secs: newest, nanos: 0 };
    }
    let (uid, gid) = owner;
    Entry { path: path.to_vec(), kind, mode: stat.st_mode & 0o7777, uid, gid, mtime, ..Entry::default() }
}

/// The attributes that belong to a file wherever it is, sorted by name: the user's, capabilities, access control lists.
/// None where the file system has none.
pub fn attributes(fd: BorrowedFd<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0u8; 1024];
    let length = loop {
        match rustix::fs::flistxattr(fd, &mut list[..]) {
            Ok(0) => return Vec::new(),
            Ok(length) => break length,
            Err(Errno::RANGE) if list.len() < 64 << 10 => list.resize(list.len() * 8, 0),
            Err(_) => return Vec::new(),
        }
    };
    let mut all: Vec<_> = list[..length]
        .split(|b| *b == 0)
        .filter(|name| is_kept(name))
        .filter_map(|name| {
            let mut value = vec![0u8; 64 << 10];
            let length = rustix::fs::fgetxattr(fd, name, &mut value[..]).ok()?;
            value.truncate(length);
            if name == b"security.capability" {
                plain_capability(&mut value);
            }
            Some((name.to_vec(), value))
        })
        .collect();
    all.sort();
    all
}

fn is_kept(name: &[u8]) -> bool {
    const OURS: [&[u8]; 3] = [b"user.overlay.", b"user.fuseoverlayfs.", OVERRIDE_STAT.as_bytes()];
    let known = name.starts_with(b"user.") || name == b"security.capability" || name.starts_with(b"system.posix_acl_");
    known && !OURS.iter().any(|p| name.starts_with(p))
}

/// Version 3 names the root of a user namespace, which means nothing elsewhere (capabilities(7), "File capability
/// versioning").
fn plain_capability(value: &mut Vec<u8>) {
    if value.len() == 24 && value[3] == 3 {
        value.truncate(20);
        value[3] = 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_recorded_owners_and_frees_capabilities() {
        assert_eq!(parse_owner(b"33:4:0755"), Some((33, 4)));
        assert_eq!(parse_owner(b"x"), None);
        let mut value: Vec<u8> = [1, 0, 0, 3].into_iter().chain([9; 20]).collect();
        plain_capability(&mut value);
        assert_eq!((value.len(), value[3]), (20, 2));
        assert!(is_kept(b"user.mine") && !is_kept(b"user.overlay.opaque") && !is_kept(b"trusted.x"));
    }
}
