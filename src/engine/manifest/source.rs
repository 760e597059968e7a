//! Where the members of a list come from: the store, registries, archives and directories.

use super::AddOptions;
use crate::engine::transport::{self, Place};
use crate::error::{Context, Error, Kind, Result};
use crate::image::{Descriptor, Digest, Draft, Index, Manifest, ManifestPlatform, MemberNotes, Reference, Store};
use crate::registry::{Event, Platform, Progress, Registries, Remote, member_for};
use crate::userns::IdMap;
use serde::Deserialize;

/// One member to add.
#[derive(Clone, Debug)]
pub(super) struct Member {
    entry: Descriptor,
    /// `repository@digest` that has its layers, where the store lacks them.
    source: Option<String>,
    notes: MemberNotes,
}

impl Member {
    pub fn add_to(&self, draft: &mut Draft) -> Result<()> {
        draft.add(&self.entry, self.source.clone())?;
        draft.annotate(&self.entry.digest, &self.notes);
        Ok(())
    }
}

/// The members that the words of a command line mean, in their order.
pub(super) fn all(
    store: &Store,
    words: &[String],
    options: &AddOptions,
    progress: &dyn Progress,
) -> Result<Vec<Member>> {
    let mut all = Vec::new();
    for word in words {
        let found = one(store, word, options, progress).with_context(|| format!("add {word}"))?;
        for (entry, source, chosen) in found {
            all.push(Member { entry, source, notes: notes(&options.notes, chosen) });
        }
    }
    Ok(all)
}

/// Where a member was chosen from a list by platform, the platform is the entry's own.
fn notes(wanted: &MemberNotes, chosen: bool) -> MemberNotes {
    match chosen {
        true => MemberNotes { os: None, architecture: None, variant: None, ..wanted.clone() },
        false => wanted.clone(),
    }
}

/// Entry, source, and whether it was taken from a list.
type Found = (Descriptor, Option<String>, bool);

fn one(store: &Store, word: &str, options: &AddOptions, progress: &dyn Progress) -> Result<Vec<Found>> {
    if let Some(name) = word.strip_prefix("docker://") {
        return remote(store, name, options, progress);
    }
    // Podman's word for its own store means ours first.
    let name = word.strip_prefix("containers-storage:").unwrap_or(word);
    match local(store, name, options) {
        Err(e) if e.kind == Kind::NotFound => {}
        other => return other,
    }
    if let Some(place) = Place::parse(word) {
        let idmap = IdMap::detect()?;
        let loaded = transport::load(store, place, &options.connection.env, &idmap)?;
        return loaded.iter().map(|one| stored(store, &one.manifest.digest)).collect();
    }
    if Reference::parse(name).is_ok_and(|r| r.domain == "localhost") && name.starts_with("localhost/") {
        return Err(Error::not_found("it is not in the store").hint("coracle images lists what is"));
    }
    remote(store, name, options, progress)
}

/// An image or a list of the store.
fn local(store: &Store, name: &str, options: &AddOptions) -> Result<Vec<Found>> {
    let Some(list) = store.find_list(name)? else {
        let image = store.resolve(name)?;
        return stored(store, &image.manifest).map(|one| vec![one]);
    };
    let members = chosen(list.draft.members()?, options)?;
    Ok(members.into_iter().map(|m| (m.clone(), list.draft.sources.get(m.digest.as_str()).cloned(), true)).collect())
}

/// All members of a list, or the one for the platform.
fn chosen(members: Vec<Descriptor>, options: &AddOptions) -> Result<Vec<Descriptor>> {
    if options.all {
        return Ok(members);
    }
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let index =
        Index { schema_version: 2, media_type: String::new(), manifests: members, annotations: Default::default() };
    let one = member_for(&index, &platform).map_err(|e| e.hint("choose one with --arch, or add all with --all"))?;
    Ok(vec![one.clone()])
}

/// An image whose manifest and config are in the store.
fn stored(store: &Store, digest: &Digest) -> Result<Found> {
    let bytes = store.read(digest)?;
    let manifest = Manifest::parse(&bytes)?;
    let media_type = crate::image::guess_media_type(&bytes).unwrap_or_else(|| crate::image::OCI_MANIFEST.into());
    let mut entry = Descriptor::new(&media_type, digest.clone(), bytes.len() as u64);
    entry.platform = platform(&store.read(&manifest.config.digest)?);
    Ok((entry, None, false))
}

/// What a config says of the platform (image-spec, config.md).
#[derive(Default, Deserialize)]
#[serde(default)]
struct PlatformOfConfig {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(rename = "os.features")]
    os_features: Option<Vec<String>>,
}

/// `None` for the config of something that is no image.
fn platform(config: &[u8]) -> Option<ManifestPlatform> {
    let p: PlatformOfConfig = serde_json::from_slice(config).ok()?;
    Some(ManifestPlatform {
        architecture: p.architecture.filter(|a| !a.is_empty())?,
        os: p.os.unwrap_or_default(),
        variant: p.variant.unwrap_or_default(),
        os_version: p.os_version.unwrap_or_default(),
        os_features: p.os_features.unwrap_or_default(),
        features: Vec::new(),
    })
}

/// An image or a list of a registry: manifests and configs are stored, layers stay there until the list is pushed.
fn remote(store: &Store, name: &str, options: &AddOptions, progress: &dyn Progress) -> Result<Vec<Found>> {
    let registries = Registries::load(&options.connection.env)?;
    let mut result = Err(Error::bug("a short name without meaning"));
    for candidate in registries.candidates(name)? {
        let open = Remote::open(&candidate, &registries, &options.connection, progress);
        result = open.map(|remote| (candidate, remote));
        if result.is_ok() {
            break;
        }
    }
    let (reference, remote) = result?;
    progress.event(Event::Note(&format!("Adding {reference}")));
    let top = &remote.top;
    // With the tag, so that it can be meant by the name that it was added by.
    let source = |digest: &Digest| Reference { digest: Some(digest.clone()), ..reference.clone() }.canonical();
    if ![crate::image::OCI_INDEX, crate::image::DOCKER_INDEX].contains(&top.media_type.as_str()) {
        let mut entry = Descriptor::new(&top.media_type, top.digest.clone(), top.bytes.len() as u64);
        entry.platform = keep(store, &remote, &top.bytes)?;
        return Ok(vec![(entry, Some(source(&top.digest)), false)]);
    }
    let index = Index::parse(&top.bytes)?;
    let mut found = Vec::new();
    for entry in chosen(index.manifests, options)? {
        let served = remote.manifest(&entry.digest)?;
        if entry.is_index() {
            return Err(Error::unsupported(format!("{} is an index within an index", entry.digest)));
        }
        keep(store, &remote, &served.bytes)?;
        let at = source(&entry.digest);
        found.push((entry, Some(at), true));
    }
    Ok(found)
}

/// Stores a manifest and its config; tells the platform.
fn keep(store: &Store, remote: &Remote<'_>, bytes: &[u8]) -> Result<Option<ManifestPlatform>> {
    let manifest = Manifest::parse(bytes)?;
    let digest = &manifest.config.digest;
    let config = match store.has_blob(digest, Some(manifest.config.size)).then(|| store.read(digest)) {
        Some(Ok(config)) => config,
        _ => remote.config(&manifest.config)?,
    };
    store.put(&config)?;
    store.put(bytes)?;
    Ok(platform(&config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_of_configs() {
        let p =
            platform(br#"{"architecture":"arm64","os":"linux","variant":"v8","os.version":"1","rootfs":{}}"#).unwrap();
        assert_eq!((p.architecture.as_str(), p.variant.as_str(), p.os_version.as_str()), ("arm64", "v8", "1"));
        assert!(platform(b"{}").is_none() && platform(b"not json").is_none());
    }

    #[test]
    fn what_was_chosen_by_platform_keeps_its_own() {
        let wanted =
            MemberNotes { architecture: Some("arm64".into()), os_version: Some("1".into()), ..MemberNotes::default() };
        assert_eq!(notes(&wanted, false), wanted);
        assert_eq!(notes(&wanted, true), MemberNotes { os_version: Some("1".into()), ..MemberNotes::default() });
    }
}
