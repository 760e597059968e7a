//! Volumes as seen from the containers that use them.

pub mod filter;
mod merge;
mod transfer;

pub use transfer::{EXPORT_JOB, IMPORT_JOB, export, export_job, import, import_job};

use super::Ctx;
use super::rm::{RmOptions, rm};
use crate::error::{Error, Kind, Result};
use crate::spec::model::{Mount, MountKind, Spec, VolumeAt};
use crate::spec::volumes::NewVolume;
use crate::state::containers;
use crate::volume::{self, Backing, Volume};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Volume name → full ids of the containers that mount it. Containers whose spec can't be read count for none.
pub fn users(ctx: &Ctx) -> Result<BTreeMap<String, Vec<String>>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in containers::ids(&ctx.paths)? {
        let Ok(spec) = containers::load_spec::<Spec>(&ctx.paths, &id) else { continue };
        for mount in spec.mounts {
            if let MountKind::Volume { name, .. } = mount.kind {
                out.entry(name).or_default().push(id.clone());
            }
        }
    }
    Ok(out)
}

/// Makes the volume where it is missing. One that is there keeps its labels.
///
/// # Errors
/// `Conflict` when it is there with other driver options than those asked for.
pub fn ensure(ctx: &Ctx, wanted: &NewVolume, anonymous: bool) -> Result<Volume> {
    let NewVolume { name, labels, options } = wanted.clone();
    let found = match volume::get(&ctx.paths, &name) {
        Err(e) if e.kind == Kind::NotFound => {
            let new = Volume { name: name.clone(), labels, options: options.clone(), anonymous, ..Volume::default() };
            match volume::create(&ctx.paths, &new) {
                Err(e) if e.kind == Kind::Conflict => volume::get(&ctx.paths, &name)?,
                made => return made,
            }
        }
        found => found?,
    };
    if !options.is_empty() && options != found.options {
        return Err(Error::conflict(format!("use volume {name}: it is there with other options"))
            .hint(format!("see `coracle volume inspect {name}`, or take another name")));
    }
    Ok(found)
}

/// The error in words of the user, who has given some volumes no name but a place in the container.
pub(super) fn by_place(mut e: Error, mounts: &[Mount]) -> Error {
    for mount in mounts {
        let MountKind::Volume { name, .. } = &mount.kind else { continue };
        if name.len() != 64 || !name.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue;
        }
        let place = format!("the volume at {}", mount.destination);
        for text in &mut e.context {
            *text = text.replace(&format!("volume {name}"), &place);
            while let Some(at) = text.find(name.as_str()) {
                // A path with it.
                let begin = text[..at].rfind(' ').map_or(0, |space| space + 1);
                let length = text[at..].find([' ', ':']).unwrap_or(text.len() - at);
                text.replace_range(begin..at + length, &place);
            }
        }
    }
    e
}

/// Where volume `name` is for a start of container `id`; it is made where it is missing.
///
/// # Errors
/// The directory that it stands for is missing; it is in memory and another container has it.
pub fn place(ctx: &Ctx, name: &str, id: &str) -> Result<VolumeAt> {
    let volume = volume::ensure(&ctx.paths, name, false)?;
    match volume.backing()? {
        Backing::Own => Ok(volume.data(&ctx.paths).into()),
        Backing::Bind { device, options } => match device.is_dir() {
            true => Ok(VolumeAt { dir: Some(device), own: false, options }),
            false => {
                let text = format!("mount volume {name}: there is no directory {}", device.display());
                Err(Error::not_found(text).hint(format!("mkdir -p {}", device.display())))
            }
        },
        Backing::Memory { options } => {
            for user in users(ctx)?.remove(name).into_iter().flatten().filter(|user| user != id) {
                if containers::load(&ctx.paths, &user).is_ok_and(|c| c.alive && c.active()) {
                    let short = &user[..user.len().min(12)];
                    return Err(Error::conflict(format!("mount volume {name}: container {short} has it"))
                        .hint("a volume in memory (type=tmpfs) is one container's at a time"));
                }
            }
            Ok(VolumeAt { dir: None, own: true, options })
        }
    }
}

/// The directory of a volume's files, for those who work on them outside of containers.
pub fn files(ctx: &Ctx, volume: &Volume) -> Result<PathBuf> {
    match volume.backing()? {
        Backing::Own => Ok(volume.data(&ctx.paths)),
        Backing::Bind { device, .. } => Ok(device),
        Backing::Memory { .. } => Err(Error::user(format!("read volume {}: it is in memory", volume.name))
            .hint("`coracle cp` copies files of a running container that has it")),
    }
}

/// Removes a volume that no container uses.
///
/// # Errors
/// `NotFound` when there is no such volume, `Conflict` when a container (running or not) uses it.
pub fn remove(ctx: &Ctx, name: &str) -> Result<()> {
    volume::get(&ctx.paths, name)?;
    let mut users = users(ctx)?;
    match users.get(name).and_then(|ids| ids.first()) {
        Some(_) => {
            let ids = users.remove(name).unwrap_or_default();
            let named = |id: &String| containers::load(&ctx.paths, id).map_or_else(|_| id.clone(), |c| c.name);
            let (word, uses) = if ids.len() == 1 { ("container", "uses") } else { ("containers", "use") };
            let names = ids.iter().map(named).collect::<Vec<_>>().join(", ");
            let hint = format!("remove the {word} first: coracle rm {}", names.replace(',', ""));
            Err(Error::conflict(format!("remove volume {name}: {word} {names} {uses} it")).hint(hint))
        }
        None => {
            volume::remove(&ctx.paths, name)?;
            // Files of mapped ids are still in the trash.
            super::recover::sweep(ctx);
            Ok(())
        }
    }
}

/// Removes the containers that use the volume; a running one has `time` to end by itself.
pub fn remove_users(ctx: &Ctx, name: &str, time: Duration) -> Result<()> {
    for id in users(ctx)?.remove(name).unwrap_or_default() {
        match rm(ctx, &id, RmOptions { force: true, volumes: false, timeout: Some(time) }) {
            Err(e) if e.kind == Kind::NotFound => {}
            Err(e) => return Err(e.context(format!("remove what uses volume {name}"))),
            Ok(()) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_without_a_name_are_told_by_their_place() {
        let name = "0123456789abcdef".repeat(4);
        let kind = MountKind::Volume { name: name.clone(), copy_up: true, subpath: String::new() };
        let mounts = [Mount { kind, destination: "/v".into(), ..Mount::default() }];
        let told = |text: String| by_place(Error::user(text), &mounts).to_string();
        assert_eq!(told(format!("mount volume {name}: no")), "mount the volume at /v: no");
        assert_eq!(told(format!("open x in /a/volumes/{name}/_data: no")), "open x in the volume at /v: no");
        assert_eq!(told(format!("open /a/{name}")), "open the volume at /v");
        assert_eq!(told("mount volume data: no".into()), "mount volume data: no");
    }
}
