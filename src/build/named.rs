//! Named contexts: what `--build-context` puts in the place of images, stages and directories.

use super::ast::Dockerfile;
use super::git;
use super::input;
use super::scratch::Scratch;
use crate::error::{Context, Error, Kind, Result};
use crate::image::{Digest, Image, Index, LayoutDir, Manifest, Reference, Store};
use crate::registry::{Platform, PullOptions, from_index};
use crate::state::{paths::Paths, store};
use crate::userns::IdMap;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A named context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    Dir(PathBuf),
    /// An image, as `pull` names it.
    Image(String),
    Layout(Layout),
}

/// An image in an OCI layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub dir: PathBuf,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

/// All of a build's named contexts; what was fetched for them goes with them.
#[derive(Debug, Default)]
pub struct Contexts {
    all: BTreeMap<String, NamedContext>,
    _fetched: Vec<Scratch>,
}

impl Contexts {
    /// Reads each `NAME=CONTEXT` and fetches what is to be fetched.
    pub fn open(paths: &Paths, words: &[String], registry: &PullOptions) -> Result<Contexts> {
        let mut contexts = Contexts::default();
        for word in words {
            let bad = |why: &str| Error::user(format!("read --build-context '{word}': {why}"));
            let (name, value) =
                word.split_once('=').filter(|(n, _)| !n.is_empty()).ok_or_else(|| bad("write NAME=CONTEXT"))?;
            let context = contexts.one(paths, value, registry).with_context(|| format!("use context {name}"))?;
            contexts.all.insert(name.to_lowercase(), context);
        }
        Ok(contexts)
    }

    fn one(&mut self, paths: &Paths, value: &str, registry: &PullOptions) -> Result<NamedContext> {
        if let Some(source) = git::parse(value)? {
            let scratch = scratch(paths)?;
            let dir = git::fetch(&source, scratch.path(), false)?;
            self._fetched.push(scratch);
            return Ok(NamedContext::Dir(dir));
        }
        match value.split_once("://") {
            Some(("docker-image" | "container-image", image)) => Ok(NamedContext::Image(image.into())),
            Some(("oci-layout", place)) => layout(place).map(NamedContext::Layout),
            Some(("http" | "https", _)) => {
                let scratch = scratch(paths)?;
                let dir = input::archive(value, scratch.path(), registry)?;
                self._fetched.push(scratch);
                Ok(NamedContext::Dir(dir))
            }
            Some((scheme, _)) => Err(Error::unsupported(format!("{scheme}:// is not supported"))
                .hint("a directory, docker-image://, oci-layout://, a git repository or the address of a tar")),
            None => {
                let dir = std::path::absolute(value).with_context(|| format!("find {value}"))?;
                match dir.is_dir() {
                    true => Ok(NamedContext::Dir(dir)),
                    false => Err(Error::not_found(format!("find the directory {value}"))),
                }
            }
        }
    }

    /// The context that is meant by `name`, which may be written differently: `debian` and `docker.io/library/debian:latest`.
    pub fn get(&self, name: &str) -> Option<&NamedContext> {
        if self.all.is_empty() {
            return None;
        }
        let full = |text: &str| Reference::parse(text).ok().map(|r| r.canonical());
        self.all.get(&name.to_lowercase()).or_else(|| {
            let wanted = full(name)?;
            self.all.iter().find(|(key, _)| full(key).as_ref() == Some(&wanted)).map(|(_, context)| context)
        })
    }

    /// Stages that are called like a context become it.
    pub fn replace_stages(&self, file: &mut Dockerfile) {
        for stage in &mut file.stages {
            let Some(name) = stage.name.clone().filter(|n| self.all.contains_key(n)) else { continue };
            stage.from = name;
            stage.platform = None;
            stage.steps.clear();
        }
    }
}

fn scratch(paths: &Paths) -> Result<Scratch> {
    store::open(paths)?;
    Scratch::new(paths, &IdMap::detect()?)
}

/// `PATH[:TAG][@DIGEST]`.
fn layout(place: &str) -> Result<Layout> {
    let (path, digest) = match place.split_once('@') {
        Some((path, digest)) => (path, Some(Digest::parse(digest)?)),
        None => (place, None),
    };
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_string())),
        _ => (path, None),
    };
    let dir = std::path::absolute(path).with_context(|| format!("find {path}"))?;
    LayoutDir::open(&dir)?;
    Ok(Layout { dir, tag, digest })
}

impl Layout {
    /// Brings the image (its part for `platform`, where there are several) into the store, without a name.
    pub fn image(&self, store: &Store, platform: &Platform) -> Result<Image> {
        let layout = LayoutDir::open(&self.dir)?;
        let place = || format!("read the image in {}", self.dir.display());
        let mut at = layout.find(self.tag.as_deref(), self.digest.as_ref())?;
        // An index may hold an index; deeper ones nobody makes.
        for _ in 0..3 {
            let bytes = layout.read(&at).with_context(place)?;
            if !at.is_index() {
                let manifest = Manifest::parse(&bytes).with_context(place)?;
                for part in manifest.layers.iter().chain([&manifest.config]) {
                    layout.copy(store, &part.digest, part.size)?;
                }
                return store.image(&store.put(&bytes)?).with_context(place);
            }
            let index = Index::parse(&bytes).with_context(place)?;
            at = from_index(&index, platform).with_context(place)?.clone();
        }
        Err(Error::new(Kind::Denied, format!("{}: indexes are nested too deeply", place())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_form() {
        let all = [("golang:1.22", "a"), ("docker.io/library/debian", "b"), ("base", "c")];
        let all = all.map(|(k, v)| (k.to_string(), NamedContext::Image(v.into())));
        let contexts = Contexts { all: all.into_iter().collect(), _fetched: Vec::new() };
        let got = |name: &str| match contexts.get(name) {
            Some(NamedContext::Image(image)) => image.clone(),
            _ => String::new(),
        };
        assert_eq!(
            (got("golang:1.22"), got("docker.io/library/golang:1.22"), got("golang")),
            ("a".into(), "a".into(), String::new())
        );
        assert_eq!((got("debian"), got("debian:latest"), got("debian:12")), ("b".into(), "b".into(), String::new()));
        assert_eq!((got("Base"), got("other")), ("c".into(), String::new()));
    }

    #[test]
    fn places_of_layouts() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let path = dir.path().display();
        let digest = Digest::of(b"x");
        let read = |text: String| layout(&text).map(|l| (l.tag, l.digest));
        assert_eq!(read(format!("{path}")).unwrap(), (None, None));
        assert_eq!(read(format!("{path}:v1")).unwrap(), (Some("v1".into()), None));
        assert_eq!(read(format!("{path}@{digest}")).unwrap(), (None, Some(digest.clone())));
        assert_eq!(read(format!("{path}:v1@{digest}")).unwrap(), (Some("v1".into()), Some(digest)));
        assert!(read(format!("{path}/none")).is_err());
    }
}
