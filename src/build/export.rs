//! What `--output` and `--annotation` ask for, as data.

use crate::error::{Error, Result};
use crate::registry::{Compressor, Platform};
use crate::spec::mounts::split_csv;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The forms in which a build's result leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An image in the store.
    #[default]
    Image,
    /// The files, in a directory.
    Local,
    /// The files, as a tar.
    Tar,
    /// An OCI layout.
    Oci,
    /// Docker's archive.
    Docker,
    /// Nothing but the cache.
    Nothing,
}

/// One `--output`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    pub kind: Kind,
    /// `None`: standard output, for the kinds that are written somewhere.
    pub dest: Option<PathBuf>,
    /// Instead of the names of `--tag`.
    pub names: Vec<String>,
    pub push: bool,
    /// Push without a tag: the digest is the name.
    pub by_digest: bool,
    /// The registry may be one without (valid) TLS.
    pub insecure: bool,
    /// A directory instead of an archive (`tar=false`).
    pub directory: bool,
    /// A directory for each platform; `None`: where there are several.
    pub split: Option<bool>,
    pub annotations: Vec<Annotation>,
    /// Of the layers that are pushed.
    pub compression: Option<Compressor>,
    pub force_compression: bool,
}

impl Export {
    /// Reads `DIR`, `-` or `type=TYPE,KEY=VALUE…` with the keys of buildx.
    pub fn parse(text: &str) -> Result<Export> {
        let bad = |why: String| {
            Error::user(format!("read --output '{text}': {why}"))
                .hint("type=local,dest=DIR, type=tar|oci|docker,dest=FILE, or type=image,name=NAME,push=true")
        };
        if text == "-" {
            return Ok(Export { kind: Kind::Tar, ..Export::default() });
        }
        if !text.contains('=') {
            return Ok(Export { kind: Kind::Local, dest: Some(text.into()), ..Export::default() });
        }
        let mut export = Export::default();
        let (mut kind, mut compression, mut level) = (None, None, None);
        for field in split_csv(text).ok_or_else(|| bad("a quote is not closed".into()))? {
            let (key, value) = field.split_once('=').ok_or_else(|| bad(format!("'{field}' has no value")))?;
            let flag = || match value {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(bad(format!("'{field}' is neither true nor false"))),
            };
            match key.trim() {
                "type" => kind = Some(value.to_string()),
                "dest" | "path" => export.dest = Some(value).filter(|v| *v != "-").map(PathBuf::from),
                "name" => export.names = value.split(',').map(|n| n.trim().to_string()).collect(),
                "push" => export.push = flag()?,
                "push-by-digest" => export.by_digest = flag()?,
                "registry.insecure" => export.insecure = flag()?,
                "tar" => export.directory = !flag()?,
                "platform-split" => export.split = Some(flag()?),
                "compression" => compression = Some(value.to_string()),
                "compression-level" => {
                    level = Some(value.parse::<i32>().map_err(|_| bad(format!("'{field}' is no number")))?);
                }
                "force-compression" => export.force_compression = flag()?,
                // What these ask for is so anyway: names are whole, images are extracted when they run, times are those
                // of the build, and manifests are OCI's unless --format says otherwise.
                "name-canonical" | "unpack" | "store" | "rewrite-timestamp" | "oci-mediatypes" if flag()? => {}
                "unpack" | "name-canonical" => {}
                key => match key.strip_prefix("annotation") {
                    Some(rest) => export.annotations.push(Annotation::of_output(rest, value).map_err(bad)?),
                    None => {
                        return Err(Error::unsupported(format!("read --output '{text}': {field} is not supported")));
                    }
                },
            }
        }
        export.compression = match (compression, level) {
            (Some(format), level) => Some(Compressor::parse(&format, level)?),
            (None, Some(_)) => return Err(bad("compression-level comes without compression".into())),
            (None, None) => None,
        };
        export.kind = match kind.as_deref() {
            Some("image") => Kind::Image,
            Some("registry") => {
                export.push = true;
                Kind::Image
            }
            // Without a place: load it.
            Some("docker") if export.dest.is_none() && !text.contains("dest=") => Kind::Image,
            Some("docker") => Kind::Docker,
            Some("oci") => Kind::Oci,
            Some("local") => Kind::Local,
            Some("tar") => Kind::Tar,
            Some("cacheonly") => Kind::Nothing,
            Some(other) => return Err(bad(format!("the type '{other}' is unknown"))),
            None => return Err(bad("the type is missing".into())),
        };
        export.check().map_err(bad)?;
        Ok(export)
    }

    /// Keys that do not go with the type.
    fn check(&self) -> Result<(), String> {
        let image = self.kind == Kind::Image;
        let archive = matches!(self.kind, Kind::Oci | Kind::Docker);
        if self.kind == Kind::Local && self.dest.is_none() {
            return Err("dest is missing".into());
        }
        if self.dest.is_some() && matches!(self.kind, Kind::Image | Kind::Nothing) {
            return Err("an image in the store has no dest".into());
        }
        if !image && (self.push || self.by_digest || self.insecure || self.compression.is_some()) {
            return Err("only type=image is pushed and compressed".into());
        }
        if self.by_digest && !self.push {
            return Err("push-by-digest=true comes without push=true".into());
        }
        if self.directory && (self.kind != Kind::Oci || self.dest.is_none()) {
            return Err("only type=oci,dest=DIR can be a directory".into());
        }
        let named = !self.names.is_empty() || !self.annotations.is_empty();
        if named && !image && !archive {
            return Err("files have neither name nor annotations".into());
        }
        let split = self.split == Some(true) && self.kind == Kind::Tar;
        if split || (self.split.is_some() && !matches!(self.kind, Kind::Local | Kind::Tar)) {
            return Err("platform-split is for type=local".into());
        }
        Ok(())
    }

    /// Whether it writes data to standard output.
    pub fn is_stdout(&self) -> bool {
        self.dest.is_none() && !matches!(self.kind, Kind::Image | Kind::Nothing)
    }

    /// Whether it needs a manifest.
    pub fn is_image(&self) -> bool {
        matches!(self.kind, Kind::Image | Kind::Oci | Kind::Docker)
    }
}

/// What an annotation is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// The image manifest (of one platform, or of all).
    Manifest(Option<Platform>),
    /// The index of an image for several platforms.
    Index,
    /// The manifest's entry in the index.
    ManifestDescriptor(Option<Platform>),
}

/// One `--annotation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub levels: Vec<Level>,
    pub key: String,
    pub value: String,
}

impl Annotation {
    /// Reads `[LEVEL[,LEVEL…]:]KEY=VALUE`, with the levels of buildx: `manifest[PLATFORM]`, `index`,
    /// `manifest-descriptor[PLATFORM]`. Without one it is the manifest's.
    pub fn parse(text: &str) -> Result<Annotation> {
        let bad =
            |why: String| Error::user(format!("read --annotation '{text}': {why}")).hint("[manifest:|index:]KEY=VALUE");
        let (left, value) = text.split_once('=').ok_or_else(|| bad("write KEY=VALUE".into()))?;
        // A key may hold colons: what is before the first is a level only if it looks like one.
        let (levels, key) = match left.split_once(':') {
            Some((levels, key)) if levels.split(',').all(looks_like_level) => {
                (levels.split(',').map(level).collect::<Result<Vec<_>, _>>().map_err(bad)?, key)
            }
            _ => (vec![Level::Manifest(None)], left),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(bad(format!("'{key}' is no key")));
        }
        Ok(Annotation { levels, key: key.into(), value: value.into() })
    }

    /// `annotation.KEY`, `annotation-manifest[PLATFORM].KEY` or `annotation-index.KEY` of an output.
    fn of_output(rest: &str, value: &str) -> Result<Annotation, String> {
        let unknown = || format!("'annotation{rest}' is unknown");
        let (levels, key) = match rest.strip_prefix('.') {
            Some(key) => (vec![Level::Manifest(None)], key),
            None => {
                let (name, key) = rest.strip_prefix('-').and_then(|r| r.split_once('.')).ok_or_else(unknown)?;
                (vec![level(name)?], key)
            }
        };
        match key {
            "" => Err(unknown()),
            key => Ok(Annotation { levels, key: key.into(), value: value.into() }),
        }
    }

    /// Those of `all` that hold for `wanted`; later ones win.
    pub fn pick(all: &[Annotation], wanted: &dyn Fn(&Level) -> bool) -> BTreeMap<String, String> {
        let picked = all.iter().filter(|a| a.levels.iter().any(wanted));
        picked.map(|a| (a.key.clone(), a.value.clone())).collect()
    }
}

fn looks_like_level(text: &str) -> bool {
    let name = text.split_once('[').filter(|(_, p)| p.ends_with(']')).map_or(text, |(name, _)| name);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

fn level(text: &str) -> Result<Level, String> {
    let (name, platform) = match text.split_once('[') {
        Some((name, platform)) => (name, platform.strip_suffix(']')),
        None => (text, None),
    };
    let platform = platform.map(|p| Platform::parse(p).map_err(|e| e.to_string())).transpose()?;
    match (name, platform) {
        ("manifest", platform) => Ok(Level::Manifest(platform)),
        ("manifest-descriptor", platform) => Ok(Level::ManifestDescriptor(platform)),
        ("index", None) => Ok(Level::Index),
        ("index-descriptor", None) => Err("annotations of an index's descriptor are not supported".into()),
        _ => Err(format!("'{text}' is no level; there are manifest, index and manifest-descriptor")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read() {
        let parse = |text: &str| Export::parse(text).unwrap();
        assert_eq!(parse("-"), parse("type=tar"));
        assert_eq!(parse("-"), parse("type=tar,dest=-"));
        assert_eq!(parse("out"), parse("type=local,dest=out"));
        assert_eq!((parse("type=docker").kind, parse("type=docker,dest=-").kind), (Kind::Image, Kind::Docker));
        assert!(parse("type=docker,dest=-").is_stdout() && !parse("type=docker").is_stdout());
        let image = parse("type=image,\"name=a:1,b:2\",push=true,compression=zstd,compression-level=9,unpack=false");
        assert_eq!((image.kind, image.push, &image.names[..]), (Kind::Image, true, &["a:1".into(), "b:2".into()][..]));
        assert_eq!(image.compression.unwrap().level, 9);
        assert!(parse("type=registry,name=a").push);
        assert!(parse("type=image,name=a,push-by-digest=true,name-canonical=true,push=true").by_digest);
        assert!(parse("type=oci,dest=d,tar=false").directory);
        assert_eq!(parse("type=image,annotation-index.k=v").annotations[0].levels, [Level::Index]);
        for bad in [
            "type=local",
            "type=zip,dest=x",
            "dest=x",
            "type=tar,push=true",
            "type=image,dest=x",
            "type=image,push=maybe",
            "type=image,store=false",
            "type=image,push-by-digest=true",
            "type=docker,dest=x,tar=false",
            "type=image,\"name=a",
            "type=image,x=y",
            "type=image,compression-level=3",
            "type=image,compression=lz4",
        ] {
            assert!(Export::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn annotations_have_levels() {
        let parse = |text: &str| Annotation::parse(text).unwrap();
        let one = parse("a.b/c=d=e");
        assert_eq!(
            (&one.levels[..], one.key.as_str(), one.value.as_str()),
            (&[Level::Manifest(None)][..], "a.b/c", "d=e")
        );
        let arm = Platform::parse("linux/arm64").unwrap();
        assert_eq!(
            parse("index,manifest[linux/arm64],manifest-descriptor:k=v").levels,
            [Level::Index, Level::Manifest(Some(arm)), Level::ManifestDescriptor(None)]
        );
        assert_eq!(parse("org.x:y=v").key, "org.x:y");
        for bad in ["k", "nope:k=v", "index-descriptor:k=v", "=v", "index:=v", "a b=c"] {
            assert!(Annotation::parse(bad).is_err(), "{bad}");
        }
    }
}
