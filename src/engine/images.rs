//! Use-cases of images: listing, naming, removing, loading.

use super::{Ctx, mounts};
use crate::error::{Context, Error, Result};
use crate::image::{Image, ImageConfig, ImageList, ImportOptions, LayerRef, Loaded, Reference, Store};
use crate::registry::{Env, PullOptions, check_policy_of_path, fetch};
use crate::state::containers::{self, Container};
use crate::userns::IdMap;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An image and what listings want to know besides.
#[derive(Clone, Debug)]
pub struct Listed {
    pub image: Image,
    /// Bytes of its extracted layers; of its blobs where it is not extracted.
    pub size: u64,
    /// Containers made from it.
    pub containers: usize,
    /// It is a manifest list: it has no config and no layers of its own.
    pub list: bool,
}

/// All images and manifest lists, newest first.
pub fn list(ctx: &Ctx) -> Result<Vec<Listed>> {
    let store = Store::open(&ctx.paths)?;
    let (images, lists) = (store.list()?, store.lists()?);
    if images.is_empty() && lists.is_empty() {
        return Ok(Vec::new());
    }
    // Listing must work where no container could run.
    let idmap = IdMap::detect().ok();
    let users = containers::list(&ctx.paths)?;
    let count = |id: &str| users.iter().filter(|c| c.config.uses_image(id)).count();
    let known: HashSet<String> = images.iter().map(|i| i.id.clone()).collect();
    let mut listed: Vec<Listed> = images
        .into_iter()
        .map(|image| Listed {
            size: size(&store, &image, idmap.as_ref()),
            containers: count(&image.id),
            image,
            list: false,
        })
        .collect();
    for list in lists {
        let members = store.list_images(&list)?;
        let layers: BTreeMap<&str, &LayerRef> =
            members.iter().flat_map(|i| &i.layers).map(|l| (l.chain_id.as_str(), l)).collect();
        listed.push(Listed {
            size: layers.values().map(|l| layer_size(&store, l, idmap.as_ref())).sum(),
            // Containers of members that are images in their own right are counted there.
            containers: members.iter().filter(|i| !known.contains(&i.id)).map(|i| count(&i.id)).sum(),
            image: as_image(list),
            list: true,
        });
    }
    let time = |l: &Listed| l.image.config.created.parse::<jiff::Timestamp>().ok();
    listed.sort_by_key(|l| std::cmp::Reverse(time(l)));
    Ok(listed)
}

/// A list as a row among images.
fn as_image(list: ImageList) -> Image {
    Image {
        id: list.id,
        manifest: list.digest,
        names: list.names,
        repo_digests: Vec::new(),
        from_registry: false,
        config: ImageConfig { created: list.created, ..ImageConfig::default() },
        layers: Vec::new(),
        size: 0,
    }
}

/// Bytes of each layer as extracted, lowest first; the compressed size where it is not.
pub fn layer_sizes(ctx: &Ctx, image: &Image) -> Result<Vec<u64>> {
    let store = Store::open(&ctx.paths)?;
    let idmap = IdMap::detect().ok();
    Ok(image.layers.iter().map(|l| layer_size(&store, l, idmap.as_ref())).collect())
}

fn layer_size(store: &Store, layer: &crate::image::LayerRef, idmap: Option<&IdMap>) -> u64 {
    let record = idmap.and_then(|map| store.layer_record(&layer.chain_id, map));
    record.map_or(layer.size, |r| r.report.bytes)
}

/// Bytes of an image's layers as extracted, or as they are stored where they are not.
pub(super) fn size(store: &Store, image: &Image, idmap: Option<&IdMap>) -> u64 {
    image.layers.iter().map(|l| layer_size(store, l, idmap)).sum()
}

/// Finds an image; the embedded one is made if it is asked for.
pub fn find(ctx: &Ctx, name: &str) -> Result<Image> {
    Store::open(&ctx.paths)?.resolve(name)
}

/// Whether the image is in the store.
pub fn exists(ctx: &Ctx, name: &str) -> Result<bool> {
    let store = Store::open(&ctx.paths)?;
    match store.lookup(name) {
        Ok(_) => Ok(true),
        // A list whose images are all elsewhere.
        Err(e) if e.kind == crate::error::Kind::NotFound && store.find_list(name)?.is_some() => Ok(true),
        Err(e) if e.kind == crate::error::Kind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives the image further names.
pub fn tag(ctx: &Ctx, name: &str, names: &[Reference]) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    if let Some(list) = store.find_list(name)? {
        return names.iter().try_for_each(|name| store.tag_list(&list, name));
    }
    let image = store.resolve(name)?;
    for name in names {
        store.tag(&store.descriptor(&image)?, name)?;
    }
    Ok(())
}

/// Takes names (all of them for none) away from an image, which stays.
///
/// # Errors
/// NotFound for a name that the image does not have; nothing is taken away then.
pub fn untag(ctx: &Ctx, word: &str, names: &[String], docker: bool) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    store.lease()?;
    let (id, known) = match store.find_list(word)? {
        Some(list) => (list.id, list.names),
        None => store.lookup(word).map(|image| (image.id, image.names))?,
    };
    let mut taken = Vec::new();
    for name in names {
        let canonical =
            meant_among(&known, &id, name).map_or_else(|| new_name(name, docker).map(|n| n.canonical()), Ok)?;
        if !known.contains(&canonical) {
            return Err(Error::not_found(format!("untag image {word}: it is not called {name}"))
                .hint(format!("its names: {}", known.join(", "))));
        }
        taken.push(canonical);
    }
    let all = if names.is_empty() { &known } else { &taken };
    all.iter().try_for_each(|name| store.untag(&Reference::parse(name)?).map(drop))
}

/// A name to give: one with a digest can only be pulled. A bare word is Docker's or (as podman has it) a name of this
/// host.
pub fn new_name(text: &str, docker: bool) -> Result<Reference> {
    let name = Reference::parse_with(text, if docker { "docker.io" } else { "localhost" })?;
    match name.digest {
        None => Ok(name),
        Some(_) => Err(Error::user(format!("name an image '{text}'")).hint("a digest can't be given; use NAME[:TAG]")),
    }
}

/// What `rmi` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Canonical names that were taken away.
    pub untagged: Vec<String>,
    /// Id of the image, if it is gone.
    pub deleted: Option<String>,
}

/// Removes a name, or the whole image with its last name or when it is meant by id. Blobs and layers go with
/// [`collect`].
///
/// # Errors
/// `Conflict` when a container uses the image, or when it is meant by id and has several names; not with `force`: then
/// containers keep the layers they need.
pub fn remove(ctx: &Ctx, store: &Store, text: &str, force: bool) -> Result<Removed> {
    if let Some(list) = store.find_list(text).unwrap_or(None) {
        if !force && let Some(user) = user_of_list(ctx, store, &list)? {
            return Err(Error::conflict(format!("remove manifest list {text}: container {} uses it", user.name))
                .hint(format!("coracle rm {}, or use -f", user.name)));
        }
        return super::manifest::unlist(store, &list, text, force);
    }
    let image = match store.lookup(text) {
        Ok(image) => image,
        // Its blobs are damaged or gone: the name must go all the same.
        Err(e) => match store.forget_named(text)? {
            Some(name) => return Ok(Removed { untagged: vec![name], deleted: None }),
            None => return Err(e),
        },
    };
    let meant = meant_name(&image, text);
    if let Some(name) = &meant
        && image.names.len() > 1
    {
        store.untag(&Reference::parse(name)?)?;
        return Ok(Removed { untagged: vec![name.clone()], deleted: None });
    }
    if !force {
        if meant.is_none() && image.names.len() > 1 {
            return Err(Error::conflict(format!("remove image {text}: it has {} names", image.names.len()))
                .hint(format!("remove them one by one ({}), or use -f", image.names.join(", "))));
        }
        if let Some(user) = user(ctx, &image)? {
            return Err(Error::conflict(format!("remove image {text}: container {} uses it", user.name))
                .hint(format!("coracle rm {}, or use -f", user.name)));
        }
        if mounts::mounted_images(&ctx.paths).contains(&image.id) {
            return Err(Error::conflict(format!("remove image {text}: it is mounted"))
                .hint(format!("coracle image unmount {text} in the shell where it is, or use -f")));
        }
    } else if let Err(e) = mounts::unmount(ctx, mounts::Of::Image, &image.id, true) {
        log::debug!("{e}");
    }
    store.remove(&image)?;
    Ok(Removed { untagged: image.names.clone(), deleted: Some(image.id) })
}

/// The name of `image` that `text` means; `None` when it means the image itself, by id or digest.
pub(super) fn meant_name(image: &Image, text: &str) -> Option<String> {
    meant_among(&image.names, &image.id, text)
}

/// The same, of an image or a manifest list.
pub(super) fn meant_among(names: &[String], id: &str, text: &str) -> Option<String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let candidates = ["localhost", "docker.io"].map(|d| Reference::parse_with(text, d).map(|r| r.canonical()));
    for candidate in candidates.into_iter().flatten() {
        if names.contains(&candidate) {
            return Some(candidate);
        }
    }
    if id.starts_with(hex) || text.contains('@') {
        return None;
    }
    // Found by the end of its name alone.
    let suffix = Reference::parse_with(text, "any.invalid").ok()?.canonical();
    let suffix = suffix.strip_prefix("any.invalid")?;
    names.iter().find(|n| n.ends_with(suffix)).cloned()
}

/// A container of a member that is no image in its own right: its layers would lose their last name.
fn user_of_list(ctx: &Ctx, store: &Store, list: &ImageList) -> Result<Option<Container>> {
    let known: HashSet<String> = store.list()?.into_iter().map(|i| i.id).collect();
    let members: Vec<String> = store.list_images(list)?.into_iter().map(|i| i.id).collect();
    let others = |c: &Container| members.contains(&c.config.image_id) && !known.contains(&c.config.image_id);
    Ok(containers::list(&ctx.paths)?.into_iter().find(others))
}

fn user(ctx: &Ctx, image: &Image) -> Result<Option<Container>> {
    Ok(containers::list(&ctx.paths)?.into_iter().find(|c| c.config.uses_image(&image.id)))
}

/// Deletes blobs and layers that nothing refers to. Somebody else's pull makes it wait for another time.
pub fn collect(ctx: &Ctx, store: Store) -> Result<()> {
    let done = store.collect();
    super::recover::sweep(ctx);
    done.map(drop)
}

/// Layers extracted at once.
fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4)
}

/// Where an archive comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Stdin,
    /// A file, or (for `load`) a directory.
    Path(&'a Path),
    /// An http or https address (for `import`).
    Url(&'a str, &'a PullOptions),
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Source::Stdin => "standard input".into(),
            Source::Path(path) => path.display().to_string(),
            Source::Url(url, _) => (*url).to_string(),
        }
    }

    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Source::Stdin => Ok(Box::new(std::io::stdin())),
            Source::Url(url, options) => Ok(Box::new(fetch(url, options)?)),
            Source::Path(path) => Ok(Box::new(File::open(path).with_context(|| format!("open {}", path.display()))?)),
        }
    }
}

/// How far a `load` or `import` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the uncompressed input stored so far.
    Stored(u64),
    /// The layers are being extracted.
    Unpacking,
}

/// Told of each step.
pub type Steps<'a> = &'a (dyn Fn(Step) + Sync);

/// Bytes that a `load` will have stored at its end, where that is known before: an archive may be compressed or come
/// through a pipe, a directory is what it is.
pub fn load_size(source: Source<'_>) -> Option<u64> {
    match source {
        Source::Path(dir) if dir.is_dir() => fs_extra::dir::get_size(dir.join("blobs")).ok(),
        _ => None,
    }
}

/// Loads the images of an archive or an OCI directory, and extracts them; of manifest lists all that it has, but this
/// host's image alone is extracted. With a platform its images alone are loaded.
///
/// # Errors
/// `Denied` when policy.json refuses one of them.
pub fn load(ctx: &Ctx, source: Source<'_>, options: &PullOptions, progress: Steps<'_>) -> Result<Vec<(Loaded, Image)>> {
    let store = Store::open(&ctx.paths)?;
    let idmap = IdMap::detect()?;
    let loaded = load_into(&store, source, options, &idmap, progress);
    clean_up(ctx, store, loaded).with_context(|| format!("load {}", source.name()))
}

/// Deletes what was stored and belongs to no image: everything after a failure, attestations and the like after a
/// success. When others are using the store it waits for another time.
pub(super) fn clean_up<T>(ctx: &Ctx, store: Store, result: Result<T>) -> Result<T> {
    let _ = store.collect();
    super::recover::sweep(ctx);
    result.map_err(|e| match e.errno {
        Some(libc::ENOSPC | libc::EDQUOT) => {
            let dir = ctx.paths.data.display();
            e.hint(format!("free some space on the file system of {dir}, or use --root DIR on another one"))
        }
        _ => e,
    })
}

fn load_into(
    store: &Store,
    source: Source<'_>,
    options: &PullOptions,
    idmap: &IdMap,
    progress: Steps<'_>,
) -> Result<Vec<(Loaded, Image)>> {
    let stored = |bytes| progress(Step::Stored(bytes));
    let mut loaded = match source {
        Source::Path(path) if path.is_dir() => store.load_directory(path, &stored)?,
        source => store.load_archive(source.open()?, &stored)?,
    };
    for one in &mut loaded {
        accepted(one, source, &options.env)?;
        if options.platform.is_some() {
            super::transport::one_platform(store, one, options.platform.as_ref())?;
        }
    }
    progress(Step::Unpacking);
    adopt_all(store, loaded, idmap)
}

/// What policy.json says about the image: only a look into an archive tells its transport.
fn accepted(loaded: &Loaded, source: Source<'_>, env: &Env) -> Result<()> {
    let path = match source {
        Source::Path(path) => path,
        Source::Stdin => Path::new("-"),
        Source::Url(url, _) => Path::new(url),
    };
    let own_names = loaded.names.iter().map(Reference::canonical).collect::<Vec<_>>();
    let names = own_names.iter().map(|n| Some(n.as_str())).chain(own_names.is_empty().then_some(None));
    names.into_iter().try_for_each(|name| check_policy_of_path(loaded.transport, path, name, env))
}

/// Extracts what was loaded and lists it.
pub(super) fn adopt_all(store: &Store, loaded: Vec<Loaded>, idmap: &IdMap) -> Result<Vec<(Loaded, Image)>> {
    let mut all = Vec::new();
    for one in loaded {
        // An image that can't be extracted gets no name.
        store.unpack(&one.manifest.digest, jobs(), idmap, &|_| {})?;
        store.adopt(&one)?;
        let image = store.image(&one.manifest.digest)?;
        all.push((one, image));
    }
    Ok(all)
}

/// Makes an image of a tar and extracts it; gives its id.
///
/// # Errors
/// `Denied` when policy.json refuses it.
pub fn import(
    ctx: &Ctx,
    source: Source<'_>,
    options: &ImportOptions,
    env: &Env,
    progress: Steps<'_>,
) -> Result<String> {
    let store = Store::open(&ctx.paths)?;
    let idmap = IdMap::detect()?;
    let import = || {
        let loaded = store.import(source.open()?, options, &|bytes| progress(Step::Stored(bytes)))?;
        accepted(&loaded, source, env)?;
        progress(Step::Unpacking);
        store.unpack(&loaded.manifest.digest, jobs(), &idmap, &|_| {})?;
        store.adopt(&loaded)?;
        Ok(store.image(&loaded.manifest.digest)?.id)
    };
    let id = import();
    clean_up(ctx, store, id).with_context(|| format!("import {}", source.name()))
}
