//! Index, blobs, layers and views.

use super::{Found, Remedy, Report, closed, damage, leftover};
use crate::engine::Ctx;
use crate::error::Result;
use crate::image::{Assume, BadBlob, BadLayer, HELLO, Store, Wrong};
use crate::runtime::owned_check;
use crate::spec::model::Spec;
use crate::state::containers;
use crate::userns::IdMap;
use std::collections::HashSet;

pub(super) fn check(ctx: &Ctx, store: &Store, quick: bool, report: &mut Report, found: &mut Vec<Found>) -> Result<()> {
    match store.check_blobs(!quick) {
        Ok((bad, checked)) => {
            report.checked = checked;
            let shut = |bad: &BadBlob| {
                let refused = matches!(&bad.wrong, Wrong::Unreadable(e) if e.is_errno(libc::EACCES));
                refused.then(|| closed(&store.blob(&bad.digest), 0o600)).flatten()
            };
            found.extend(bad.into_iter().map(|bad| shut(&bad).unwrap_or_else(|| blob(bad))));
        }
        Err(e) => {
            found.push(damage(
                format!("file {}", ctx.paths.image_index().display()),
                e.to_string(),
                "no image can be listed, pulled or run",
                "makes a new one from the images that are there; names are taken from the containers' records",
                Remedy::Reindex,
            ));
            // What the index refers to is unknown: nothing may be taken for an orphan.
            return Ok(());
        }
    }
    match IdMap::detect().and_then(|idmap| store.check_layers(!quick, &idmap)) {
        Ok((bad, count)) => {
            report.checked.layers = count;
            found.extend(bad.into_iter().map(|bad| layer(ctx, store, bad)));
        }
        Err(e) => found.push(damage(
            format!("directory {}", ctx.paths.layers().display()),
            format!("its layers can't be checked: {e}"),
            "containers may not start either",
            "nothing; see coracle doctor",
            Remedy::None,
        )),
    }
    if !quick {
        views(ctx, store, found);
    }
    for (path, why) in store.dead_steps() {
        found.push(leftover(
            format!("file {}", path.display()),
            why,
            "the next build takes the step again",
            "removes it",
            Remedy::Unlink(path),
        ));
    }
    unlisted(store, found)
}

fn blob(bad: BadBlob) -> Found {
    if bad.images.is_empty() {
        return damage(
            format!("blob {} of the build cache", bad.digest),
            problem(&bad.wrong),
            "builds that take the step from the cache fail, or make an image that can't be pushed",
            "forgets the step; the next build takes it again",
            Remedy::Uncache(bad),
        );
    }
    let images: Vec<&str> = bad.images.iter().map(String::as_str).collect();
    let of = match bad.manifest {
        true => "manifest",
        false => "part",
    };
    let object = format!("blob {}, {of} of {}", bad.digest, images.join(", "));
    let problem = problem(&bad.wrong);
    let consequence = match bad.manifest {
        true => "the image can't be used",
        false => "the image can't be pushed or saved, and not run where its layers have to be extracted",
    };
    let repair = if bad.images.contains(HELLO) {
        "makes it again".to_string()
    } else if let Some(source) = bad.sources.first() {
        format!("fetches it again from {source}")
    } else if bad.manifest {
        "takes the image off the list; containers keep their layers".to_string()
    } else {
        "nothing: the image was not pulled; load, import or build it again".to_string()
    };
    let fetchable = bad.images.contains(HELLO) || !bad.sources.is_empty();
    let remedy = match bad.manifest && !fetchable {
        true => Remedy::Forget(bad.digest.clone()),
        false => Remedy::Fetch(bad.clone()),
    };
    damage(object, problem, consequence, &repair, remedy)
}

fn problem(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Missing => "it is missing".to_string(),
        Wrong::Size(have, want) => format!("it has {have} bytes instead of {want}"),
        Wrong::Content(found) => format!("its content's digest is {found}"),
        Wrong::Unreadable(e) => e.to_string(),
    }
}

fn layer(ctx: &Ctx, store: &Store, bad: BadLayer) -> Found {
    let images = store.list().unwrap_or_default();
    let owner = images.iter().find(|i| i.layers.iter().any(|l| l.chain_id == bad.chain_id));
    let used = users(ctx, &bad.chain_id);
    let cached = owner.is_none() && store.build_layers().iter().any(|(_, chain)| *chain == bad.chain_id);
    let object = match owner.and_then(|image| image.names.first()) {
        Some(name) => format!("layer {} of {name}", bad.name),
        None if cached => format!("layer {} of the build cache", bad.name),
        None => format!("layer {}", bad.name),
    };
    let problem = match bad.count {
        0 => bad.what.join("; "),
        1 => "one of its files is not as it was extracted".into(),
        n => format!("{n} of its files are not as they were extracted"),
    };
    let consequence = match used.len() {
        0 if cached => "builds that take the step from the cache may fail, or make a wrong image".to_string(),
        0 => "containers made from the image may fail".to_string(),
        1 => format!("container {} and new ones may fail", used[0]),
        n => format!("{n} containers and new ones may fail"),
    };
    let repair = match (owner, used.is_empty()) {
        (Some(_), _) => "extracts it again from its blob",
        (None, true) if cached => "removes it; the next build that needs it extracts it again from its blob",
        (None, true) => "removes it: nothing uses it",
        (None, false) => "nothing: its image was removed; pull or load that again first",
    };
    let details = if bad.count == 0 { Vec::new() } else { bad.what.clone() };
    let mut found = damage(object, problem, &consequence, repair, Remedy::Rebuild(bad));
    found.finding.details = details;
    found
}

/// What `--userns keep-id` sees layers as. A view whose layer is damaged goes with it.
fn views(ctx: &Ctx, store: &Store, found: &mut Vec<Found>) {
    let bad = |name: &str| found.iter().any(|f| matches!(&f.remedy, Remedy::Rebuild(bad) if bad.name == name));
    let mounted = store.mounted();
    let mut wrong = Vec::new();
    for home in std::fs::read_dir(ctx.paths.views()).into_iter().flatten().flatten() {
        let name = home.file_name().to_string_lossy().into_owned();
        if bad(&name) || !ctx.paths.layers().join(&name).exists() {
            continue;
        }
        for view in std::fs::read_dir(home.path()).into_iter().flatten().flatten().map(|e| e.path()) {
            // What a dead process has left is taken away by the next one.
            if view.extension().is_some() {
                continue;
            }
            let (problem, details) = match owned_check::check(&view) {
                Ok(None) => continue,
                Ok(Some(difference)) if difference.count == 0 => continue,
                Ok(Some(difference)) => {
                    (format!("{} of its files are not as they were made", difference.count), difference.files)
                }
                Err(e) => (e.to_string(), Vec::new()),
            };
            let busy = mounted.iter().any(|chain| name.starts_with(chain));
            let (repair, remedy) = match busy {
                true => ("nothing while a container of it runs: stop that, and repair again", Remedy::None),
                false => ("removes it; it is made again when it is needed", Remedy::Discard(home.path())),
            };
            let consequence = "containers with --userns keep-id may fail";
            let mut one = damage(format!("view {name}"), problem, consequence, repair, remedy);
            one.finding.details = details;
            wrong.push(one);
        }
    }
    found.append(&mut wrong);
}

/// Short ids of the containers that have the layer.
pub(super) fn users(ctx: &Ctx, chain_id: &str) -> Vec<String> {
    let has = |id: &String| {
        let spec = containers::load_spec::<Spec>(&ctx.paths, id);
        spec.is_ok_and(|spec| spec.root.layers.iter().any(|l| l == chain_id))
    };
    let ids = containers::ids(&ctx.paths).unwrap_or_default().into_iter();
    ids.filter(has).map(|id| id[..12].to_string()).collect()
}

/// Blobs, layers and views that nothing refers to, and files that are none of these.
fn unlisted(store: &Store, found: &mut Vec<Found>) -> Result<()> {
    let garbage = store.garbage(&Assume::default())?;
    let name = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let foreign = |dir: &str, name: &str| match dir {
        "blobs" => name.len() != 64 || !name.bytes().all(|b| b.is_ascii_hexdigit()),
        _ => !name.get(..64).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())),
    };
    let mut bad_layers = HashSet::new();
    found.iter().for_each(|f| {
        if let Remedy::Rebuild(bad) = &f.remedy {
            bad_layers.insert(bad.name.clone());
        }
    });
    for (kind, dir, list) in
        [("blob", "blobs", garbage.blobs), ("layer", "layers", garbage.layers), ("view", "views", garbage.views)]
    {
        for path in list {
            let name = name(&path);
            if bad_layers.contains(&name) && kind == "layer" {
                continue;
            }
            if foreign(dir, &name) {
                found.push(leftover(
                    format!("file {}", path.display()),
                    "coracle did not make it, or it was renamed",
                    "it takes space",
                    "removes it",
                    Remedy::Discard(path),
                ));
            } else {
                found.push(leftover(
                    format!("{kind} {name}"),
                    if kind == "view" { "its layer is gone" } else { "no image and no container has it" },
                    "it takes space",
                    "removes it, as prune does",
                    Remedy::Collect,
                ));
            }
        }
    }
    Ok(())
}
