//! All mounts of a container put together: flags, other containers' volumes, the image's volumes.

use super::model::{Mount, MountKind};
use super::mounts::parse_mount;
use super::request::{Host, ImageInfo, RunRequest};
use super::volumes::{self, Asked, Create, NewVolume, parse_tmpfs, parse_volume};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

/// The mounts, and what has to be made for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Parents before children.
    pub mounts: Vec<Mount>,
    /// Volumes that belong to this container alone.
    pub anonymous: Vec<NewVolume>,
    /// Named volumes that have to exist, made when missing.
    pub named: Vec<NewVolume>,
    /// Bind sources that have to exist.
    pub sources: Vec<Source>,
}

/// A host path that a flag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: String,
    /// Made as a directory when missing (docker's `-v`).
    pub create: bool,
}

/// The name of the anonymous volume at `destination`: random, since the container's id is.
fn anonymous_name(id: &str, destination: &str) -> String {
    let hash = Sha256::new().chain_update(id).chain_update([0]).chain_update(destination).finalize();
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

/// Collects every mount. A flag's destination wins over `--volumes-from`, and that over the image's VOLUMEs; the same
/// destination in two flags is an error.
pub fn storage(request: &RunRequest, image: &ImageInfo, host: &Host) -> Result<Storage> {
    let mut asked: Vec<Asked> = Vec::new();
    for text in &request.volumes {
        asked.push(parse_volume(text, &request.cwd)?);
    }
    for text in &request.mounts {
        let one = parse_mount(text, &request.cwd)?;
        if one.glob { asked.extend(matches(one, text, host)?) } else { asked.push(one) }
    }
    for text in &request.tmpfs {
        asked.push(Asked::of(parse_tmpfs(text)?));
    }
    // As podman has it; docker's are empty.
    for one in asked.iter_mut().filter(|a| a.mount.kind == MountKind::Tmpfs && !request.docker) {
        if !one.mount.options.iter().any(|o| o.ends_with("tmpcopyup")) {
            one.mount.options.push("tmpcopyup".into());
        }
    }
    for (index, one) in asked.iter().enumerate() {
        if asked[..index].iter().any(|other| other.mount.destination == one.mount.destination) {
            return Err(Error::user(format!("mount two things on {}", one.mount.destination)));
        }
    }
    let mut out = Storage::default();
    for mut one in asked {
        match &mut one.mount.kind {
            MountKind::Bind { source } => {
                let create = one.create == Create::Always || one.create == Create::AsDocker && request.docker;
                out.sources.push(Source { path: source.clone(), create });
            }
            MountKind::Image { reference, id, layers, .. } => {
                // Without it this is only a look at the flags.
                if let Some(image) = host.images.get(reference) {
                    id.clone_from(&image.id);
                    layers.clone_from(&image.layers);
                }
            }
            MountKind::Volume { name, .. } if one.anonymous => {
                *name = anonymous_name(&host.id, &one.mount.destination);
                out.anonymous.push(NewVolume { name: name.clone(), labels: one.labels, options: one.options });
            }
            MountKind::Volume { name, .. } if !out.named.iter().any(|v| v.name == *name) => {
                out.named.push(NewVolume { name: name.clone(), labels: one.labels, options: one.options });
            }
            _ => {}
        }
        if let Some(overlay) = &one.mount.overlay {
            let places = overlay.upper.iter().chain(&overlay.work);
            out.sources.extend(places.map(|path| Source { path: path.clone(), create: false }));
        }
        out.mounts.push(one.mount);
    }
    let taken = |mounts: &[Mount], dest: &str| mounts.iter().any(|m| m.destination == dest);
    for (text, theirs) in request.volumes_from.iter().zip(&host.volumes_from) {
        let (_, readonly) = volumes::parse_volumes_from(text)?;
        for mount in theirs {
            if !taken(&out.mounts, &mount.destination) {
                out.mounts.push(Mount { readonly: readonly.unwrap_or(mount.readonly), ..mount.clone() });
            }
        }
    }
    for dest in &image.volumes {
        let what = format!("the image's VOLUME '{dest}'");
        let destination = volumes::destination(dest, &what)?;
        if taken(&out.mounts, &destination) {
            continue;
        }
        match request.image_volume.as_deref().unwrap_or("anonymous") {
            "anonymous" | "bind" => {
                let name = anonymous_name(&host.id, &destination);
                out.anonymous.push(NewVolume { name: name.clone(), ..NewVolume::default() });
                out.mounts.push(Mount {
                    kind: MountKind::Volume { name, copy_up: true, subpath: String::new() },
                    destination,
                    recursive: true,
                    ..Mount::default()
                });
            }
            "tmpfs" => out.mounts.push(scratch(&destination, &["nosuid", "nodev"])),
            "ignore" => {}
            other => {
                return Err(Error::user(format!("read --image-volume '{other}'")).hint("anonymous, tmpfs or ignore"));
            }
        }
    }
    // Podman's read-only containers keep the usual scratch directories; docker's do not.
    if request.read_only && request.read_only_tmpfs.unwrap_or(!request.docker) {
        for dest in ["/run", "/tmp", "/var/tmp"] {
            if !taken(&out.mounts, dest) {
                out.mounts.push(scratch(dest, &["nosuid", "nodev", "tmpcopyup"]));
            }
        }
    }
    // A mount on /a must not hide one on /a/b; the sort is stable, so flags keep their order otherwise.
    out.mounts.sort_by_key(|m| m.destination.split('/').count());
    Ok(out)
}

fn scratch(destination: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_string(),
        options: options.iter().map(|o| o.to_string()).collect(),
        ..Mount::default()
    }
}

/// One bind for each match of `--mount type=glob`.
fn matches(asked: Asked, text: &str, host: &Host) -> Result<Vec<Asked>> {
    let MountKind::Bind { source: pattern } = &asked.mount.kind else { return Ok(vec![asked]) };
    let found = host.globs.get(pattern).map_or(&[][..], Vec::as_slice);
    if found.is_empty() {
        return Err(Error::not_found(format!("read --mount '{text}': nothing matches {pattern}")));
    }
    let one = |source: &String| {
        let destination = match asked.mount.destination.as_str() {
            "" => volumes::destination(source, text)?,
            dir => format!("{dir}/{}", source.rsplit('/').next().unwrap_or_default()),
        };
        let kind = MountKind::Bind { source: source.clone() };
        Ok(Asked { mount: Mount { kind, destination, ..asked.mount.clone() }, ..asked.clone() })
    };
    found.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| w.to_string()).collect()
    }

    fn at(storage: &Storage) -> Vec<&str> {
        storage.mounts.iter().map(|m| m.destination.as_str()).collect()
    }

    #[test]
    fn precedence_and_order() {
        let request = RunRequest {
            cwd: "/cwd".into(),
            volumes: words(&["/x:/data/deep", "named:/data", "/anon"]),
            tmpfs: words(&["/t"]),
            volumes_from: words(&["other:ro"]),
            ..RunRequest::default()
        };
        let image = ImageInfo { volumes: words(&["/data", "/img"]), ..ImageInfo::default() };
        let theirs = vec![scratch("/data", &[]), scratch("/theirs", &[])];
        let host = Host { id: "i".into(), volumes_from: vec![theirs], ..Host::default() };
        let got = storage(&request, &image, &host).unwrap();
        assert_eq!(at(&got), ["/data", "/anon", "/t", "/theirs", "/img", "/data/deep"]);
        assert!(got.mounts[3].readonly);
        assert_eq!(got.named.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["named"]);
        assert_eq!(got.anonymous.len(), 2);
        assert!(got.anonymous.iter().all(|v| v.name.len() == 64));
        assert_eq!(got.sources, [Source { path: "/x".into(), create: false }]);
    }

    #[test]
    fn conflicts_and_habits() {
        let twice = RunRequest { volumes: words(&["/a:/d", "b:/d/"]), ..RunRequest::default() };
        assert!(storage(&twice, &ImageInfo::default(), &Host::default()).unwrap_err().to_string().contains("/d"));
        let docker = RunRequest { docker: true, volumes: words(&["/a:/d"]), read_only: true, ..RunRequest::default() };
        let got = storage(&docker, &ImageInfo::default(), &Host::default()).unwrap();
        assert!(got.sources[0].create && got.mounts.len() == 1);
        let ours = RunRequest { read_only: true, tmpfs: words(&["/run"]), ..RunRequest::default() };
        let got = storage(&ours, &ImageInfo::default(), &Host::default()).unwrap();
        assert_eq!(at(&got), ["/run", "/tmp", "/var/tmp"]);
    }

    #[test]
    fn image_volumes() {
        let image = ImageInfo { volumes: words(&["/v"]), ..ImageInfo::default() };
        let with = |mode: &str| {
            let request = RunRequest { image_volume: Some(mode.into()), ..RunRequest::default() };
            storage(&request, &image, &Host::default())
        };
        assert!(with("ignore").unwrap().mounts.is_empty());
        assert_eq!(with("tmpfs").unwrap().mounts[0].kind, MountKind::Tmpfs);
        assert!(with("nope").is_err());
    }
}
