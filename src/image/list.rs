//! Manifest lists of the user's own: image indexes in the layout's `index.json`, which other OCI tools read too.
//!
//! An index is a blob like any other, so a change makes a new one. What stays is the list's id, an annotation of its
//! entry. Members may live elsewhere: then their manifests and configs are here, and `sources` says where the layers are.

use super::index::{CREATED, IndexEntry, LIST, SOURCES};
use super::{Descriptor, Digest, Image, Index, Manifest, OCI_INDEX, Reference, Store};
use crate::error::{Context, Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Changes of one list at once that are tried again before giving up.
const ATTEMPTS: usize = 100;

/// A manifest list (image index) in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageList {
    /// 64 hex digits; the digest's for one that another tool added.
    pub id: String,
    /// Of the index as it is now.
    pub digest: Digest,
    /// Canonical names, sorted.
    pub names: Vec<String>,
    /// RFC 3339; empty if unknown.
    pub created: String,
    pub draft: Draft,
}

/// The content of a list, to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The index. Not an [`Index`]: what that does not know shall stay.
    index: Value,
    /// Manifest's digest → `repository@digest` where its layers can be fetched.
    pub sources: BTreeMap<String, String>,
}

/// What `manifest add` and `annotate` say of a member; nothing changes what is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberNotes {
    pub os: Option<String>,
    pub architecture: Option<String>,
    pub variant: Option<String>,
    pub os_version: Option<String>,
    pub os_features: Vec<String>,
    /// Of the processor.
    pub features: Vec<String>,
    pub annotations: BTreeMap<String, String>,
}

impl Draft {
    /// A list without members.
    pub fn new() -> Draft {
        Draft { index: json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}), sources: BTreeMap::new() }
    }

    /// Of an index's bytes.
    ///
    /// # Errors
    /// `User` when they are no index.
    pub fn parse(bytes: &[u8]) -> Result<Draft> {
        Index::parse(bytes)?;
        let index = serde_json::from_slice(bytes).context("parse image index")?;
        Ok(Draft { index, sources: BTreeMap::new() })
    }

    /// The index as it is stored and sent.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.index).context("encode the image index")
    }

    /// The members, as far as this program reads them.
    pub fn members(&self) -> Result<Vec<Descriptor>> {
        Ok(Index::parse(&self.bytes()?)?.manifests)
    }

    /// Adds a member, in the place of one with the same digest.
    pub fn add(&mut self, member: &Descriptor, source: Option<String>) -> Result<()> {
        let value = serde_json::to_value(member).context("encode the image index")?;
        let digest = member.digest.as_str();
        let members = self.array();
        match members.iter_mut().find(|m| m["digest"] == digest) {
            Some(old) => *old = value,
            None => members.push(value),
        }
        match source {
            Some(source) => self.sources.insert(digest.into(), source),
            None => self.sources.remove(digest),
        };
        Ok(())
    }

    /// Takes the member away; whether there was one.
    pub fn remove(&mut self, digest: &Digest) -> bool {
        self.sources.remove(digest.as_str());
        let members = self.array();
        let before = members.len();
        members.retain(|m| m["digest"] != digest.as_str());
        members.len() != before
    }

    /// Writes `notes` to the member; whether there is one.
    pub fn annotate(&mut self, digest: &Digest, notes: &MemberNotes) -> bool {
        let member = self.array().iter_mut().find(|m| m["digest"] == digest.as_str());
        let Some(member) = member else { return false };
        let texts = [
            ("os", &notes.os),
            ("architecture", &notes.architecture),
            ("variant", &notes.variant),
            ("os.version", &notes.os_version),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                member["platform"][key] = text.as_str().into();
            }
        }
        for (key, list) in [("os.features", &notes.os_features), ("features", &notes.features)] {
            if !list.is_empty() {
                member["platform"][key] = json!(list);
            }
        }
        for (key, text) in &notes.annotations {
            member["annotations"][key] = text.as_str().into();
        }
        true
    }

    /// Writes annotations of the list itself.
    pub fn annotate_list(&mut self, annotations: &BTreeMap<String, String>) {
        for (key, text) in annotations {
            self.index["annotations"][key] = text.as_str().into();
        }
    }

    fn array(&mut self) -> &mut Vec<Value> {
        let place = &mut self.index["manifests"];
        if !place.is_array() {
            *place = Value::Array(Vec::new());
        }
        match place {
            Value::Array(members) => members,
            _ => unreachable!("it has just been made an array"),
        }
    }
}

impl Default for Draft {
    fn default() -> Draft {
        Draft::new()
    }
}

impl Store {
    /// All manifest lists, those of other tools too; damaged ones are left out.
    pub fn lists(&self) -> Result<Vec<ImageList>> {
        let entries = self.entries()?;
        let mut lists: Vec<ImageList> = Vec::new();
        for entry in entries.iter().filter(|e| e.is_list()) {
            if lists.iter().any(|known| known.id == entry.list_id()) {
                continue;
            }
            match self.read_list(&entries, entry) {
                Ok(list) => lists.push(list),
                Err(e) => log::warn!("manifest list {} is left out: {e}", entry.title()),
            }
        }
        Ok(lists)
    }

    /// The manifest list that `text` means, by name, unique prefix of its id, or digest; `None` when it means none (but
    /// maybe an image).
    pub fn find_list(&self, text: &str) -> Result<Option<ImageList>> {
        let entries = self.entries()?;
        if let Some(entry) = self.named(&entries, text)? {
            return if entry.is_list() { self.read_list(&entries, entry).map(Some) } else { Ok(None) };
        }
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.is_empty() || !super::digest::is_hex(hex) || hex.len() > 64 {
            return Ok(None);
        }
        let hits = entries.iter().filter(|e| e.is_list() && (e.list_id().starts_with(hex) || e.manifest.hex() == hex));
        let mut hits: Vec<&IndexEntry> = hits.collect();
        hits.dedup_by_key(|e| e.list_id());
        match hits[..] {
            [] => Ok(None),
            [hit] => self.read_list(&entries, hit).map(Some),
            _ => {
                Err(Error::user(format!("find manifest list '{text}': the id is not unique")).hint("give more digits"))
            }
        }
    }

    fn read_list(&self, entries: &[IndexEntry], entry: &IndexEntry) -> Result<ImageList> {
        let mut draft = Draft::parse(&self.read(&entry.manifest)?)?;
        draft.sources = entry.sources();
        let same = entries.iter().filter(|e| e.is_list() && e.list_id() == entry.list_id());
        let mut names: Vec<String> = same.filter_map(|e| e.name.as_ref()).map(Reference::canonical).collect();
        names.sort();
        names.dedup();
        let created = entry.created.clone().unwrap_or_default();
        Ok(ImageList { id: entry.list_id().to_string(), digest: entry.manifest.clone(), names, created, draft })
    }

    /// Makes a list called `name`, which no image and no list may have.
    ///
    /// # Errors
    /// `Conflict` when something has the name.
    pub fn create_list(&self, name: &Reference, draft: &Draft) -> Result<ImageList> {
        let canonical = name.canonical();
        let mut entry = self.list_entry(draft)?;
        let id = random_id()?;
        entry.annotations.insert(LIST.into(), id.clone());
        entry.annotations.insert(CREATED.into(), now());
        entry.annotations.insert(super::index::NAME.into(), canonical.clone());
        self.sync()?;
        let made = self.change_index(|entries| {
            let taken = entries.iter().any(|e| IndexEntry::of(e).name.is_some_and(|n| n.canonical() == canonical));
            if !taken {
                entries.push(entry);
            }
            !taken
        })?;
        if !made {
            return Err(Error::conflict(format!("make the manifest list {canonical}: the name is taken"))
                .hint(format!("coracle manifest create --amend {canonical}, or coracle rmi {canonical}")));
        }
        self.find_list(&id)?.ok_or_else(|| Error::bug("the manifest list is gone"))
    }

    /// Makes a list under `names`, taking them from whatever has them. A list that loses its last name so is forgotten.
    pub fn put_list(&self, names: &[Reference], draft: &Draft) -> Result<()> {
        let mut made: Option<ImageList> = None;
        for name in names {
            let old = self.find_list(&name.canonical())?.filter(|l| l.names == [name.canonical()]);
            match old {
                Some(old) => drop(self.remove_list(&old)?),
                None => drop(self.untag(name)?),
            }
            match &made {
                Some(list) => self.tag_list(list, name)?,
                None => made = Some(self.create_list(name, draft)?),
            }
        }
        Ok(())
    }

    /// Lists the index that is stored as `list`, to the byte, under `names`, taking them from whatever has them; without
    /// any it gets an entry of its own, unless there is one. By the time this returns its blobs are on disk.
    pub(super) fn adopt_list(&self, list: &Descriptor, names: &[Reference]) -> Result<()> {
        let entry = Descriptor::new(&list.media_type, list.digest.clone(), list.size);
        self.sync()?;
        self.change_index(|entries| {
            // Not one of our own lists: those change, and this one's id is its digest.
            let same = |e: &Descriptor| e.digest == entry.digest && !e.annotations.contains_key(LIST);
            let known =
                |e: &Descriptor, name: &str| same(e) && IndexEntry::of(e).name.is_some_and(|n| n.canonical() == name);
            let mut changed = false;
            for name in names.iter().map(Reference::canonical) {
                if entries.iter().any(|e| known(e, &name)) {
                    continue;
                }
                super::index::unname(entries, &name);
                entries.retain(|e| !same(e) || e.annotations.contains_key(super::index::NAME));
                let mut named = entry.clone();
                named.annotations.insert(super::index::NAME.into(), name);
                entries.push(named);
                changed = true;
            }
            if !entries.iter().any(same) {
                entries.push(entry);
                changed = true;
            }
            changed
        })?;
        Ok(())
    }

    /// Changes the list of this id as `edit` says, which is called again when another process changes it meanwhile.
    ///
    /// # Errors
    /// `NotFound` when the list is gone, and what `edit` says.
    pub fn change_list(&self, id: &str, mut edit: impl FnMut(&mut Draft) -> Result<()>) -> Result<ImageList> {
        for _ in 0..ATTEMPTS {
            let gone = || Error::not_found(format!("find manifest list {id}: it was removed"));
            let old = self.find_list(id)?.ok_or_else(gone)?;
            let mut draft = old.draft.clone();
            edit(&mut draft)?;
            let new = self.list_entry(&draft)?;
            self.sync()?;
            let mut found = false;
            self.change_index(|entries| {
                for entry in entries.iter_mut() {
                    let known = IndexEntry::of(entry);
                    if !known.is_list() || known.list_id() != old.id || known.manifest != old.digest {
                        continue;
                    }
                    found = true;
                    // A list of another tool keeps the id that it has been seen with.
                    entry.annotations.insert(LIST.into(), old.id.clone());
                    match new.annotations.get(SOURCES) {
                        Some(sources) => entry.annotations.insert(SOURCES.into(), sources.clone()),
                        None => entry.annotations.remove(SOURCES),
                    };
                    entry.media_type.clone_from(&new.media_type);
                    (entry.digest, entry.size) = (new.digest.clone(), new.size);
                }
                found
            })?;
            if found {
                // Its old form may go at once.
                self.handled([old.digest.hex().to_string()].into_iter());
                return self.find_list(&old.id)?.ok_or_else(gone);
            }
        }
        Err(Error::conflict(format!("change manifest list {id}: others change it all the time")))
    }

    fn list_entry(&self, draft: &Draft) -> Result<Descriptor> {
        let bytes = draft.bytes()?;
        if bytes.len() as u64 > super::MAX_JSON {
            return Err(Error::user("store the manifest list: it is too large"));
        }
        let media_type = super::guess_media_type(&bytes).unwrap_or_else(|| OCI_INDEX.into());
        let mut entry = Descriptor::new(&media_type, self.put(&bytes)?, bytes.len() as u64);
        if !draft.sources.is_empty() {
            let text = serde_json::to_string(&draft.sources).context("encode the image index")?;
            entry.annotations.insert(SOURCES.into(), text);
        }
        Ok(entry)
    }

    /// Gives the list a further name, taking it from whatever has it now.
    pub fn tag_list(&self, list: &ImageList, name: &Reference) -> Result<()> {
        let canonical = Reference { digest: None, ..name.clone() }.canonical();
        self.change_index(|entries| {
            if list.names.contains(&canonical) {
                return false;
            }
            super::index::unname(entries, &canonical);
            let mine = |e: &Descriptor| {
                let entry = IndexEntry::of(e);
                entry.is_list() && entry.list_id() == list.id
            };
            let Some(at) = entries.iter().position(mine) else { return false };
            let mut named = entries[at].clone();
            named.annotations.insert(super::index::NAME.into(), canonical);
            // One that has lost its last name is told by its new one.
            if entries[at].annotations.contains_key(super::index::NAME) {
                entries.push(named);
            } else {
                entries[at] = named;
            }
            true
        })?;
        Ok(())
    }

    /// Takes the list off the index under all its names; whether it was there. Its members stay if they are images of
    /// their own.
    pub fn remove_list(&self, list: &ImageList) -> Result<bool> {
        let mut blobs = vec![list.digest.hex().to_string()];
        for member in list.draft.members()? {
            blobs.push(member.digest.hex().to_string());
            if let Some(manifest) = self.read(&member.digest).ok().and_then(|b| Manifest::parse(&b).ok()) {
                blobs.push(manifest.config.digest.hex().to_string());
                blobs.extend(manifest.layers.iter().map(|l| l.digest.hex().to_string()));
            }
        }
        self.handled(blobs.into_iter());
        self.change_index(|entries| {
            let before = entries.len();
            entries.retain(|e| {
                let entry = IndexEntry::of(e);
                !entry.is_list() || entry.list_id() != list.id
            });
            entries.len() != before
        })
    }

    /// Members of the list whose blobs are all in the store, as images.
    pub fn list_images(&self, list: &ImageList) -> Result<Vec<Image>> {
        let here = list.draft.members()?.into_iter().filter(|m| !m.is_index() && self.is_whole(&m.digest));
        Ok(here.filter_map(|m| self.image(&m.digest).ok()).collect())
    }

    /// Whether manifest, config and layers are in the store.
    pub fn is_whole(&self, manifest: &Digest) -> bool {
        let Some(parsed) = self.has_blob(manifest, None).then(|| self.read(manifest).ok()).flatten() else {
            return false;
        };
        Manifest::parse(&parsed).is_ok_and(|m| {
            m.layers.iter().chain([&m.config]).all(|part| {
                let elsewhere = !part.urls.is_empty();
                elsewhere || self.has_blob(&part.digest, Some(part.size))
            })
        })
    }
}

fn random_id() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::new(crate::error::Kind::Io, format!("get random bytes: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ManifestPlatform, OCI_MANIFEST};

    fn member(text: &str, arch: &str) -> Descriptor {
        let mut member = Descriptor::new(OCI_MANIFEST, Digest::of(text.as_bytes()), 7);
        member.platform =
            Some(ManifestPlatform { architecture: arch.into(), os: "linux".into(), ..ManifestPlatform::default() });
        member
    }

    #[test]
    fn members_come_and_go_and_unknown_fields_stay() {
        let mut draft = Draft::parse(br#"{"schemaVersion":2,"manifests":[],"subject":{"x":1}}"#).unwrap();
        let (one, two) = (member("1", "amd64"), member("2", "arm64"));
        draft.add(&one, None).unwrap();
        draft.add(&two, Some("r.io/x@sha256:1".into())).unwrap();
        draft.add(&one, None).unwrap();
        assert_eq!(draft.members().unwrap(), [one.clone(), two.clone()]);
        let notes = MemberNotes {
            variant: Some("v8".into()),
            features: vec!["sse4".into()],
            annotations: [("k".into(), "v".into())].into(),
            ..MemberNotes::default()
        };
        assert!(draft.annotate(&two.digest, &notes));
        assert!(!draft.annotate(&Digest::of(b"3"), &notes));
        draft.annotate_list(&[("a".into(), "b".into())].into());
        let found = &draft.index["manifests"][1];
        assert_eq!(
            found["platform"],
            json!({"architecture": "arm64", "os": "linux", "variant": "v8", "features": ["sse4"]})
        );
        assert_eq!((&found["annotations"], &draft.index["annotations"]), (&json!({"k": "v"}), &json!({"a": "b"})));
        assert!(draft.remove(&two.digest) && !draft.remove(&two.digest));
        assert!(draft.sources.is_empty());
        assert_eq!(draft.index["subject"], json!({"x": 1}));
        assert!(Draft::parse(b"{}").is_err());
    }

    #[test]
    fn lists_have_ids_names_and_contents_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let paths = crate::state::paths::Paths::new(dir.path().join("d"), dir.path().join("r"));
        let store = Store::open(&paths).unwrap();
        let name = |n: &str| Reference::parse_with(n, "localhost").unwrap();
        // Two of the same content are two all the same.
        let (a, b) = (store.create_list(&name("one"), &Draft::new()), store.create_list(&name("two"), &Draft::new()));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.digest, b.digest);
        let e = store.create_list(&name("one"), &Draft::new()).unwrap_err();
        assert!(e.to_string().contains("--amend"), "{e}");
        store.tag_list(&a, &name("also")).unwrap();
        let changed = store.change_list(&a.id, |d| d.add(&member("1", "arm64"), None)).unwrap();
        assert_eq!((changed.id.as_str(), changed.names.len()), (a.id.as_str(), 2));
        assert_ne!(changed.digest, a.digest);
        assert_eq!(store.find_list("also").unwrap().unwrap(), changed);
        assert_eq!(store.find_list(&b.id[..12]).unwrap().unwrap().digest, b.digest);
        assert_eq!(store.lists().unwrap().len(), 2);
        // The name is taken from one of the two; the other keeps its own.
        assert!(store.untag(&name("two")).unwrap());
        assert_eq!(store.find_list("one").unwrap().unwrap().names.len(), 2);
        assert!(store.remove_list(&changed).unwrap() && !store.remove_list(&changed).unwrap());
        assert!(store.find_list("one").unwrap().is_none());
        assert_eq!(store.lists().unwrap()[0].names, Vec::<String>::new());
    }
}
