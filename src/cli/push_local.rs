//! `push` to where no registry is: archives and directories, by skopeo's names (containers-transports(5)).

use super::{Cx, archive_out};
use crate::engine::images;
use crate::engine::save::{self, SaveOptions};
use crate::error::{Error, Result};
use crate::image::{Reference, SaveFormat, Store};
use std::path::Path;

/// A destination that is no registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local<'a> {
    text: &'a str,
    /// `None`: a place that is not written to.
    format: Option<SaveFormat>,
    path: &'a str,
    name: Option<&'a str>,
}

/// Parses `TRANSPORT:PATH[:NAME]`; `None` for a registry's name.
pub fn parse(text: &str) -> Option<Local<'_>> {
    let (transport, rest) = text.split_once(':')?;
    let format = match transport {
        "docker-archive" => Some(SaveFormat::DockerArchive),
        "oci-archive" => Some(SaveFormat::OciArchive),
        "oci" => Some(SaveFormat::OciDir),
        "dir" => Some(SaveFormat::DockerDir),
        "containers-storage" | "docker-daemon" => None,
        _ => return None,
    };
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) if format != Some(SaveFormat::DockerDir) => (path, Some(name)),
        _ => (rest, None),
    };
    Some(Local { text, format, path, name })
}

/// Writes the image there, under the name that the destination gives it or else its own.
pub fn push(image: &str, to: Local<'_>, cx: &Cx) -> Result<()> {
    let named = |e: Error| e.context(format!("push to {}", to.text));
    let Some(format) = to.format else {
        return Err(named(Error::unsupported("another engine's store is not written to"))
            .hint(format!("coracle save {image} | docker load, or podman load")));
    };
    if to.path.is_empty() {
        return Err(named(Error::user("nothing follows the colon").hint("see containers-transports(5)")));
    }
    let (word, further) = match to.name {
        // By its id it has no name but the one that is given.
        Some(name) => (id(image, cx)?, vec![full_name(name).map_err(named)?]),
        None => (image.to_string(), Vec::new()),
    };
    let how = SaveOptions { format, compress: false };
    let path = Path::new(to.path);
    if format.is_directory() {
        return save::directory(&cx.engine, &[word], &further, how, path).map_err(named);
    }
    let mut out = archive_out::Output::open(Some(path)).map_err(named)?;
    let place = out.seekable().map_err(named)?;
    save::archive(&cx.engine, &[word], &further, how, &mut out, place).map_err(named)?;
    out.finish().map_err(named)
}

/// Of the image or manifest list.
fn id(word: &str, cx: &Cx) -> Result<String> {
    match Store::open(&cx.engine.paths)?.find_list(word)? {
        Some(list) => Ok(list.id),
        None => images::find(&cx.engine, word).map(|image| image.id),
    }
}

fn full_name(text: &str) -> Result<Reference> {
    if Reference::is_short(text) {
        return Err(
            Error::user(format!("use '{text}' as a name there")).hint("give a full one, such as localhost/app:1")
        );
    }
    Reference::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let of = |text| parse(text).map(|l| (l.format, l.path, l.name));
        assert_eq!(of("oci:a/b"), Some((Some(SaveFormat::OciDir), "a/b", None)));
        assert_eq!(of("oci-archive:f.tar:r.io/x:1"), Some((Some(SaveFormat::OciArchive), "f.tar", Some("r.io/x:1"))));
        assert_eq!(of("dir:/a:b"), Some((Some(SaveFormat::DockerDir), "/a:b", None)));
        assert_eq!(of("docker-daemon:x:1"), Some((None, "x", Some("1"))));
        for registry in ["docker://r.io/x", "r.io:5000/x", "x:1", "debian"] {
            assert_eq!(of(registry), None, "{registry}");
        }
    }
}
