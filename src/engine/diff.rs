//! `diff`: what a container changed in its image, what an image's last layer changed, or how two of them differ.

use super::{Ctx, tree};
use crate::error::{Error, Kind, Result};
use crate::image::Store;
use crate::image::diff::{self, Changed, Trees};
use crate::userns::IdMap;
use std::path::PathBuf;

/// What names may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    Both,
    Containers,
    Images,
}

/// The paths that the engine puts things at, which podman's list leaves out.
const OURS: &[&str] = &[
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/notify",
    "/run/secrets",
    "/sys",
];

/// The changes of `name` against what it was made from, or against `other`.
///
/// # Errors
/// NotFound; Unsupported for a container with `--rootfs`, whose former state nobody knows.
pub fn diff(ctx: &Ctx, name: &str, other: Option<&str>, among: Among) -> Result<Vec<Changed>> {
    let (mut trees, idmap, of_container) = side(ctx, name, among)?;
    if let Some(other) = other {
        let (against, _, _) = side(ctx, other, among)?;
        let mut lowers: Vec<PathBuf> = against.upper.into_iter().collect();
        if !against.whole {
            lowers.extend(against.lowers);
        }
        trees = Trees { against: Some(lowers), ..trees };
    }
    // What an overlay hides of its own is told by the list; mount points are left out below.
    let mut changes = diff::list(&Trees { own: of_container, ..trees }, &idmap)?;
    if of_container {
        changes.retain(|c| !OURS.iter().any(|p| p.as_bytes() == c.path));
    }
    Ok(changes)
}

fn side(ctx: &Ctx, name: &str, among: Among) -> Result<(Trees, IdMap, bool)> {
    if among != Among::Images {
        match tree::container(ctx, name) {
            Ok(found) => {
                found.of_layers("compare")?;
                return Ok((found.trees, found.idmap, true));
            }
            Err(e) if e.kind == Kind::NotFound && among == Among::Both => {}
            Err(e) => return Err(e),
        }
    }
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let image = match store.resolve(name) {
        Err(e) if e.kind == Kind::NotFound && among == Among::Both => {
            return Err(Error::not_found(format!("find '{name}': no such container or image")));
        }
        other => other?,
    };
    let idmap = IdMap::detect()?;
    let mut layers = tree::layers(&store, &image, &idmap)?;
    let top = if layers.is_empty() { None } else { Some(layers.remove(0)) };
    Ok((Trees { upper: top, lowers: layers, ..Trees::default() }, idmap, false))
}
