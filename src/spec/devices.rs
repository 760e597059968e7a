//! `--device HOST[:CONTAINER][:PERMISSIONS]`.

use super::model::Device;
use super::volumes;
use crate::error::{Error, Result};

/// One flag; the host path is looked at when the container starts.
pub fn parse(text: &str) -> Result<Device> {
    let bad = |why: &str| Error::user(format!("read --device '{text}': {why}"));
    if !text.starts_with('/') {
        return Err(if text.contains('=') {
            Error::unsupported(format!("use the CDI device '{text}': CDI is not supported yet"))
        } else {
            bad("the host path is not absolute")
        });
    }
    let is_permissions = |word: &str| !word.is_empty() && word.len() <= 3 && word.bytes().all(|b| b"rwm".contains(&b));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, dest, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, word] if is_permissions(word) => (*source, *source, *word),
        [source, dest] => (*source, *dest, "rwm"),
        [source, dest, word] if is_permissions(word) => (*source, *dest, *word),
        [_, _, _] => return Err(bad("permissions are letters of rwm")),
        _ => return Err(bad("too many colons")),
    };
    Ok(Device {
        source: source.to_string(),
        destination: volumes::destination(dest, &format!("--device '{text}'"))?,
        permissions: permissions.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let show = |text: &str| parse(text).map(|d| format!("{}>{} {}", d.source, d.destination, d.permissions));
        assert_eq!(show("/dev/fuse").unwrap(), "/dev/fuse>/dev/fuse rwm");
        assert_eq!(show("/dev/a:/dev/b").unwrap(), "/dev/a>/dev/b rwm");
        assert_eq!(show("/dev/a:r").unwrap(), "/dev/a>/dev/a r");
        assert_eq!(show("/dev/a:/dev/b:rw").unwrap(), "/dev/a>/dev/b rw");
        for bad in ["", "fuse", "vendor.com/gpu=all", "/dev/a:/dev/b:x", "/a:/b:r:w", "/dev/a:b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
