//! What `--cache-from` and `--cache-to` ask for.

use crate::error::{Error, Result};
use crate::image::{Digest, Reference};
use crate::spec::mounts::split_csv;
use std::path::PathBuf;

/// The tag of a cache whose repository alone was named: an image may be called `latest`.
const DEFAULT_TAG: &str = "buildcache";

/// Where a cache is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A cache, or an image with one inside; the names are tried in order.
    Registry(Vec<Reference>),
    /// An OCI layout.
    Local { dir: PathBuf, tag: Option<String>, digest: Option<Digest> },
}

/// Where a cache is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    pub kind: ToKind,
    /// Steps of all stages, not only those that the image consists of.
    pub max: bool,
    /// A failure is told, and no failure of the build.
    pub ignore_error: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToKind {
    /// In the image's own configuration.
    Inline,
    Local {
        dir: PathBuf,
        tag: String,
    },
    Registry(Reference),
}

/// The fields of `type=…,key=value`, or a name alone.
fn fields(text: &str, what: &str) -> Result<Vec<(String, String)>> {
    let bad = |why: String| Error::user(format!("read {what} '{text}': {why}"));
    if !text.contains('=') {
        return Ok(vec![("type".into(), "registry".into()), ("name".into(), text.into())]);
    }
    let parts = split_csv(text).ok_or_else(|| bad("a quote is not closed".into()))?;
    let pairs = parts.iter().map(|part| {
        let (key, value) = part.split_once('=').ok_or_else(|| bad(format!("'{part}' has no value")))?;
        Ok((key.trim().to_string(), value.to_string()))
    });
    pairs.collect()
}

/// The part after the last slash names a tag.
fn has_tag(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(|last| last.contains(':')) || text.contains('@')
}

impl From {
    /// Reads `REPOSITORY[:TAG]`, `type=registry,ref=NAME` or `type=local,src=DIR[,tag=TAG][,digest=DIGEST]`.
    pub fn parse(text: &str) -> Result<From> {
        let bad = |why: String| {
            Error::user(format!("read --cache-from '{text}': {why}"))
                .hint("NAME, type=registry,ref=NAME or type=local,src=DIR")
        };
        let (mut kind, mut name, mut reference, mut dir, mut tag, mut digest) = Default::default();
        for (key, value) in fields(text, "--cache-from")? {
            let place: &mut Option<String> = match key.as_str() {
                "type" => &mut kind,
                "name" => &mut name,
                "ref" => &mut reference,
                "src" => &mut dir,
                "tag" => &mut tag,
                "digest" => &mut digest,
                _ => return Err(Error::unsupported(format!("read --cache-from '{text}': {key} is not supported"))),
            };
            *place = Some(value);
        }
        match (kind.as_deref(), dir) {
            (Some("registry"), None) => {
                let words = match (&name, &reference) {
                    // A repository alone: the cache that we keep there, or the one in the image.
                    (Some(name), _) if !has_tag(name) => vec![format!("{name}:{DEFAULT_TAG}"), name.clone()],
                    (Some(name), _) | (None, Some(name)) => vec![name.clone()],
                    (None, None) => return Err(bad("ref is missing".into())),
                };
                Ok(From::Registry(words.iter().map(|w| Reference::parse(w)).collect::<Result<_>>()?))
            }
            (Some("local"), Some(dir)) => {
                Ok(From::Local { dir: dir.into(), tag, digest: digest.map(|d| Digest::parse(&d)).transpose()? })
            }
            (Some("local"), None) => Err(bad("src is missing".into())),
            (Some("gha" | "s3" | "azblob"), _) => Err(Error::unsupported(format!(
                "read --cache-from '{text}': only registries and directories are supported"
            ))),
            (kind, _) => Err(bad(format!("the type '{}' is unknown", kind.unwrap_or_default()))),
        }
    }
}

impl To {
    /// Reads `REPOSITORY[:TAG]`, `type=inline`, `type=registry,ref=NAME[,mode=max]` or
    /// `type=local,dest=DIR[,mode=max][,tag=TAG]`.
    pub fn parse(text: &str) -> Result<To> {
        let bad = |why: String| {
            Error::user(format!("read --cache-to '{text}': {why}"))
                .hint("NAME, type=inline, type=registry,ref=NAME[,mode=max] or type=local,dest=DIR[,mode=max]")
        };
        let (mut kind, mut name, mut reference, mut dir, mut tag, mut mode) = Default::default();
        let mut ignore_error = false;
        for (key, value) in fields(text, "--cache-to")? {
            let place: &mut Option<String> = match key.as_str() {
                "type" => &mut kind,
                "name" => &mut name,
                "ref" => &mut reference,
                "dest" => &mut dir,
                "tag" => &mut tag,
                "mode" => &mut mode,
                "ignore-error" if matches!(value.as_str(), "true" | "false") => {
                    ignore_error = value == "true";
                    continue;
                }
                // That is how it is.
                "oci-mediatypes" | "image-manifest" if value == "true" => continue,
                _ => {
                    return Err(Error::unsupported(format!(
                        "read --cache-to '{text}': {key}={value} is not supported"
                    )));
                }
            };
            *place = Some(value);
        }
        let plain = name.is_some();
        let max = match mode.as_deref() {
            // A repository alone is podman's form, which keeps every step.
            None => plain,
            Some("min") => false,
            Some("max") => true,
            Some(other) => return Err(bad(format!("the mode '{other}' is neither min nor max"))),
        };
        let kind = match (kind.as_deref(), dir) {
            (Some("inline"), None) => ToKind::Inline,
            (Some("registry"), None) => {
                let name = match (name, reference) {
                    (Some(name), _) if !has_tag(&name) => format!("{name}:{DEFAULT_TAG}"),
                    (Some(name), _) | (None, Some(name)) => name,
                    (None, None) => return Err(bad("ref is missing".into())),
                };
                let reference = Reference::parse(&name)?;
                if reference.digest.is_some() {
                    return Err(bad("a digest can't be given".into()));
                }
                ToKind::Registry(reference)
            }
            (Some("local"), Some(dir)) => ToKind::Local { dir: dir.into(), tag: tag.unwrap_or("latest".into()) },
            (Some("local"), None) => return Err(bad("dest is missing".into())),
            (Some("gha" | "s3" | "azblob"), _) => {
                return Err(Error::unsupported(format!(
                    "read --cache-to '{text}': only registries, directories and the image itself are supported"
                )));
            }
            (kind, _) => return Err(bad(format!("the type '{}' is unknown", kind.unwrap_or_default()))),
        };
        Ok(To { kind, max, ignore_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let names = |text: &str| match From::parse(text).unwrap() {
            From::Registry(all) => all.iter().map(Reference::canonical).collect::<Vec<_>>(),
            From::Local { dir, tag, .. } => vec![dir.display().to_string(), tag.unwrap_or_default()],
        };
        assert_eq!(names("r.io/a"), ["r.io/a:buildcache", "r.io/a:latest"]);
        assert_eq!(names("r.io:5000/a:x"), ["r.io:5000/a:x"]);
        assert_eq!(names("type=registry,ref=r.io/a"), ["r.io/a:latest"]);
        assert_eq!(names("type=local,src=d,tag=t"), ["d", "t"]);
        for bad in [
            "type=local",
            "type=registry",
            "type=gha",
            "type=x",
            "type=local,src=d,digest=x",
            "type=registry,ref=a,x=y",
        ] {
            assert!(From::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn destinations() {
        let to = |text: &str| To::parse(text).unwrap();
        assert_eq!(to("type=inline"), To { kind: ToKind::Inline, max: false, ignore_error: false });
        let plain = to("r.io/a");
        assert!(plain.max && matches!(plain.kind, ToKind::Registry(r) if r.canonical() == "r.io/a:buildcache"));
        let local = to("type=local,dest=d,mode=max,ignore-error=true");
        assert!(local.max && local.ignore_error);
        assert_eq!(local.kind, ToKind::Local { dir: "d".into(), tag: "latest".into() });
        for bad in
            ["type=local", "type=registry", "type=s3", "type=inline,mode=some", "type=registry,ref=a,compression=zstd"]
        {
            assert!(To::parse(bad).is_err(), "{bad}");
        }
    }
}
