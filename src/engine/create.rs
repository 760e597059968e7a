//! `create`: request → image → spec → container directory.

use super::pull::{Policy, pull};
use super::rm::{RmOptions, rm};
use super::{Ctx, glob, network};
use crate::error::{Context, Error, IntoError, Kind, Result};
use crate::image::{Image, Store};
use crate::registry::{Platform, Progress, PullOptions};
use crate::runtime::seccomp;
use crate::spec::build::{Built, build};
use crate::spec::model::{Mount, MountKind, Seccomp, Spec};
use crate::spec::mounts;
use crate::spec::request::{Host, ImageInfo, RunRequest};
use crate::spec::storage::Source;
use crate::spec::volumes::parse_volumes_from;
use crate::state::{containers, events, names, store};
use crate::userns::IdMap;
use crate::volume;
use std::collections::BTreeMap;

/// Layers unpacked at once: more gain nothing (one inflates while the other writes).
const UNPACK_JOBS: usize = 2;

/// How to get an image that is not in the store.
pub struct ImageOptions<'a> {
    pub policy: Policy,
    pub registry: &'a PullOptions,
    pub progress: &'a dyn Progress,
}

/// A container that exists now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOutcome {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
}

/// Creates the container that `request` describes, pulling the image if the pull policy says so.
///
/// # Errors
/// `User` for flags that make no sense, `NotFound` for an image, container or bind source that is not there,
/// `Conflict` for a name that is taken; after an error nothing is left behind but the image.
pub fn create(ctx: &Ctx, request: &RunRequest, how: &ImageOptions<'_>) -> Result<CreateOutcome> {
    store::open(&ctx.paths)?;
    let images = Store::open(&ctx.paths)?;
    let mut host = host_facts(ctx, request)?;
    // Everything that can be wrong with the flags shows before anything is pulled: a dry build with no image.
    if !request.rootfs {
        let unknown = ImageInfo { cmd: vec!["-".into()], ..ImageInfo::default() };
        network::settle(ctx, &mut build(request, &unknown, &host)?.spec.network.mode)?;
    }
    name_is_free(ctx, request)?;
    let mut warnings = Vec::new();
    let image = match request.rootfs {
        true => rootfs_image(request)?,
        false => image(ctx, &images, &request.image, how, &mut warnings)?,
    };
    for name in mounts::lookups(&request.mounts, &request.cwd).0 {
        let mounted = self::image(ctx, &images, &name, how, &mut warnings).map_err(|e| e.context("read --mount"))?;
        host.images.insert(name, mounted);
    }
    let mut built = build(request, &image, &host)?;
    network::settle(ctx, &mut built.spec.network.mode)?;
    check_sources(&built.sources)?;
    check_devices(&built.spec)?;
    // A profile that can't be read is better said now than at every start.
    if let Seccomp::Profile(_) = built.spec.seccomp {
        seccomp::compile(&built.spec.seccomp, &built.spec.process.capabilities)?;
    }
    replace(ctx, request)?;
    let random_name = request.name.is_none();
    for attempt in 0.. {
        match store_container(ctx, &built, &host.name) {
            Err(e) if random_name && e.kind == Kind::Conflict && attempt < 100 => {
                host.name = names::random(&ctx.paths);
                built = build(request, &image, &host)?;
                network::settle(ctx, &mut built.spec.network.mode)?;
            }
            Err(e) => return Err(e),
            Ok(()) => break,
        }
    }
    warnings.append(&mut built.warnings);
    Ok(CreateOutcome { id: host.id, name: host.name, warnings })
}

fn host_facts(ctx: &Ctx, request: &RunRequest) -> Result<Host> {
    let mut ids = BTreeMap::new();
    for name in request.container_refs() {
        if !name.is_empty() {
            ids.insert(name.clone(), containers::resolve(&ctx.paths, &name)?);
        }
    }
    let joined = request.network.iter().find_map(|mode| ids.get(mode.strip_prefix("container:")?));
    let joined_hostname = joined.map(|id| containers::load_spec::<Spec>(&ctx.paths, id).map(|spec| spec.hostname));
    let mut volumes_from = Vec::new();
    for text in &request.volumes_from {
        let (name, _) = parse_volumes_from(text)?;
        let id = containers::resolve(&ctx.paths, &name).map_err(|e| e.context("read --volumes-from"))?;
        let spec: Spec = containers::load_spec(&ctx.paths, &id)?;
        let shared = |m: &Mount| matches!(m.kind, MountKind::Bind { .. } | MountKind::Volume { .. });
        volumes_from.push(spec.mounts.into_iter().filter(shared).collect());
    }
    let patterns = mounts::lookups(&request.mounts, &request.cwd).1;
    let globs = patterns.into_iter().map(|p| glob::paths(&p).map(|found| (p, found))).collect::<Result<_>>()?;
    Ok(Host {
        id: containers::new_id()?,
        now: events::now(),
        name: request.name.clone().unwrap_or_else(|| names::random(&ctx.paths)),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        joined_hostname: joined_hostname.transpose()?.filter(|name| !name.is_empty()),
        containers: ids,
        volumes_from,
        images: BTreeMap::new(),
        globs,
    })
}

/// Fails early on a taken name; the claim that counts is made when the container is stored.
fn name_is_free(ctx: &Ctx, request: &RunRequest) -> Result<()> {
    match &request.name {
        Some(name) if !request.replace => match names::lookup(&ctx.paths, name) {
            Some(id) if ctx.paths.container(&id).path().exists() => {
                let short: String = id.chars().take(12).collect();
                Err(Error::conflict(format!("use the name {name}: container {short} has it"))
                    .hint("remove that container, choose another name, or use --replace"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `--replace`.
fn replace(ctx: &Ctx, request: &RunRequest) -> Result<()> {
    let Some(name) = request.name.as_deref().filter(|_| request.replace) else { return Ok(()) };
    let Some(id) = names::lookup(&ctx.paths, name) else { return Ok(()) };
    match rm(ctx, &id, RmOptions { force: true, volumes: false, timeout: None }) {
        Err(e) if e.kind == Kind::NotFound => Ok(()),
        Err(e) => Err(e.context(format!("replace container {name}"))),
        Ok(()) => Ok(()),
    }
}

fn rootfs_image(request: &RunRequest) -> Result<ImageInfo> {
    let path = crate::spec::volumes::host_path(&request.image, &request.cwd);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => Ok(ImageInfo::default()),
        Ok(_) => Err(Error::user(format!("use {path} as --rootfs: it is not a directory"))),
        Err(e) => Err(e.context(format!("use {path} as --rootfs"))),
    }
}

/// Finds or pulls the image and makes sure that its layers are unpacked. The caller's `images` keeps the store's lock
/// shared, so that nothing is collected before the container refers to it.
fn image(
    ctx: &Ctx,
    images: &Store,
    name: &str,
    how: &ImageOptions<'_>,
    warnings: &mut Vec<String>,
) -> Result<ImageInfo> {
    images.lease()?;
    let image = find(ctx, images, name, how)?;
    let theirs = platform(&image);
    let ours = Platform::host();
    if how.registry.platform.is_none() && !runs_on(&ours, &theirs) {
        warnings.push(format!("image {name} is made for {theirs}, this host is {ours}"));
    }
    let idmap = IdMap::detect()?;
    let layers: Vec<String> = image.layers.iter().map(|l| l.chain_id.clone()).collect();
    if images.layer_dirs(&layers, &idmap).is_err() {
        images.unpack(&image.manifest, UNPACK_JOBS, &idmap, &|_| {})?;
    }
    let config = &image.config.config;
    let keys = |map: &BTreeMap<String, crate::image::Empty>| map.keys().cloned().collect::<Vec<_>>();
    Ok(ImageInfo {
        reference: super::images::meant_name(&image, name).or_else(|| image.names.first().cloned()).unwrap_or_default(),
        id: image.id.clone(),
        layers,
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        env: config.env.clone(),
        user: config.user.clone(),
        working_dir: config.working_dir.clone(),
        volumes: keys(&config.volumes),
        exposed_ports: keys(&config.exposed_ports),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
    })
}

fn find(ctx: &Ctx, images: &Store, name: &str, how: &ImageOptions<'_>) -> Result<Image> {
    if matches!(how.policy, Policy::Missing | Policy::Never) {
        match images.resolve(name) {
            Ok(image) if how.registry.platform.as_ref().is_none_or(|want| runs_on(want, &platform(&image))) => {
                return Ok(image);
            }
            Ok(image) if how.policy == Policy::Never => {
                let want = how.registry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                return Err(Error::not_found(format!(
                    "find image '{name}' for {want}: it is here for {}",
                    platform(&image)
                ))
                .hint("pull it with --platform"));
            }
            Ok(_) => {}
            // `pull` asks the configuration what a short name means here, and knows the error if it does not say.
            Err(_) => {}
        }
    }
    let pulled = pull(ctx, name, how.policy, how.registry, how.progress).map_err(|e| match &how.registry.platform {
        Some(want) => e.context(format!("find image '{name}' for {want}")),
        None => e,
    })?;
    let image = images.resolve(&pulled.id)?;
    match &how.registry.platform {
        Some(want) if !runs_on(want, &platform(&image)) => Err(Error::not_found(format!(
            "find image '{name}' for {want}: the registry has it for {}",
            platform(&image)
        ))),
        _ => Ok(image),
    }
}

fn platform(image: &Image) -> Platform {
    let config = &image.config;
    Platform::normalised(&config.os, &config.architecture, &config.variant)
}

/// Whether programs for `image` are what `want` asks for; a variant counts only where both name one. Images without an
/// architecture (imported ones) suit everybody.
fn runs_on(want: &Platform, image: &Platform) -> bool {
    image.architecture.is_empty()
        || (want.os == image.os
            && want.architecture == image.architecture
            && (want.variant.is_empty() || image.variant.is_empty() || want.variant == image.variant))
}

/// Bind sources have to exist; docker makes those of `-v`.
fn check_sources(sources: &[Source]) -> Result<()> {
    for source in sources {
        match std::fs::metadata(&source.path) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && source.create => {
                std::fs::create_dir_all(&source.path).with_context(|| format!("create bind source {}", source.path))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::not_found(format!("mount {}: no such file or directory", source.path))
                    .hint(format!("mkdir -p {}", source.path)));
            }
            Err(e) => return Err(e.context(format!("mount {}", source.path))),
        }
    }
    Ok(())
}

/// Devices have to exist and be ours to open: a container can't do more than its user.
fn check_devices(spec: &Spec) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    for device in &spec.devices {
        let meta = std::fs::metadata(&device.source).with_context(|| format!("use device {}", device.source))?;
        let kind = meta.file_type();
        if !(kind.is_char_device() || kind.is_block_device() || kind.is_dir()) {
            return Err(
                Error::user(format!("use device {}: it is not a device", device.source)).hint("bind it with -v")
            );
        }
    }
    Ok(())
}

/// Makes the volumes, then the container, which appears whole or not at all.
fn store_container(ctx: &Ctx, built: &Built, name: &str) -> Result<()> {
    let mut made = Vec::new();
    let result = (|| {
        for volume in &built.volumes {
            super::volume::ensure(ctx, volume, false)?;
        }
        for volume in &built.anonymous {
            super::volume::ensure(ctx, volume, true).map_err(|e| super::volume::by_place(e, &built.spec.mounts))?;
            made.push(&volume.name);
        }
        containers::create(&ctx.paths, &built.config, &built.spec, Some(name)).map(drop)
    })();
    if result.is_err() {
        for volume in made {
            let _ = volume::remove(&ctx.paths, volume);
        }
    }
    result
}
