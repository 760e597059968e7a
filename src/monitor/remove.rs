//! Removing a container's files: by the monitor with `--rm`, by `rm` otherwise.

use crate::error::Result;
use crate::net::networks;
use crate::runtime::jobs::RemoveTree;
use crate::spec::model::{NetMode, Spec};
use crate::stage::{Work, WorkNs};
use crate::state::container::Config;
use crate::state::paths::Paths;
use crate::state::{containers, events, gcdir, names};
use crate::userns::IdMap;
use crate::volume;
use std::path::{Path, PathBuf};

/// Makes container `id` not exist: from now on its name is free and nobody finds it. The caller holds what protects it
/// (the life lock at least). Returns where its files wait for [`destroy`].
pub fn unlink(paths: &Paths, id: &str, name: &str, config: &Config, volumes: bool) -> Result<PathBuf> {
    release_addresses(paths, id);
    let trash = gcdir::discard(paths, paths.container(id).path())?;
    names::release(paths, name, id);
    let sockets = paths.sockets(id);
    let _ = std::fs::remove_file(sockets.join("attach"));
    let _ = std::fs::remove_dir(sockets);
    if volumes {
        for volume in &config.anonymous_volumes {
            // One that is gone already, or in use by another container by name, is no reason to keep the container.
            let _ = volume::remove(paths, volume);
        }
        if !config.anonymous_volumes.is_empty() {
            // Their files of mapped ids are still in the trash.
            sweep_but(paths, &trash);
        }
    }
    events::container(paths, "destroy", id, name, &[("image", config.image.clone())]);
    Ok(trash)
}

/// Gives back what the container has in user-defined networks. Should we be killed now, a lease without its container
/// is anybody's.
fn release_addresses(paths: &Paths, id: &str) {
    if !paths.leases().exists() {
        return;
    }
    let Ok(spec) = containers::load_spec::<Spec>(paths, id) else { return };
    let NetMode::Networks(endpoints) = spec.network.mode else { return };
    for endpoint in endpoints {
        if let Ok(network) = networks::get(paths, &endpoint.network) {
            networks::release(paths, &network, id);
        }
    }
}

/// Deletes a tree in the trash; what the plain user can't delete goes by a job with mapped ids. What fails stays for
/// the next sweep.
pub fn destroy(path: &Path, idmap: Option<&IdMap>) {
    if gcdir::remove_tree(path).is_ok() {
        return;
    }
    let found = if idmap.is_none() { IdMap::detect().ok() } else { None };
    let Some(idmap) = idmap.or(found.as_ref()) else { return };
    let request = RemoveTree { path: path.to_path_buf() };
    let _ = Work::start("remove-tree", WorkNs::New(idmap), &request, &[]).and_then(Work::finish::<serde_json::Value>);
    // The top directory is in a directory of the plain user.
    let _ = gcdir::remove_tree(path);
}

/// The same sweep, leaving `kept` to its owner.
fn sweep_but(paths: &Paths, kept: &Path) {
    for path in gcdir::garbage(paths).iter().filter(|path| *path != kept) {
        destroy(path, None);
    }
}

/// Deletes what dead processes left in tmp/ and trash/.
pub fn sweep(paths: &Paths, idmap: Option<&IdMap>) {
    for path in gcdir::garbage(paths) {
        destroy(&path, idmap);
    }
}
