//! `commit`: a container's changes become an image.

use super::{Ctx, tree};
use crate::error::Result;
use crate::image::{Format, History, ImageConfig, Reference, RunConfig, Store, diff, fill_history};
use crate::spec::model::MountKind;
use crate::state::containers::Container;
use crate::state::{events, hook};

/// What the new image says besides what the container has.
pub struct CommitOptions<'a> {
    pub name: Option<Reference>,
    pub author: String,
    pub message: String,
    /// Stop a running container's processes meanwhile.
    pub pause: bool,
    /// One layer for all.
    pub squash: bool,
    pub format: Format,
    /// Volumes of the container become volumes of the image.
    pub include_volumes: bool,
    /// RFC 3339; `None`: when the container ended (or was made, if it has not run), so that the same container gives the
    /// same image whenever this is asked for. For one that runs, now.
    pub created: Option<String>,
    /// No file in the layer is newer, in seconds since 1970.
    pub newest: Option<i64>,
    /// Changes the config at last.
    pub change: &'a dyn Fn(&mut RunConfig) -> Result<()>,
}

/// An image that exists now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Hex of the config's digest.
    pub id: String,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
}

/// Variables that the runtime sets by itself.
const OUR_ENV: &[&str] = &["HOME", "HOSTNAME", "TERM", "container"];

/// Makes an image of the container `name`, running or not. Nothing is left behind after an error.
///
/// # Errors
/// NotFound for the container, and for an image of its that was removed meanwhile (not with `squash`).
pub fn commit(ctx: &Ctx, name: &str, options: &CommitOptions<'_>) -> Result<Committed> {
    let store = Store::open(&ctx.paths)?;
    let made = make(ctx, &store, name, options);
    if made.is_err() {
        let _ = store.collect();
    }
    made.map_err(|e| e.context(format!("commit container {name}")))
}

fn make(ctx: &Ctx, store: &Store, name: &str, options: &CommitOptions<'_>) -> Result<Committed> {
    store.lease()?;
    let source = tree::container(ctx, name)?;
    source.of_layers("commit")?;
    let base = base(store, &source, options.squash)?;
    let created = options.created.clone().unwrap_or_else(|| settled(&source.container));
    let mut config = ImageConfig {
        created: created.clone(),
        config: run_config(&source, &base.1, options.include_volumes),
        inline_cache: String::new(),
        ..base.1
    };
    // A change that is wrong shows before anything is written.
    (options.change)(&mut config.config)?;
    if !options.author.is_empty() {
        config.author = options.author.clone();
    }
    let mut layers = base.0;
    if options.squash {
        config.history.clear();
        layers.clear();
    } else {
        fill_history(&mut config.history, layers.len(), &config.created);
    }
    let (frozen, note) = if options.pause { source.pause() } else { (None, None) };
    let mut warnings: Vec<String> = note.into_iter().collect();
    let trees = if options.squash { source.trees.clone().flattened() } else { source.trees.clone() };
    let mut packing = diff::pack(&trees, &source.idmap, options.newest)?;
    hook::stop_at("commit:packing");
    let layer = store.put_layer(&mut packing);
    // The packer's own reason is better than that of its reader.
    warnings.extend(packing.finish()?);
    drop(frozen);
    let layer = layer?;
    hook::stop_at("commit:layer");
    config.history.push(History {
        created,
        created_by: source.container.config.command.join(" "),
        author: options.author.clone(),
        comment: options.message.clone(),
        empty_layer: layer.is_none(),
    });
    layers.extend(layer);
    let manifest = store.compose(&config, &layers, options.format)?;
    hook::stop_at("commit:composed");
    match &options.name {
        Some(name) => store.tag(&manifest, name)?,
        None => store.keep(&manifest)?,
    }
    let id = store.image(&manifest.digest)?.id;
    let named = options.name.as_ref().map(Reference::canonical).unwrap_or_default();
    events::container(&ctx.paths, "commit", &source.container.id, &source.container.name, &[("comment", named)]);
    Ok(Committed { id, warnings })
}

/// Since when the container's files have been as they are, as far as its records tell.
fn settled(container: &Container) -> String {
    let recorded =
        if container.state.finished.is_empty() { &container.config.created } else { &container.state.finished };
    if container.active() || recorded.is_empty() { events::now() } else { recorded.clone() }
}

/// The layers and the config of the container's image.
fn base(
    store: &Store,
    source: &tree::ContainerTree,
    squash: bool,
) -> Result<(Vec<crate::image::StoredLayer>, ImageConfig)> {
    let image = match store.resolve(&source.container.config.image_id) {
        Ok(image) => image,
        // Its layers are still there for the container; what the config said is in the container's own.
        Err(e) if squash && e.kind == crate::error::Kind::NotFound => {
            let architecture = crate::image::host_architecture().into();
            return Ok((Vec::new(), ImageConfig { os: "linux".into(), architecture, ..ImageConfig::default() }));
        }
        Err(e) => {
            let hint = format!("pull {} again, or use --squash", source.container.config.image);
            return Err(e.context("find the image it was made from").hint(hint));
        }
    };
    let layers = if squash { Vec::new() } else { store.stored_layers(&image)? };
    Ok((layers, image.config))
}

/// The image's config with what the container was created with.
fn run_config(source: &tree::ContainerTree, base: &ImageConfig, volumes: bool) -> RunConfig {
    let (asked, spec) = (&source.container.config, &source.spec);
    let mut config = base.config.clone();
    config.entrypoint = asked.entrypoint.clone();
    config.cmd = asked.cmd.clone();
    config.user = spec.process.user.clone();
    if spec.process.cwd != "/" || !config.working_dir.is_empty() {
        config.working_dir = spec.process.cwd.clone();
    }
    config.labels.extend(asked.labels.clone());
    let key = |variable: &String| variable.split('=').next().unwrap_or_default().to_string();
    for variable in &spec.process.env {
        let known = config.env.iter().position(|e| key(e) == key(variable));
        match known {
            Some(at) => config.env[at] = variable.clone(),
            None if OUR_ENV.contains(&key(variable).as_str()) => {}
            None => config.env.push(variable.clone()),
        }
    }
    config.exposed_ports.extend(asked.exposed_ports.iter().map(|p| (p.clone(), crate::image::Empty {})));
    if volumes {
        let named = spec.mounts.iter().filter(|m| matches!(m.kind, MountKind::Volume { .. } | MountKind::Bind { .. }));
        config.volumes.extend(named.map(|m| (m.destination.clone(), crate::image::Empty {})));
    }
    config
}
