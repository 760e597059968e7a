//! `pull` from elsewhere than a registry: archives, directories and podman's store, by skopeo's names of transports
//! (containers-transports(5)).

use super::Ctx;
use super::images::{self, Source};
use super::pull::Pulled;
use crate::error::{Context, Error, Kind, Result};
use crate::image::{Foreign, Image, Index, Loaded, Reference, Store};
use crate::registry::{self, Env, Event, Platform, Progress, PullOptions};
use crate::state::text;
use crate::userns::IdMap;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A transport and what follows its colon. A registry's names are no business of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    kind: Transport,
    text: &'a str,
    rest: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    DockerArchive,
    OciArchive,
    Oci,
    Dir,
    DockerDaemon,
    Storage,
}

const TRANSPORTS: [(&str, Transport); 6] = [
    ("docker-archive:", Transport::DockerArchive),
    ("oci-archive:", Transport::OciArchive),
    ("oci:", Transport::Oci),
    ("dir:", Transport::Dir),
    ("docker-daemon:", Transport::DockerDaemon),
    ("containers-storage:", Transport::Storage),
];

impl<'a> Place<'a> {
    /// `None` for the name of an image in a registry. `oci:1` is that too: a tag is no path.
    pub fn parse(text: &'a str) -> Option<Place<'a>> {
        let (prefix, kind) = TRANSPORTS.into_iter().find(|(prefix, _)| text.starts_with(prefix))?;
        let rest = &text[prefix.len()..];
        let tag = matches!(kind, Transport::Oci | Transport::Dir) && !rest.contains('/') && !Path::new(rest).exists();
        (!tag || Path::new(rest.split(':').next().unwrap_or(rest)).exists()).then_some(Place { kind, text, rest })
    }
}

/// Stores the image of `place`, extracts it and names it as the source does.
///
/// # Errors
/// One line that begins with what was pulled. Nothing is named in the store then.
pub(super) fn pull(ctx: &Ctx, place: Place<'_>, options: &PullOptions, progress: &dyn Progress) -> Result<Vec<Pulled>> {
    let store = Store::open(&ctx.paths)?;
    let named = || format!("pull {}", place.text);
    let idmap = IdMap::detect()?;
    // Said before anything is announced.
    if place.kind == Transport::DockerDaemon {
        return Err(daemon(place)).with_context(named);
    }
    progress.event(Event::Note(&format!("Reading {}", place.text)));
    let read = || {
        let mut all = read(&store, place, &options.env, &idmap)?;
        all.iter_mut().try_for_each(|one| one_platform(&store, one, options.platform.as_ref()))?;
        images::adopt_all(&store, all, &idmap)
    };
    let result = read();
    images::clean_up(ctx, store, result).with_context(named).map(|all| all.iter().map(pulled).collect())
}

/// Stores the image of `place` without extracting or naming it.
pub(super) fn load(store: &Store, place: Place<'_>, env: &Env, idmap: &IdMap) -> Result<Vec<Loaded>> {
    read(store, place, env, idmap)
}

/// Makes do with one image of a manifest list: the one for `wanted`, else this host's.
///
/// # Errors
/// `NotFound` when there is none for the platform.
pub(super) fn one_platform(store: &Store, loaded: &mut Loaded, wanted: Option<&Platform>) -> Result<()> {
    let list = loaded.list.take();
    let Some(wanted) = wanted else { return Ok(()) };
    if let Some(list) = list {
        let index = Index::parse(&store.read(&list.digest)?)?;
        loaded.manifest = registry::from_index(&index, wanted)?.clone();
    }
    registry::check_platform(wanted, &store.image(&loaded.manifest.digest)?.config)
}

fn pulled((loaded, image): &(Loaded, Image)) -> Pulled {
    let reference = loaded.names.first().map_or_else(|| format!("sha256:{}", image.id), Reference::canonical);
    Pulled { id: image.id.clone(), reference, changed: true }
}

fn read(store: &Store, place: Place<'_>, env: &Env, idmap: &IdMap) -> Result<Vec<Loaded>> {
    if place.rest.is_empty() {
        return Err(Error::user("nothing follows the colon").hint("see containers-transports(5)"));
    }
    check_policy(place, env)?;
    let silent: crate::image::ReadProgress<'_> = &|_| {};
    match place.kind {
        Transport::Dir => Ok(vec![store.load_plain_directory(Path::new(place.rest), silent)?]),
        Transport::Oci => {
            let (dir, wanted) = path_and_name(place.rest);
            choose(store.load_directory(dir, silent)?, wanted, false)
        }
        Transport::OciArchive | Transport::DockerArchive => {
            let (path, wanted) = path_and_name(place.rest);
            let all = store.load_archive(Source::Path(path).open()?, silent)?;
            choose(all, wanted, place.kind == Transport::DockerArchive)
        }
        Transport::Storage => {
            let (foreign, name) = foreign(place.rest, env)?;
            Ok(vec![store.load_foreign(&foreign, name, idmap, silent)?])
        }
        Transport::DockerDaemon => Err(daemon(place)),
    }
}

/// What policy.json says about images that come this way.
fn check_policy(place: Place<'_>, env: &Env) -> Result<()> {
    let transport = TRANSPORTS.iter().find(|(_, kind)| *kind == place.kind).map_or("", |(name, _)| *name);
    if place.kind == Transport::Storage {
        let (foreign, name) = foreign(place.rest, env)?;
        let root = std::fs::canonicalize(&foreign.root).unwrap_or_else(|_| foreign.root.clone());
        return registry::check_policy_of_storage(&foreign.drivers(), &root, name, env);
    }
    let (path, name) = path_and_name(place.rest);
    registry::check_policy_of_path(transport.trim_end_matches(':'), path, name, env)
}

fn daemon(place: Place<'_>) -> Error {
    Error::unsupported("images are not fetched from the docker daemon")
        .hint(format!("docker save {} | coracle load", place.rest))
}

/// `PATH[:NAME]`; a path that has the colon itself is taken as it is.
fn path_and_name(rest: &str) -> (&Path, Option<&str>) {
    match rest.split_once(':') {
        Some((path, name)) if !Path::new(rest).exists() => (Path::new(path), Some(name).filter(|n| !n.is_empty())),
        _ => (Path::new(rest), None),
    }
}

/// The image that was asked for by name or `@INDEX`; without either all of a docker-archive, else the only one.
fn choose(mut all: Vec<Loaded>, wanted: Option<&str>, archive: bool) -> Result<Vec<Loaded>> {
    let names: Vec<String> = all.iter().flat_map(|l| &l.names).map(Reference::canonical).collect();
    let list =
        || format!("it has: {}", if names.is_empty() { "images without names".into() } else { names.join(", ") });
    let Some(wanted) = wanted else {
        return match all.len() {
            1 => Ok(all),
            _ if archive => Ok(all),
            n => Err(Error::user(format!("choose one of {n} images")).hint(list())),
        };
    };
    if let Some(index) = wanted.strip_prefix('@').and_then(|n| n.parse::<usize>().ok()) {
        let count = all.len();
        return match index < count {
            true => Ok(vec![all.swap_remove(index)]),
            false => Err(Error::not_found(format!("find image @{index}: there are {count}"))),
        };
    }
    let default = if archive { "docker.io" } else { "localhost" };
    let reference = Reference::parse_with(wanted, default)?;
    let found = all.into_iter().find(|l| l.names.contains(&reference));
    let found = found.ok_or_else(|| Error::not_found(format!("find image '{wanted}'")).hint(list()))?;
    Ok(vec![Loaded { names: vec![reference], ..found }])
}

/// `[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]NAME`, the store in brackets; else the user's own.
fn foreign<'t>(rest: &'t str, env: &Env) -> Result<(Foreign, &'t str)> {
    let Some((spec, name)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) else {
        return Ok((own_store(env)?, rest));
    };
    let (driver, root) = spec.split_once('@').map_or((None, spec), |(driver, root)| (Some(driver), root));
    let root = root.split(['+', ':']).next().unwrap_or(root);
    if !root.starts_with('/') {
        return Err(Error::user(format!("parse the store '{spec}'")).hint("write it as [overlay@/PATH]IMAGE"));
    }
    Ok((Foreign { root: root.into(), driver: driver.map(String::from) }, name))
}

#[derive(Default, Deserialize)]
struct StorageConf {
    #[serde(default)]
    storage: StorageTable,
}

#[derive(Default, Deserialize)]
struct StorageTable {
    #[serde(default)]
    driver: String,
    #[serde(default)]
    graphroot: String,
    #[serde(default)]
    rootless_storage_path: String,
}

/// The store that podman uses for this user (containers-storage.conf(5)).
fn own_store(env: &Env) -> Result<Foreign> {
    let root = rustix::process::geteuid().is_root();
    let system = env.system("etc/containers/storage.conf");
    let own = env.config_home().map(|home| home.join("containers/storage.conf"));
    let explicit = env.var("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let user = explicit.or(own.filter(|_| !root)).map(|path| conf(&path)).transpose()?.unwrap_or_default();
    let system = conf(&system)?;
    let driver = [&user, &system].into_iter().map(|t| &t.driver).find(|d| !d.is_empty()).cloned();
    let default = || match root {
        true => Some("/var/lib/containers/storage".to_string()),
        false => {
            let data =
                env.var("XDG_DATA_HOME").map(PathBuf::from).or_else(|| Some(env.home()?.join(".local/share")))?;
            Some(data.join("containers/storage").to_string_lossy().into_owned())
        }
    };
    // An ordinary user's graphroot is never the system's.
    let system = if root { system.graphroot } else { system.rootless_storage_path };
    let found = [user.graphroot, user.rootless_storage_path, system].into_iter().find(|path| !path.is_empty());
    let found = found.or_else(default).ok_or_else(|| Error::user("find podman's store: HOME is not set"))?;
    let home = env.home().unwrap_or_default().to_string_lossy().into_owned();
    let uid = rustix::process::getuid().as_raw().to_string();
    let user = env.var("USER").unwrap_or_default();
    let found = found.replace("$HOME", &home).replace("$UID", &uid).replace("$USER", user);
    Ok(Foreign { root: found.into(), driver: driver.filter(|d| d == "overlay" || d == "vfs") })
}

fn conf(path: &Path) -> Result<StorageTable> {
    let named = || format!("read {}", path.display());
    match text::read(path) {
        Ok(text) => toml::from_str::<StorageConf>(&text)
            .map(|conf| conf.storage)
            .map_err(|e| Error::new(Kind::User, format!("{}: {}", named(), e.message()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(StorageTable::default()),
        Err(e) => Err(e).with_context(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_transports_from_names() {
        for (text, kind) in [
            ("docker-archive:x.tar", Some(Transport::DockerArchive)),
            ("oci:/a/b:tag", Some(Transport::Oci)),
            ("dir:/a", Some(Transport::Dir)),
            ("containers-storage:x", Some(Transport::Storage)),
            ("oci:1.0", None),
            ("docker://debian", None),
            ("debian:12", None),
        ] {
            assert_eq!(Place::parse(text).map(|p| p.kind), kind, "{text}");
        }
    }

    #[test]
    fn stores_in_brackets() {
        let env = Env::from_lookup(|n| (n == "HOME").then(|| "/home/u".into()));
        let (store, name) = foreign("[vfs@/a/b+/run:x=y]img:1", &env).unwrap();
        assert_eq!((store.root.to_str(), store.driver.as_deref(), name), (Some("/a/b"), Some("vfs"), "img:1"));
        assert!(foreign("[relative]img", &env).is_err());
    }

    #[test]
    fn the_image_is_chosen_by_name_or_index() {
        let digest = crate::image::Digest::of(b"x");
        let loaded = |name: &str| Loaded {
            manifest: crate::image::Descriptor::new(crate::image::OCI_MANIFEST, digest.clone(), 1),
            names: vec![Reference::parse_with(name, "localhost").unwrap()],
            list: None,
            transport: "oci",
        };
        let all = || vec![loaded("one"), loaded("two:2")];
        let chosen = |wanted, archive| choose(all(), wanted, archive).map(|l| l[0].names[0].canonical());
        assert_eq!(chosen(Some("two:2"), false).unwrap(), "localhost/two:2");
        assert_eq!(chosen(Some("@1"), false).unwrap(), "localhost/two:2");
        assert!(chosen(Some("three"), false).unwrap_err().to_string().contains("localhost/one:latest"));
        assert!(chosen(None, false).unwrap_err().to_string().contains("choose one of 2"));
        assert_eq!(choose(all(), None, true).unwrap().len(), 2);
    }
}
