//! Pulling an image when the policy asks for it.

use super::Ctx;
use super::transport::{self, Place};
use crate::error::{Error, Kind, Result};
use crate::image::{Image, Reference, Store};
use crate::monitor::remove;
use crate::registry::{self, Event, Platform, Progress, PullOptions, Registries};
use crate::sys::signal::Interruptible;
use crate::userns::IdMap;

/// When to ask the registry (`--pull`, `--policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Always ask; fail when the registry can't be reached.
    Always,
    /// Only when the image is not in the store.
    #[default]
    Missing,
    /// Never ask.
    Never,
    /// Ask, take what differs, and make do with the stored image when the registry can't be reached.
    Newer,
}

impl Policy {
    /// Parses the names that docker and podman use; `true` and `false` are podman's old spellings.
    pub fn parse(text: &str) -> Result<Policy> {
        match text {
            "always" | "true" => Ok(Policy::Always),
            "missing" | "ifnotpresent" | "false" => Ok(Policy::Missing),
            "never" => Ok(Policy::Never),
            "newer" | "ifnewer" => Ok(Policy::Newer),
            _ => Err(Error::user(format!("parse pull policy '{text}'")).hint("use always, missing, never or newer")),
        }
    }
}

/// An image that is in the store now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Hex of the config digest (the "image id"): the store resolves it.
    pub id: String,
    /// The full name it was found under (`docker.io/library/debian:latest`).
    pub reference: String,
    /// Something was fetched.
    pub changed: bool,
}

/// Makes sure that the image `reference` is in the store, asking the registry as `policy` says.
///
/// # Errors
/// `NotFound` when neither the store nor (where the policy lets us ask) a registry has it; `Denied` when a registry
/// or policy.json refuses; `Io` when the network or the disk fails. All name the registry and the repository.
pub fn pull(
    ctx: &Ctx,
    reference: &str,
    policy: Policy,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let result = match Place::parse(reference) {
        Some(place) => from_place(ctx, place, policy, options, progress)
            .and_then(|mut all| all.pop().ok_or_else(|| Error::bug("a source without images"))),
        None => pull_quietly(ctx, reference, policy, options, progress),
    };
    // Whatever draws has stopped before the caller prints or forks.
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

/// Like [`pull`], for sources that may hold several images (`docker-archive:`).
pub fn pull_all(
    ctx: &Ctx,
    reference: &str,
    policy: Policy,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Vec<Pulled>> {
    let Some(place) = Place::parse(reference) else {
        return pull(ctx, reference, policy, options, progress).map(|one| vec![one]);
    };
    let result = from_place(ctx, place, policy, options, progress);
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

fn from_place(
    ctx: &Ctx,
    place: Place<'_>,
    policy: Policy,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Vec<Pulled>> {
    if policy == Policy::Never {
        return Err(Error::user("pull from an archive, a directory or another store: the policy is never"));
    }
    transport::pull(ctx, place, options, progress)
}

/// Pulls every tag of a repository; `repository` names neither tag nor digest.
pub fn pull_all_tags(
    ctx: &Ctx,
    repository: &str,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Vec<Pulled>> {
    let result = pull_each_tag(ctx, repository, options, progress);
    progress.event(Event::Finished { success: result.is_ok() });
    result
}

fn pull_quietly(
    ctx: &Ctx,
    reference: &str,
    policy: Policy,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let here_will_do = matches!(policy, Policy::Missing | Policy::Never);
    let mut unclear = None;
    if here_will_do {
        match local(&store, reference, options) {
            Ok(Some(image)) => return Ok(pulled(&image, reference, false)),
            Ok(None) => {}
            // A short name that several stored images have: the configuration may say which is meant.
            Err(e) => unclear = Some(e),
        }
    }
    let registries = Registries::load(&options.env)?;
    let possible = registries.possible(reference)?;
    // A short name may mean an image that was pulled under its alias or through the search list.
    if here_will_do && let Some((image, name)) = first_stored(&store, reference, &possible, options)? {
        return Ok(pulled(&image, &name.canonical(), false));
    }
    if let Some(e) = unclear {
        return Err(e);
    }
    if policy == Policy::Never {
        return Err(Error::not_found(format!("find image '{reference}' in the store"))
            .hint(format!("coracle pull {reference}")));
    }
    // Before signals mean that the pull is to end: then a question could not be left.
    let (candidates, chosen) = registries.decide(reference, options.choose)?;
    let _interruptible = Interruptible::new();
    let stored = if policy == Policy::Newer { first_stored(&store, reference, &candidates, options)? } else { None };
    if let Some((image, name)) = &stored
        && unchanged(image, name, &registries, options, progress)
    {
        return Ok(pulled(image, reference, false));
    }
    match first_success(ctx, &store, &candidates, &registries, options, progress) {
        Ok(result) => {
            if let Some(chosen) = chosen
                && let Err(e) = chosen.record(&options.env)
            {
                log::warn!("{e}");
            }
            Ok(result)
        }
        // "newer" makes do with what is here when nobody can be asked.
        Err(e) if stored.is_some() && e.kind != Kind::Interrupted => {
            progress.event(Event::Note(&format!("Using the stored image: {e}")));
            let (image, _) = stored.ok_or_else(|| Error::bug("the stored image is gone"))?;
            Ok(pulled(&image, reference, false))
        }
        Err(e) => {
            clean_up(ctx, store, &e);
            Err(e)
        }
    }
}

/// Deletes what a failed pull brought, unless the network was at fault or the user stopped it: then the blobs serve the
/// next attempt.
fn clean_up(ctx: &Ctx, store: Store, e: &Error) {
    let full = matches!(e.errno, Some(libc::ENOSPC | libc::EDQUOT));
    if (!matches!(e.kind, Kind::Io | Kind::Interrupted) || full)
        && let Err(e) = store.collect()
    {
        log::debug!("clearing up after the pull: {e}");
    }
    // Half extracted layers: files of mapped ids.
    remove::sweep(&ctx.paths, None);
}

/// The image of that name in the store, if it suits the platform asked for.
fn local(store: &Store, name: &str, options: &PullOptions) -> Result<Option<Image>> {
    if let Some(wanted) = &options.platform
        && let Some(list) = store.find_list(name)?
    {
        return Ok(store.list_images(&list)?.into_iter().find(|image| {
            let theirs = &image.config;
            wanted.distance(&Platform::normalised(&theirs.os, &theirs.architecture, &theirs.variant)).is_some()
        }));
    }
    match store.resolve(name) {
        Ok(image) if suits(&image, options) => Ok(Some(image)),
        Ok(_) => Ok(None),
        Err(e) if e.kind == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn suits(image: &Image, options: &PullOptions) -> bool {
    let config = &image.config;
    let theirs = Platform::normalised(&config.os, &config.architecture, &config.variant);
    options.platform.as_ref().is_none_or(|want| config.architecture.is_empty() || want.distance(&theirs).is_some())
}

/// The stored image that one of the names means, and that name.
fn first_stored(
    store: &Store,
    reference: &str,
    candidates: &[Reference],
    options: &PullOptions,
) -> Result<Option<(Image, Reference)>> {
    for candidate in candidates {
        if let Some(image) = local(store, &candidate.canonical(), options)? {
            return Ok(Some((image, candidate.clone())));
        }
    }
    let first = candidates.first().cloned();
    Ok(local(store, reference, options)?.zip(first))
}

/// Whether the registry still has the digest that the image was pulled by: one request instead of a pull.
fn unchanged(
    image: &Image,
    name: &Reference,
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> bool {
    let Ok(Some(digest)) = registry::current_digest(name, registries, options, progress) else { return false };
    let known = name.at_digest(&digest).canonical();
    image.repo_digests.contains(&known)
}

/// Tries the names that a short name may mean, in order.
fn first_success(
    ctx: &Ctx,
    store: &Store,
    candidates: &[Reference],
    registries: &Registries,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let idmap = IdMap::detect()?;
    // What pulls that died left behind: room for this one.
    remove::sweep(&ctx.paths, Some(&idmap));
    let mut failures: Vec<Error> = Vec::new();
    for candidate in candidates {
        let before = store.resolve(&candidate.canonical()).ok().map(|image| image.id);
        match registry::pull(store, &idmap, candidate, registries, options, progress) {
            Ok(image) => {
                // What a pull left that died while we waited for it.
                remove::sweep(&ctx.paths, Some(&idmap));
                let changed = before.as_deref() != Some(image.id.as_str());
                return Ok(pulled(&image, &candidate.canonical(), changed));
            }
            // The store's own faults (disk full) are the same for every name.
            Err(e) if e.errno == Some(libc::ENOSPC) || e.kind == Kind::Interrupted || candidates.len() == 1 => {
                return Err(e);
            }
            Err(e) => {
                progress.event(Event::Note(&e.to_string()));
                failures.push(e);
            }
        }
    }
    let last = failures.pop().unwrap_or_else(|| Error::bug("a short name without meaning"));
    let names: Vec<String> = candidates.iter().map(Reference::canonical).collect();
    Err(last.context(format!("tried {}", names.join(", "))))
}

fn pull_each_tag(ctx: &Ctx, repository: &str, options: &PullOptions, progress: &dyn Progress) -> Result<Vec<Pulled>> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let registries = Registries::load(&options.env)?;
    let (candidates, _) = registries.decide(repository, options.choose)?;
    let _interruptible = Interruptible::new();
    let candidate = candidates.into_iter().next();
    let candidate = candidate.ok_or_else(|| Error::bug("a short name without meaning"))?;
    if candidate.digest.is_some() || repository.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        return Err(
            Error::user(format!("pull all tags of '{repository}': it names one already")).hint("leave the tag out")
        );
    }
    let idmap = IdMap::detect()?;
    let mut all = Vec::new();
    for tag in registry::tags(&candidate, &registries, options, progress)? {
        let name = Reference::parse(&format!("{}:{tag}", candidate.repository()))?;
        let image = registry::pull(&store, &idmap, &name, &registries, options, progress)?;
        all.push(pulled(&image, &name.canonical(), true));
    }
    if all.is_empty() {
        return Err(Error::not_found(format!("pull all tags of {}: it has none", candidate.repository())));
    }
    Ok(all)
}

fn pulled(image: &Image, reference: &str, changed: bool) -> Pulled {
    let full = Reference::parse(reference).map_or_else(|_| reference.to_string(), |name| name.canonical());
    Pulled { id: image.id.clone(), reference: full, changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        for (text, want) in [("always", Policy::Always), ("missing", Policy::Missing), ("newer", Policy::Newer)] {
            assert_eq!(Policy::parse(text).unwrap(), want);
        }
        assert!(Policy::parse("sometimes").unwrap_err().to_string().contains("always, missing, never or newer"));
    }
}
