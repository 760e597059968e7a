//! `manifest`: lists of images for several platforms, kept in the store.

mod source;

use super::Ctx;
use super::images::{self, Removed};
use super::push::{Request, Sent};
use crate::error::{Context, Error, Kind, Result};
use crate::image::{Digest, Draft, ImageList, MemberNotes, Reference, Store};
use crate::registry::{self, Event, Members, Platform, Progress, PullOptions, Registries, Remote};
use serde_json::Value;
use std::collections::BTreeMap;

/// How images are added to a list.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    pub connection: PullOptions,
    /// Of a source that is a list itself: all its members, not the one for `platform`.
    pub all: bool,
    /// Which member of a list to take; this host's by default.
    pub platform: Option<Platform>,
    /// Said of what is added, instead of what its config says.
    pub notes: MemberNotes,
}

/// The list that `text` means.
///
/// # Errors
/// `NotFound` when there is none, `User` when it is an image.
pub fn find(store: &Store, text: &str) -> Result<ImageList> {
    if let Some(list) = store.find_list(text)? {
        return Ok(list);
    }
    Err(match store.lookup(text) {
        Ok(_) => {
            Error::user(format!("find manifest list '{text}': it is an image")).hint("coracle image inspect shows it")
        }
        Err(_) => {
            Error::not_found(format!("find manifest list '{text}'")).hint(format!("coracle manifest create {text}"))
        }
    })
}

/// Whether there is such a list.
pub fn exists(ctx: &Ctx, text: &str) -> Result<bool> {
    Ok(Store::open(&ctx.paths)?.find_list(text)?.is_some())
}

/// Makes a list of the images; with `amend` one that is there already grows. Gives its id.
///
/// # Errors
/// `Conflict` when the name is taken, and what [`add`] says; nothing is made then.
pub fn create(
    ctx: &Ctx,
    name: &Reference,
    sources: &[String],
    annotations: &BTreeMap<String, String>,
    amend: bool,
    options: &AddOptions,
    progress: &dyn Progress,
) -> Result<ImageList> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let made = || -> Result<ImageList> {
        let text = name.canonical();
        let old = if amend { store.find_list(&text)? } else { None };
        // Before anything is fetched.
        if old.is_none() && store.lists()?.iter().any(|l| l.names.contains(&text)) {
            return store.create_list(name, &Draft::new());
        }
        let members = source::all(&store, sources, options, progress)?;
        let fill = |draft: &mut Draft| {
            draft.annotate_list(annotations);
            members.iter().try_for_each(|m| m.add_to(draft))
        };
        match old {
            Some(list) => store.change_list(&list.id, fill),
            None => {
                let mut draft = Draft::new();
                fill(&mut draft)?;
                store.create_list(name, &draft)
            }
        }
    };
    let made = made();
    progress.event(Event::Finished { success: made.is_ok() });
    images::clean_up(ctx, store, made)
}

/// Adds images to a list.
///
/// # Errors
/// `NotFound` when neither the store nor a registry has an image; the list stays as it is then.
pub fn add(
    ctx: &Ctx,
    list: &str,
    sources: &[String],
    options: &AddOptions,
    progress: &dyn Progress,
) -> Result<ImageList> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let add = || -> Result<ImageList> {
        let list = find(&store, list)?;
        let members = source::all(&store, sources, options, progress)?;
        store.change_list(&list.id, |draft| members.iter().try_for_each(|m| m.add_to(draft)))
    };
    let added = add();
    progress.event(Event::Finished { success: added.is_ok() });
    images::clean_up(ctx, store, added)
}

/// Says more of a member.
///
/// # Errors
/// `NotFound` when the list has no such member.
pub fn annotate(ctx: &Ctx, list: &str, member: &str, notes: &MemberNotes) -> Result<ImageList> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let list = find(&store, list)?;
    let digest = member_digest(&store, &list, member)?;
    let changed = store.change_list(&list.id, |draft| match draft.annotate(&digest, notes) {
        true => Ok(()),
        false => Err(no_member(member)),
    });
    images::clean_up(ctx, store, changed)
}

/// Says more of the list itself.
pub fn annotate_list(ctx: &Ctx, list: &str, annotations: &BTreeMap<String, String>) -> Result<ImageList> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let list = find(&store, list)?;
    let changed = store.change_list(&list.id, |draft| {
        draft.annotate_list(annotations);
        Ok(())
    });
    images::clean_up(ctx, store, changed)
}

/// Takes members away.
///
/// # Errors
/// `NotFound` when the list lacks one of them; none is taken away then.
pub fn remove(ctx: &Ctx, list: &str, members: &[String]) -> Result<ImageList> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let list = find(&store, list)?;
    let digests: Vec<Digest> = members.iter().map(|m| member_digest(&store, &list, m)).collect::<Result<_>>()?;
    let changed = store.change_list(&list.id, |draft| {
        for (digest, text) in digests.iter().zip(members) {
            if !draft.remove(digest) {
                return Err(no_member(text));
            }
        }
        Ok(())
    });
    store.handled(digests.iter().map(|d| d.hex().to_string()));
    images::clean_up(ctx, store, changed)
}

fn no_member(text: &str) -> Error {
    Error::not_found(format!("find '{text}' in the manifest list")).hint("coracle manifest inspect shows its members")
}

/// A member by its digest (or a unique beginning of it), by the name that it was added by, or by that of an image in the
/// store.
fn member_digest(store: &Store, list: &ImageList, text: &str) -> Result<Digest> {
    let members = list.draft.members()?;
    let hex = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    let hex = hex.strip_prefix("sha256:").unwrap_or(hex);
    let mut hits = members.iter().filter(|m| hex.len() >= 6 && m.digest.hex().starts_with(hex));
    if let (Some(hit), None) = (hits.next(), hits.next()) {
        return Ok(hit.digest.clone());
    }
    let name = text.strip_prefix("docker://").unwrap_or(text);
    if let Ok(wanted) = Reference::parse(name) {
        let by_name = |source: &&String| {
            Reference::parse(source).is_ok_and(|r| Reference { digest: None, ..r }.canonical() == wanted.canonical())
        };
        let mut hits =
            members.iter().filter(|m| list.draft.sources.get(m.digest.as_str()).as_ref().is_some_and(by_name));
        if let (Some(hit), None) = (hits.next(), hits.next()) {
            return Ok(hit.digest.clone());
        }
    }
    let image = store.lookup(name).map_err(|_| no_member(text))?;
    members.iter().find(|m| m.digest == image.manifest).map(|m| m.digest.clone()).ok_or_else(|| no_member(text))
}

/// The list's JSON: of the store, or else of a registry (which may serve an image's manifest).
pub fn inspect(ctx: &Ctx, text: &str, connection: &PullOptions) -> Result<Value> {
    let store = Store::open(&ctx.paths)?;
    let plain = text.strip_prefix("docker://");
    if let Some(list) = plain.is_none().then(|| store.find_list(text)).transpose()?.flatten() {
        return serde_json::from_slice(&list.draft.bytes()?).context("read the manifest list");
    }
    let registries = Registries::load(&connection.env)?;
    let mut result = Err(Error::bug("a short name without meaning"));
    for candidate in registries.candidates(plain.unwrap_or(text))? {
        let remote = Remote::open(&candidate, &registries, connection, &registry::Silent);
        result = remote.map(|r| r.top.bytes);
        if result.is_ok() {
            break;
        }
    }
    let bytes = result.map_err(|e| e.context(format!("find manifest list '{text}'")))?;
    serde_json::from_slice(&bytes).context("read the manifest")
}

/// Removes a name of the list, or the list with its last one. The images that it lists stay. [`images::collect`] follows.
pub fn unlist(store: &Store, list: &ImageList, text: &str, force: bool) -> Result<Removed> {
    let named = images::meant_among(&list.names, &list.id, text);
    if let Some(name) = &named
        && list.names.len() > 1
    {
        store.untag(&Reference::parse(name)?)?;
        return Ok(Removed { untagged: vec![name.clone()], deleted: None });
    }
    if !force && named.is_none() && list.names.len() > 1 {
        return Err(Error::conflict(format!("remove manifest list {text}: it has {} names", list.names.len()))
            .hint(format!("remove them one by one ({}), or use -f", list.names.join(", "))));
    }
    store.remove_list(list)?;
    Ok(Removed { untagged: list.names.clone(), deleted: Some(list.id.clone()) })
}

/// Pushes a list, and its images unless `alone`.
///
/// # Errors
/// `User` when it is not clear where to, and what [`registry::push_index`] says.
pub fn push(
    ctx: &Ctx,
    text: &str,
    destination: Option<&str>,
    alone: bool,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    let push = || {
        let store = Store::open(&ctx.paths)?;
        store.lease()?;
        let list = find(&store, text)?;
        let destination = match destination {
            Some(text) => Reference::parse(text.strip_prefix("docker://").unwrap_or(text))?,
            None => super::push::own_name(images::meant_among(&list.names, &list.id, text), text)?,
        };
        send(ctx, &store, &list, destination, alone, request, progress)
    };
    let result = push();
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

pub(super) fn send(
    ctx: &Ctx,
    store: &Store,
    list: &ImageList,
    destination: Reference,
    alone: bool,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Sent> {
    if request.platform.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            format!("push {destination} for one platform: it is a manifest list"),
        )
        .hint("push its image by the name or digest that it has"));
    }
    let registries = Registries::load(&request.connection.env)?;
    let from_registries: Vec<Digest> =
        store.list()?.into_iter().filter(|i| i.from_registry).map(|i| i.manifest).collect();
    let sources = list.draft.sources.clone();
    let own = list.draft.members()?.into_iter().map(|m| m.digest);
    let own = own.filter(|d| !from_registries.contains(d) && !sources.contains_key(d.as_str())).collect();
    let members = Members { sources, own, left_out: alone };
    let options = super::push::options(ctx, request);
    let index = list.draft.bytes()?;
    let pushed = registry::push_index(store, &index, &members, &destination, &registries, &options, progress)?;
    Ok(Sent { reference: destination, pushed })
}
