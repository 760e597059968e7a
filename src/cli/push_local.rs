//! `push` to where no registry is: archives and directories, by skopeo's names (containers-transports(5)).

use super::{Cx, archive_out};
use crate::engine::save::{self, SaveOptions};
use crate::error::{Error, Result};
use crate::image::{Reference, SaveFormat, SaveLayers, Store};
use crate::registry::Platform;
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
pub fn push(image: &str, to: Local<'_>, platform: Option<Platform>, cx: &Cx) -> Result<()> {
    let named = |e: Error| e.context(format!("push to {}", to.text));
    let Some(format) = to.format else {
        return Err(named(Error::unsupported("another engine's store is not written to"))
            .hint(format!("coracle save {image} | docker load, or podman load")));
    };
    if to.path.is_empty() {
        return Err(named(Error::user("nothing follows the colon").hint("see containers-transports(5)")));
    }
    let layers = SaveLayers::Packed;
    let how = SaveOptions { format, compress: false, layers, platforms: platform.into_iter().collect() };
    write(image, to, &how, cx).map_err(named)
}

fn write(image: &str, to: Local<'_>, how: &SaveOptions, cx: &Cx) -> Result<()> {
    let store = Store::open(&cx.engine.paths)?;
    store.lease()?;
    let mut chosen = save::chosen(&store, &[image.to_string()], &[], how)?;
    if let (Some(name), Some(one)) = (to.name, chosen.first_mut()) {
        one.names.clear();
        match how.format {
            SaveFormat::DockerArchive => one.names.push(Reference::parse(name)?),
            // Any word is a name in a layout.
            _ => one.tag = Some(word(name)?),
        }
    }
    let path = Path::new(to.path);
    if how.format == SaveFormat::OciDir && path.join("oci-layout").exists() {
        return store.add_to_oci_dir(&chosen, path);
    }
    if how.format.is_directory() {
        return save::directory_of(&store, &chosen, how, path).map(drop);
    }
    let mut out = archive_out::Output::open(Some(path))?;
    let place = out.seekable()?;
    save::archive_of(&store, &chosen, how, &mut out, place)?;
    out.finish()
}

/// A reference name (OCI image-spec, annotations.md).
fn word(text: &str) -> Result<String> {
    match text.is_empty() || text.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"-._:@/+".contains(&b))) {
        true => {
            Err(Error::user(format!("use '{text}' as a name there")).hint("letters, digits and -._:@/+ make names"))
        }
        false => Ok(text.to_string()),
    }
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
