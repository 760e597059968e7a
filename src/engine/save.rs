//! `save`: images into archives and directories.

use super::Ctx;
use super::images::{meant_among, meant_name};
use crate::error::{Context, Error, Result};
use crate::image::{Descriptor, Image, ImageList, Index, Reference, SaveFormat, SaveLayers, Store, ToSave, What};
use crate::registry::{self, Platform};
use crate::state::hook;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// How to save.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    pub format: SaveFormat,
    /// Compress layers that are not (only of directories of Docker's format).
    pub compress: bool,
    /// What becomes of uncompressed layers in OCI layouts.
    pub layers: SaveLayers,
    /// Only what is for these platforms; all if there are none.
    pub platforms: Vec<Platform>,
}

/// The images for the words of a command line. One that is meant by name is saved under that name only, one that is
/// meant by id without any. `further` are more names for the first. A manifest list is saved whole where the format can
/// hold one, else this host's image of it; of the platforms that were asked for one is saved as an image, several are as
/// a list of these.
pub fn chosen(store: &Store, words: &[String], further: &[Reference], how: &SaveOptions) -> Result<Vec<ToSave>> {
    let mut all = Vec::new();
    let holds_lists = matches!(how.format, SaveFormat::OciArchive | SaveFormat::OciDir);
    for word in words {
        let list = if holds_lists || !how.platforms.is_empty() { store.find_list(word)? } else { None };
        let (what, name) = match list {
            Some(list) => {
                let name = meant_among(&list.names, &list.id, word);
                (part_of(store, list, &how.platforms, holds_lists).with_context(|| format!("save {word}"))?, name)
            }
            None => {
                let image = store.resolve(word)?;
                for wanted in &how.platforms {
                    check_platform(&image, wanted).with_context(|| format!("save {word}"))?;
                }
                let name = meant_name(&image, word);
                (What::Image(Box::new(image)), name)
            }
        };
        let name = name.map(|n| Reference::parse(&n)).transpose()?;
        all.push(ToSave { what, names: name.into_iter().collect(), tag: None });
    }
    if let Some(first) = all.first_mut() {
        first.names.extend(further.iter().cloned());
    }
    Ok(all)
}

/// The image of the list that is for the one platform, or a list of the images for several; without platforms all of it.
fn part_of(store: &Store, mut list: ImageList, platforms: &[Platform], holds_lists: bool) -> Result<What> {
    let mut members: Vec<Descriptor> = Vec::new();
    for platform in platforms {
        let member = member(&list, platform)?;
        if !members.contains(&member) {
            members.push(member);
        }
    }
    match members.as_slice() {
        [] => {}
        [only] => return whole_member(store, &list, only).map(|image| What::Image(Box::new(image))),
        _ if !holds_lists => {
            return Err(Error::user("the format holds one platform of an image")
                .hint("use --format oci-archive or oci-dir, or name one platform"));
        }
        _ => {
            for other in list.draft.members()?.iter().filter(|m| !members.contains(m)) {
                list.draft.remove(&other.digest);
            }
        }
    }
    Ok(What::List(list))
}

/// The list's entry for a platform.
///
/// # Errors
/// `Unsupported`, with the platforms that there are.
pub(super) fn member(list: &ImageList, platform: &Platform) -> Result<Descriptor> {
    let index = Index::parse(&list.draft.bytes()?)?;
    registry::from_index(&index, platform).cloned()
}

/// A member of the list as an image.
///
/// # Errors
/// `NotFound` when its layers are elsewhere.
pub(super) fn whole_member(store: &Store, list: &ImageList, member: &Descriptor) -> Result<Image> {
    if store.is_whole(&member.digest) {
        return store.image(&member.digest);
    }
    let error = Error::not_found(format!("its image {} is not in the store", member.digest));
    Err(match list.draft.sources.get(member.digest.as_str()) {
        Some(source) => error.hint(format!("coracle pull {source}")),
        None => error,
    })
}

/// Refuses an image for another platform.
pub(super) fn check_platform(image: &Image, wanted: &Platform) -> Result<()> {
    let theirs = Platform::normalised(&image.config.os, &image.config.architecture, &image.config.variant);
    if image.config.architecture.is_empty() || wanted.distance(&theirs).is_some() {
        return Ok(());
    }
    Err(Error::unsupported(format!("the image is for {theirs}, not {wanted}"))
        .hint(format!("pull it with --platform {wanted}")))
}

/// Writes an archive to `out`; `place` is the file behind it, if it is one that can be written anywhere.
pub fn archive(
    ctx: &Ctx,
    words: &[String],
    further: &[Reference],
    how: &SaveOptions,
    out: &mut impl Write,
    place: Option<File>,
) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let images = chosen(&store, words, further, how)?;
    archive_of(&store, &images, how, out, place).with_context(|| format!("save {}", words.join(", "))).map(drop)
}

/// [`archive`] of images that need no names in the store; its lease is the caller's. Gives the entries of an OCI
/// layout's index.
pub fn archive_of(
    store: &Store,
    images: &[ToSave],
    how: &SaveOptions,
    out: &mut impl Write,
    place: Option<File>,
) -> Result<Vec<Descriptor>> {
    let saved = match how.format {
        SaveFormat::OciArchive => store.save_oci_archive(images, how.layers, out),
        _ => store.save_docker_archive(images, out, place).map(|()| Vec::new()),
    };
    hook::stop_at("save:written");
    saved
}

/// Writes a directory, which appears when it is whole.
///
/// # Errors
/// Conflict when there is something at `target` already.
pub fn directory(ctx: &Ctx, words: &[String], further: &[Reference], how: &SaveOptions, target: &Path) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let images = chosen(&store, words, further, how)?;
    directory_of(&store, &images, how, target).with_context(|| format!("save {}", words.join(", "))).map(drop)
}

/// [`directory`] of images that need no names in the store; its lease is the caller's. Gives the entries of an OCI
/// layout's index.
pub fn directory_of(store: &Store, images: &[ToSave], how: &SaveOptions, target: &Path) -> Result<Vec<Descriptor>> {
    let occupied = target.symlink_metadata().is_ok()
        && !std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    if occupied {
        return Err(Error::conflict(format!("{} is there already and not empty", target.display())));
    }
    let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new()
        .prefix(".coracle-save-")
        .tempdir_in(parent)
        .with_context(|| format!("make a directory in {}", parent.display()))?;
    let dir = draft.path().join("dir");
    std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
    let written = match (how.format, images) {
        (SaveFormat::DockerDir, [one]) => store.save_docker_dir(one, &dir, how.compress).map(|()| Vec::new()),
        (SaveFormat::DockerDir, _) => {
            Err(Error::user("a directory of Docker's format holds one image").hint("use docker-archive or oci-dir"))
        }
        _ => store.save_oci_dir(images, how.layers, &dir),
    }?;
    hook::stop_at("save:written");
    std::fs::rename(&dir, target).with_context(|| format!("write {}", target.display()))?;
    Ok(written)
}
