//! The marker `oci-layout`, by which tools know a directory or an archive for an OCI image layout (image-layout.md).

use crate::error::{Context, Error, Result};
use oci_spec::image::{OciLayout, OciLayoutBuilder};

/// The version that we write and read; the specification has had no other.
const VERSION: &str = "1.0.0";

/// Content of the marker.
pub fn marker() -> Result<Vec<u8>> {
    let layout = OciLayoutBuilder::default().image_layout_version(VERSION).build();
    let text = layout.and_then(|layout| layout.to_string());
    text.map(String::into_bytes).map_err(|e| Error::bug(format!("write oci-layout: {e}")))
}

/// Whether we can read what lies beside this marker: versions with another first number need not be alike.
pub fn check(marker: &[u8]) -> Result<()> {
    let layout: OciLayout = serde_json::from_slice(marker).context("read oci-layout")?;
    let version = layout.image_layout_version();
    match version.split_once('.') {
        Some(("1", _)) => Ok(()),
        _ => Err(Error::unsupported(format!("read an OCI layout of version '{}'", version.escape_default()))
            .hint(format!("version {VERSION} can be read"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_marker_and_no_later_kind() {
        assert_eq!(marker().unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
        check(&marker().unwrap()).unwrap();
        check(br#"{"imageLayoutVersion":"1.1.0","more":1}"#).unwrap();
        for bad in ["{}", "", r#"{"imageLayoutVersion":"2.0.0"}"#, r#"{"imageLayoutVersion":""}"#] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
