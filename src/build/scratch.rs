//! Directories that a step needs while it runs.

use crate::error::Result;
use crate::monitor::remove;
use crate::state::containers;
use crate::state::gcdir::{self, Staging};
use crate::state::paths::{ContainerDir, Paths};
use crate::userns::IdMap;
use std::path::{Path, PathBuf};

/// A directory below `tmp/` that is removed at the end, whoever of the mapped ids owns what is in it; a killed build's
/// one is removed by the next command that sweeps.
#[derive(Debug)]
pub struct Scratch {
    staging: Option<Staging>,
    path: PathBuf,
    paths: Paths,
    idmap: IdMap,
    pub id: String,
}

impl Scratch {
    pub fn new(paths: &Paths, idmap: &IdMap) -> Result<Scratch> {
        let id = containers::new_id()?;
        let staging = Staging::new(paths, &format!("build-{}", &id[..16]))?;
        let path = staging.path().to_path_buf();
        Ok(Scratch { staging: Some(staging), path, paths: paths.clone(), idmap: idmap.clone(), id })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same as a container's directory.
    pub fn container(&self) -> ContainerDir {
        ContainerDir { dir: self.path.clone() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Away from the sweepers' and our own view first: what can't be removed now goes with the trash.
        if let Ok(trash) = gcdir::discard(&self.paths, &self.path) {
            drop(self.staging.take());
            remove::destroy(&trash, Some(&self.idmap));
        }
    }
}
