//! Applies one layer's tar stream to an empty directory, in overlayfs's on-disk form.
//!
//! The stream is hostile. Every path is resolved by the kernel with openat2(RESOLVE_IN_ROOT) below the layer's
//! directory, as it would be after chroot(2); names in their directory are created O_EXCL|O_NOFOLLOW. Layers are
//! extracted in isolation from those below, so that they can be extracted at the same time and shared.
//!
//! Whiteouts (OCI image-spec layer.md) become what overlayfs reads with `userxattr`: a 0:0 character device, and
//! `user.overlay.opaque=y` on directories.

mod dirs;
mod entry;
mod fixup;
mod meta;
#[cfg(test)]
mod tests;

pub use fixup::inherit_implied;

use super::Digest;
use super::tar::TarReader;
use super::tree::Contents;
use crate::error::{Context, Error, Result};
use dirs::Parents;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};

/// What to do with owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owners {
    /// chown(2); an id outside the map is an error that says how many ids there are.
    Apply { ids: u64 },
    /// Only one id is mapped: everything belongs to it, and the intended owner is kept in the extended attribute
    /// [`OVERRIDE_STAT`] of files and directories.
    Record,
}

/// `uid:gid:mode` in decimal and octal, as containers/storage and fuse-overlayfs write and read it.
pub const OVERRIDE_STAT: &str = "user.containers.override_stat";

/// Bounds of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: u64,
    /// Stored data, in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Far above any real image; they only stop decompression bombs from running for days.
        Limits { entries: 20_000_000, bytes: 4 << 40 }
    }
}

impl Limits {
    /// No more data than the disk of `root` has room for: a file that can't fit is refused before it fills the disk.
    pub fn of_disk(root: &OwnedFd) -> Result<Limits> {
        let disk = rustix::fs::fstatvfs(root).context("measure the free space")?;
        let most = Limits::default();
        Ok(Limits { bytes: most.bytes.min(disk.f_bavail.saturating_mul(disk.f_frsize)), ..most })
    }

    fn too_large(&self) -> Error {
        if self.bytes < Limits::default().bytes {
            let text = format!("extract the layer: its files take more than the {} bytes that are free", self.bytes);
            return Error::errno(libc::ENOSPC, text);
        }
        Error::user(format!("extract the layer: it has more than {} bytes", self.bytes))
    }
}

/// What a layer turned out to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
    /// Directories that exist only because entries below them do; see [`inherit_implied`]. Relative, `""` is the root.
    pub implied: Vec<String>,
    /// The layer hides all layers below it.
    pub opaque_root: bool,
    /// What this host could not extract (devices, attributes), the first [`MAX_NOTES`].
    pub notes: Vec<String>,
    /// How many notes there were.
    pub noted: u64,
    /// Of the lines of the record of its files; see [`crate::image::tree`].
    pub tree: Option<Digest>,
    /// Bytes of the allocated blocks of its files.
    pub allocated: Option<u64>,
    /// Bytes of the tar, uncompressed.
    pub tar: Option<u64>,
}

/// Notes kept in a layer's record.
pub const MAX_NOTES: usize = 50;

/// Extracts `tar` into the empty directory `root` and returns what it held, and what it knows of the files. The caller has umask 0, or `umask` says
/// otherwise; directory times and modes are set last.
pub fn apply<R: BufRead>(
    root: OwnedFd,
    tar: &mut TarReader<R>,
    owners: Owners,
    limits: Limits,
) -> Result<(Report, Contents)> {
    let mut applier = Applier::new(root, owners)?;
    let mut bytes = 0u64;
    while let Some(entry) = tar.next_entry()? {
        applier.report.entries += 1;
        bytes = bytes.saturating_add(entry.size);
        if applier.report.entries > limits.entries {
            return Err(Error::user(format!("extract the layer: it has more than {} entries", limits.entries)));
        }
        // Sparse files store less than their size: their holes are free, so only stored bytes are bounded.
        let stored = entry.sparse.as_ref().map_or(entry.size, |map| map.iter().map(|(_, n)| n).sum());
        applier.stored = applier.stored.saturating_add(stored);
        if applier.stored > limits.bytes {
            return Err(limits.too_large());
        }
        applier.entry(tar)?;
    }
    applier.report.bytes = bytes;
    applier.finish()
}

struct Applier {
    root: OwnedFd,
    owners: Owners,
    /// umask(2) of this process is 0, so that creation modes are exact.
    umask_zero: bool,
    parents: Parents,
    /// Directories' attributes, set at the end: modes could forbid writing, times change with every new entry.
    directories: HashMap<Vec<u8>, DirMeta>,
    /// In order of creation, so that the reverse order meets children before their parents.
    order: Vec<Vec<u8>>,
    implied: BTreeSet<Vec<u8>>,
    report: Report,
    contents: Contents,
    stored: u64,
}

/// What a directory gets at the end.
#[derive(Clone, Debug)]
struct DirMeta {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: super::tar::Time,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Applier {
    fn new(root: OwnedFd, owners: Owners) -> Result<Applier> {
        let mut implied = BTreeSet::new();
        implied.insert(Vec::new());
        Ok(Applier {
            root,
            owners,
            umask_zero: meta::umask()? == 0,
            parents: Parents::default(),
            directories: HashMap::new(),
            order: Vec::new(),
            implied,
            report: Report::default(),
            contents: Contents::new(),
            stored: 0,
        })
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.report.noted += 1;
        if self.report.notes.len() < MAX_NOTES {
            let text = text();
            self.report.notes.push(text);
        }
    }

    /// Sets directories' attributes, deepest created first.
    fn finish(mut self) -> Result<(Report, Contents)> {
        for path in std::mem::take(&mut self.order).iter().rev() {
            let Some(dir) = self.directories.remove(path) else { continue };
            let name = || format!("extract directory {}", printable(path));
            // It may have been replaced since: then its attributes are of no interest.
            let Some(fd) = dirs::open_dir(self.root.as_fd(), path).with_context(name)? else { continue };
            self.directory_meta(&fd, path, &dir).with_context(name)?;
        }
        // A path that is not UTF-8 can't be in the JSON record: such a directory keeps the default attributes.
        let implied = self.implied.iter().filter_map(|p| String::from_utf8(p.clone()).ok()).collect();
        Ok((Report { implied, ..self.report }, self.contents))
    }
}

/// A name from an archive for messages: control characters escaped, at most 200 characters.
pub fn printable(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let mut out = String::new();
    for c in text.chars().take(200) {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if text.chars().nth(200).is_some() {
        out.push('…');
    }
    out
}

/// The components of an archive path, cleaned as Docker does: `..` climbs, but not above the root. Empty for the root.
fn clean(path: &[u8]) -> Result<Vec<u8>> {
    let mut out: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if out.pop().is_none() => {
                return Err(Error::user(format!("extract {}: the path leaves the layer", printable(path))));
            }
            b".." => {}
            part => out.push(part),
        }
    }
    Ok(out.join(&b'/'))
}

/// Parent and last component of a cleaned path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], path),
    }
}
