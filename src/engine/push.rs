//! Pushing images to a registry.

use super::Ctx;
use super::images::{self, meant_name};
use super::{manifest, save};
use crate::error::{Context, Error, Result};
use crate::image::{Digest, Image, ImageList, Reference, Store};
use crate::registry::{
    self, Compressor, Event, ManifestFormat, Members, Platform, Progress, PullOptions, PushOptions, Pushed, Registries,
};

/// What to push and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub connection: PullOptions,
    pub format: Option<ManifestFormat>,
    pub compression: Option<Compressor>,
    pub force_compression: bool,
    /// Of a manifest list the image for this platform; an image must be for it.
    pub platform: Option<Platform>,
    /// Under its digest alone, whatever tag the destination names.
    pub by_digest: bool,
}

/// One image that the registry has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub reference: Reference,
    pub pushed: Pushed,
}

/// Pushes the image `name` to `destination`, or else to the registry that its name says.
///
/// # Errors
/// `NotFound` when the image is not here, `User` when it is not clear where to push, and what [`registry::push`] says.
pub fn push(
    ctx: &Ctx,
    name: &str,
    destination: Option<&str>,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    let push = || {
        let store = Store::open(&ctx.paths)?;
        store.lease()?;
        let place = |own: &dyn Fn() -> Option<String>| match destination {
            Some(text) => Reference::parse(text.strip_prefix("docker://").unwrap_or(text)),
            None => own_name(own(), name),
        };
        if let Some(list) = store.find_list(name)? {
            let destination = place(&|| images::meant_among(&list.names, &list.id, name))?;
            return of_list(ctx, &store, &list, destination, request, progress);
        }
        let image = store.resolve(name)?;
        let destination = place(&|| meant_name(&image, name))?;
        one(ctx, &store, &image, destination, request, progress)
    };
    let result = push();
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// Pushes an image that need not have a name in the store, whose lease is the caller's.
pub fn push_image(
    ctx: &Ctx,
    store: &Store,
    image: &Image,
    destination: &Reference,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    let result = one(ctx, store, image, destination.clone(), request, progress);
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// Pushes a manifest of any kind with its blobs; the store's lease is the caller's.
pub fn push_manifest(
    ctx: &Ctx,
    store: &Store,
    manifest: &Digest,
    destination: &Reference,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let send = || {
        let registries = Registries::load(&request.connection.env)?;
        registry::push(store, manifest, true, destination, &registries, &options(ctx, request), progress)
    };
    let result = send();
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// Pushes an index with its images; the store's lease is the caller's.
pub fn push_index(
    ctx: &Ctx,
    store: &Store,
    index: &[u8],
    members: &Members,
    destination: &Reference,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let send = || {
        let registries = Registries::load(&request.connection.env)?;
        registry::push_index(store, index, members, destination, &registries, &options(ctx, request), progress)
    };
    let result = send();
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// Pushes every tag of a repository that is in the store; `repository` names neither tag nor digest.
///
/// # Errors
/// As [`push`]; what was pushed before the failure stays.
pub fn push_all_tags(ctx: &Ctx, repository: &str, request: &Request, progress: &dyn Progress) -> Result<Vec<Sent>> {
    let push = || {
        let wanted = Reference::parse(repository)?;
        if wanted.digest.is_some() || repository.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err(
                Error::user(format!("push all tags of '{repository}': it names one already")).hint("leave the tag out")
            );
        }
        let store = Store::open(&ctx.paths)?;
        store.lease()?;
        let mut sent = Vec::new();
        for image in store.list()? {
            let names = image.names.iter().filter_map(|n| Reference::parse(n).ok());
            for name in names.filter(|n| n.repository() == wanted.repository()) {
                sent.push(one(ctx, &store, &image, name, request, progress)?);
            }
        }
        for list in store.lists()? {
            let names = list.names.iter().filter_map(|n| Reference::parse(n).ok());
            for name in names.filter(|n| n.repository() == wanted.repository()) {
                sent.push(of_list(ctx, &store, &list, name, request, progress)?);
            }
        }
        if sent.is_empty() {
            return Err(Error::not_found(format!("push all tags of {}: none is here", wanted.repository())));
        }
        Ok(sent)
    };
    let result = push();
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// The name that `text` means, as a destination.
pub(super) fn own_name(name: Option<String>, text: &str) -> Result<Reference> {
    let hint = || format!("say where to: coracle push {text} REGISTRY/NAME:TAG");
    let name =
        name.ok_or_else(|| Error::user(format!("push {text}: it is not clear under which name")).hint(hint()))?;
    let reference = Reference::parse(&name)?;
    if reference.domain == "localhost" {
        return Err(Error::user(format!("push {name}: it is a name of this host, not of a registry")).hint(hint()));
    }
    Ok(reference)
}

/// The list, or of it the image for the platform that was asked for.
fn of_list(
    ctx: &Ctx,
    store: &Store,
    list: &ImageList,
    destination: Reference,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    let Some(wanted) = &request.platform else {
        return manifest::send(ctx, store, list, destination, false, request, progress);
    };
    let member = save::member(list, wanted).and_then(|member| save::whole_member(store, list, &member));
    let member = member.with_context(|| format!("push {destination}"))?;
    one(ctx, store, &member, destination, request, progress)
}

fn one(
    ctx: &Ctx,
    store: &Store,
    image: &Image,
    destination: Reference,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    if let Some(wanted) = &request.platform {
        save::check_platform(image, wanted).with_context(|| format!("push {destination}"))?;
    }
    let registries = Registries::load(&request.connection.env)?;
    let options = options(ctx, request);
    // What came from a registry goes as it came.
    let pushed =
        registry::push(store, &image.manifest, image.from_registry, &destination, &registries, &options, progress)?;
    if image.names.contains(&destination.canonical()) {
        // Like a pull: the image is known by its digest there.
        let manifest = store.descriptor(image)?;
        match image.from_registry || pushed.digest == image.manifest {
            true => store.tag_pulled(&manifest, &destination, Some(&pushed.digest))?,
            false => store.tag_pushed(&manifest, &destination, &pushed.digest)?,
        }
    }
    Ok(Sent { reference: destination, pushed })
}

pub(super) fn options(ctx: &Ctx, request: &Request) -> PushOptions {
    PushOptions {
        connection: request.connection.clone(),
        format: request.format,
        compression: request.compression,
        force_compression: request.force_compression,
        places: ctx.paths.blob_places(),
        scratch: ctx.paths.tmp(),
        by_digest: request.by_digest,
    }
}
