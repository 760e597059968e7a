//! `save`: images into archives and directories.

use super::Ctx;
use super::images::{meant_among, meant_name};
use crate::error::{Context, Error, Result};
use crate::image::{Reference, SaveFormat, Store, ToSave, What};
use crate::state::hook;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// How to save.
#[derive(Clone, Copy, Debug)]
pub struct SaveOptions {
    pub format: SaveFormat,
    /// Compress layers that are not (only of directories of Docker's format).
    pub compress: bool,
}

/// The images for the words of a command line. One that is meant by name is saved under that name only, one that is
/// meant by id without any. `further` are more names for the first. A manifest list is saved whole where the format can
/// hold one, else this host's image of it.
pub fn chosen(store: &Store, words: &[String], further: &[Reference], format: SaveFormat) -> Result<Vec<ToSave>> {
    let mut all = Vec::new();
    for word in words {
        let whole = matches!(format, SaveFormat::OciArchive | SaveFormat::OciDir);
        if let Some(list) = whole.then(|| store.find_list(word)).transpose()?.flatten() {
            let name = meant_among(&list.names, &list.id, word).map(|n| Reference::parse(&n)).transpose()?;
            all.push(ToSave { what: What::List(list), names: name.into_iter().collect(), tag: None });
            continue;
        }
        let image = store.resolve(word)?;
        let name = meant_name(&image, word).map(|n| Reference::parse(&n)).transpose()?;
        all.push(ToSave { what: What::Image(Box::new(image)), names: name.into_iter().collect(), tag: None });
    }
    if let Some(first) = all.first_mut() {
        first.names.extend(further.iter().cloned());
    }
    Ok(all)
}

/// Writes an archive to `out`; `place` is the file behind it, if it is one that can be written anywhere.
pub fn archive(
    ctx: &Ctx,
    words: &[String],
    further: &[Reference],
    how: SaveOptions,
    out: &mut impl Write,
    place: Option<File>,
) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let images = chosen(&store, words, further, how.format)?;
    archive_of(&store, &images, how, out, place).with_context(|| format!("save {}", words.join(", ")))
}

/// [`archive`] of images that need no names in the store; its lease is the caller's.
pub fn archive_of(
    store: &Store,
    images: &[ToSave],
    how: SaveOptions,
    out: &mut impl Write,
    place: Option<File>,
) -> Result<()> {
    let saved = match how.format {
        SaveFormat::OciArchive => store.save_oci_archive(images, out),
        _ => store.save_docker_archive(images, out, place),
    };
    hook::stop_at("save:written");
    saved
}

/// Writes a directory, which appears when it is whole.
///
/// # Errors
/// Conflict when there is something at `target` already.
pub fn directory(ctx: &Ctx, words: &[String], further: &[Reference], how: SaveOptions, target: &Path) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let images = chosen(&store, words, further, how.format)?;
    directory_of(&store, &images, how, target).with_context(|| format!("save {}", words.join(", ")))
}

/// [`directory`] of images that need no names in the store; its lease is the caller's.
pub fn directory_of(store: &Store, images: &[ToSave], how: SaveOptions, target: &Path) -> Result<()> {
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
    match (how.format, images) {
        (SaveFormat::DockerDir, [one]) => store.save_docker_dir(one, &dir, how.compress),
        (SaveFormat::DockerDir, _) => {
            Err(Error::user("a directory of Docker's format holds one image").hint("use docker-archive or oci-dir"))
        }
        _ => store.save_oci_dir(images, &dir),
    }?;
    hook::stop_at("save:written");
    std::fs::rename(&dir, target).with_context(|| format!("write {}", target.display()))
}
