//! `inspect`: containers, images, volumes and networks with Docker's field names.

mod container;
mod host_config;
mod image;
mod network;
mod user_network;

pub use container::container;
pub use image::image;
pub use network::ports;
pub use user_network::{Entry, entries, entry, network};

use super::Ctx;
use super::doc::{Doc, fields};
use crate::error::{Error, Kind, Result};
use crate::image::Store;
use crate::userns::IdMap;
use crate::volume;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Whatever has the name: a container, else an image, else a volume, else a network.
    All,
    Container,
    Image,
    Volume,
    Network,
}

/// Where docker and podman print different things.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// `Name` with a slash before it, ids of images with `sha256:`.
    pub docker: bool,
    /// `-s`: count the bytes of containers.
    pub size: bool,
    /// It is for a Go template, which knows podman's names of a network's fields.
    pub template: bool,
}

/// The object called `name`.
pub fn inspect(ctx: &Ctx, name: &str, kind: Type, style: Style) -> Result<Doc> {
    let absent = |e: &Error| kind == Type::All && e.kind == Kind::NotFound;
    if matches!(kind, Type::All | Type::Container) {
        match super::ps::find(ctx, name) {
            Ok(found) => return container(ctx, &found, style),
            Err(e) if absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    if matches!(kind, Type::All | Type::Image) {
        let store = Store::open(&ctx.paths)?;
        match store.lookup(name) {
            Ok(found) => {
                let size = super::images::size(&store, &found, IdMap::detect().ok().as_ref());
                return Ok(image(&found, size, style));
            }
            Err(e) if absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    if matches!(kind, Type::All | Type::Volume) {
        match volume::get(&ctx.paths, name) {
            Ok(found) => return Ok(volume(ctx, &found)),
            // What can be no name of a volume may be one of a network all the same.
            Err(e) if absent(&e) || (kind == Type::All && e.kind == Kind::User) => {}
            Err(e) => return Err(e),
        }
    }
    match entry(ctx, name, style.docker) {
        Ok(found) => network(ctx, &found, style, style.template),
        Err(e) if kind == Type::All && matches!(e.kind, Kind::NotFound | Kind::User) => {
            Err(Error::not_found(format!("find '{name}': there is no such container, image, volume or network")))
        }
        Err(e) => Err(e),
    }
}

/// A volume.
pub fn volume(ctx: &Ctx, volume: &volume::Volume) -> Doc {
    fields! {
        "CreatedAt" => &volume.created,
        "Driver" => "local",
        "Labels" => &volume.labels,
        "Mountpoint" => volume.data(&ctx.paths).to_string_lossy().into_owned(),
        "Name" => &volume.name,
        "Options" => &volume.options,
        "Scope" => "local",
        "Anonymous" => volume.anonymous,
    }
}
