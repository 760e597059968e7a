//! Destinations: where a path of the new layer really is in the stage's root.

use crate::error::{Context, Result};
use crate::sys::rooted;
use rustix::fs::{AtFlags, FileType, statat};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The stage's root, and the directories that the layer makes in it. Paths have no leading slash.
pub(super) struct Places {
    root: Option<OwnedFd>,
    made: BTreeSet<PathBuf>,
    follow: bool,
}

impl Places {
    pub fn new(root: Option<OwnedFd>, follow: bool) -> Places {
        Places { root, made: BTreeSet::new(), follow }
    }

    pub fn root(&self) -> Option<&OwnedFd> {
        self.root.as_ref()
    }

    /// Follows the symlinks of the whole path.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        match &self.root {
            Some(root) if self.follow => rooted::canonical(root.as_fd(), path)
                .with_context(|| format!("find the destination {}", path.display())),
            _ => Ok(path.strip_prefix("/").unwrap_or(path).to_path_buf()),
        }
    }

    /// What is there, itself.
    fn kind(&self, path: &Path) -> Option<FileType> {
        let root = self.root.as_ref().filter(|_| self.follow)?;
        let (dir, name) = (path.parent()?, path.file_name()?);
        let dir = rooted::open_path(root.as_fd(), dir).ok()?;
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Whether the resolved path is a directory, in the stage or in this layer.
    pub fn is_dir(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.made.contains(path) || self.kind(path) == Some(FileType::Directory)
    }

    /// The place of the directory `name` in the resolved directory `dir`: through a symlink to a directory, if that is
    /// what is there.
    pub fn directory(&self, dir: &Path, name: &Path) -> Result<PathBuf> {
        let path = dir.join(name);
        if self.made.contains(&path) || self.kind(&path) != Some(FileType::Symlink) {
            return Ok(path);
        }
        let target = self.resolve(&path)?;
        Ok(if self.is_dir(&target) { target } else { path })
    }

    /// The directories above `path` that have to be made, outermost first; from now on they are there.
    pub fn missing_above(&mut self, path: &Path) -> Vec<PathBuf> {
        let above: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
        let mut missing = Vec::new();
        for dir in above.into_iter().rev() {
            if !self.is_dir(&dir) {
                self.made.insert(dir.clone());
                missing.push(dir);
            }
        }
        missing
    }

    /// The layer has this directory.
    pub fn made(&mut self, path: &Path) {
        self.made.insert(path.to_path_buf());
    }
}
