//! Containers, their names, volumes, and what lies in tmp/ and trash/.

use super::{Found, Remedy, closed, damage, leftover};
use crate::engine::Ctx;
use crate::error::Result;
use crate::state::container::{Config, State};
use crate::state::lock::Life;
use crate::state::{atomic, containers, gcdir, names as state_names};
use crate::volume;
use std::path::{Path, PathBuf};

/// Checks the containers' records; how many there are.
pub(super) fn containers(ctx: &Ctx, found: &mut Vec<Found>) -> Result<usize> {
    let ids = containers::ids(&ctx.paths)?;
    for id in &ids {
        container(ctx, id, found);
    }
    for path in entries(&ctx.paths.containers()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !ids.contains(&name) {
            found.push(leftover(
                format!("file {}", path.display()),
                "it is no container's directory",
                "none",
                "leaves it alone",
                Remedy::None,
            ));
        }
    }
    Ok(ids.len())
}

fn container(ctx: &Ctx, id: &str, found: &mut Vec<Found>) {
    let dir = ctx.paths.container(id);
    let short = &id[..12];
    let files =
        [dir.config(), dir.spec(), dir.state(), dir.name(), dir.lock(), dir.life()].map(|file| closed(&file, 0o600));
    let shut: Vec<Found> = closed(dir.path(), 0o700).into_iter().chain(files.into_iter().flatten()).collect();
    if !shut.is_empty() {
        found.extend(shut);
        return;
    }
    let name = state_names::recorded(&ctx.paths, id).filter(|n| !n.is_empty());
    let object = format!("container {}", name.as_deref().unwrap_or(short));
    let keep = format!("nothing: its files stay in {}; remove it with coracle rm {short}", dir.upper().display());
    let config: Result<Config> = atomic::read_json(&dir.config());
    let spec: Result<serde_json::Value> = atomic::read_json(&dir.spec());
    let temporary = config.as_ref().is_ok_and(|c| c.auto_remove);
    for (path, error) in [(dir.config(), config.err()), (dir.spec(), spec.err())] {
        let Some(error) = error else { continue };
        // Those of --rm containers are not synced: a power cut empties them, and nobody misses them.
        if temporary || lost(&path) {
            found.push(leftover(
                object.clone(),
                format!("{} is empty or cut, as a power cut leaves that of a container with --rm", path.display()),
                "it can't start again",
                &keep,
                Remedy::None,
            ));
        } else {
            found.push(damage(object.clone(), error.to_string(), "it can't start", &keep, Remedy::None));
        }
        return;
    }
    let alive = Life::held(&dir.life()).unwrap_or(true);
    if let Err(e) = atomic::read_json::<State>(&dir.state())
        && !alive
    {
        found.push(leftover(
            object.clone(),
            e.to_string(),
            "its last exit code is unknown",
            "writes that it has ended",
            Remedy::State(id.to_string()),
        ));
    }
    for path in [dir.lock(), dir.life()] {
        if !path.exists() {
            found.push(damage(
                object.clone(),
                format!("{} is missing", path.display()),
                "it can't start",
                "makes it",
                Remedy::MakeFile(path, Vec::new()),
            ));
        }
    }
    match &name {
        Some(name) if state_names::lookup(&ctx.paths, name).as_deref() == Some(id) => {}
        Some(name) => found.push(damage(
            object,
            format!("the name {name} does not lead to it"),
            "it is found by its id only",
            "gives it the name, if that is free",
            Remedy::Name { name: name.clone(), id: id.to_string() },
        )),
        None => found.push(damage(
            object,
            "it has no name",
            "it is found by its id only",
            "gives it one",
            Remedy::Name { name: String::new(), id: id.to_string() },
        )),
    }
}

/// Whether it looks like a record that was not synced: there is nothing in it, or it ends within what says so.
fn lost(path: &Path) -> bool {
    let Ok(text) = std::fs::read(path) else { return empty(path) };
    let cut = serde_json::from_slice::<serde_json::Value>(&text).is_err_and(|e| e.is_eof());
    let temporary = b"\"auto_remove\":true";
    text.iter().all(|byte| *byte == 0) || cut && text.windows(temporary.len()).any(|part| part == temporary)
}

fn empty(path: &Path) -> bool {
    path.metadata().map_or_else(|e| e.kind() == std::io::ErrorKind::NotFound, |m| m.len() == 0)
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

/// Names that lead nowhere.
pub(super) fn names(ctx: &Ctx, found: &mut Vec<Found>) {
    for path in entries(&ctx.paths.names()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !state_names::in_use(&ctx.paths, &name) {
            found.push(leftover(
                format!("name {name}"),
                "no container has it",
                "none: whoever wants it gets it",
                "removes it",
                Remedy::Unname(name),
            ));
        }
    }
}

/// Checks the volumes' records; how many there are.
pub(super) fn volumes(ctx: &Ctx, found: &mut Vec<Found>) -> Result<usize> {
    let mut count = 0;
    for path in entries(&ctx.paths.volumes()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let meta = path.join("meta.json");
        let object = format!("volume {name}");
        if !crate::spec::volumes::valid_name(&name) || !path.is_dir() {
            found.push(leftover(
                format!("file {}", path.display()),
                "it is no volume",
                "none",
                "leaves it alone",
                Remedy::None,
            ));
            continue;
        }
        count += 1;
        if let Err(e) = volume::get(&ctx.paths, &name) {
            found.push(damage(
                object.clone(),
                e.to_string(),
                "it is not listed, and containers that mount it don't start",
                "writes a record without labels; the data stay",
                Remedy::MakeFile(meta, volume::record(&name)?),
            ));
        }
        let data = volume::data_dir(&ctx.paths, &name);
        if !data.is_dir() {
            found.push(damage(
                object,
                format!("{} is missing", data.display()),
                "containers that mount it don't start",
                "makes it, empty",
                Remedy::MakeDir(data),
            ));
        }
    }
    Ok(count)
}

/// What dead processes left.
pub(super) fn leftovers(ctx: &Ctx, found: &mut Vec<Found>) {
    for path in gcdir::garbage(&ctx.paths) {
        found.push(leftover(
            format!("file {}", path.display()),
            "whoever made it is dead",
            "it takes space",
            "deletes it, as many commands do by themselves",
            Remedy::Collect,
        ));
    }
    let known: Vec<String> = containers::ids(&ctx.paths).unwrap_or_default();
    for path in entries(&ctx.paths.run.join("c")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !known.iter().any(|id| id.starts_with(&name)) {
            found.push(leftover(
                format!("directory {}", path.display()),
                "sockets of a container that is gone",
                "none",
                "removes it",
                Remedy::Discard(path),
            ));
        }
    }
}
