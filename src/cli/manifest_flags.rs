//! The flags of `manifest add` and `manifest annotate`.

use crate::error::{Error, Result};
use crate::image::MemberNotes;
use std::collections::BTreeMap;

/// Flatten into a command's arguments with `#[command(flatten)]`.
#[derive(clap::Args, Debug, Default)]
pub struct NoteFlags {
    /// Annotation of the image's entry
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Features of the processor that it needs
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    pub features: Vec<String>,
    /// Operating system of the image
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,
    /// Features of the operating system that it needs
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    pub os_features: Vec<String>,
    /// Version of the operating system
    #[arg(long, value_name = "VERSION")]
    pub os_version: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
}

impl NoteFlags {
    pub fn notes(&self) -> Result<MemberNotes> {
        Ok(MemberNotes {
            os: self.os.clone(),
            architecture: self.arch.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            features: self.features.clone(),
            annotations: annotations(&self.annotation)?,
        })
    }
}

/// Parses `KEY=VALUE` texts.
pub fn annotations(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let parse = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
        _ => Err(Error::user(format!("parse annotation '{text}'")).hint("write KEY=VALUE")),
    };
    texts.iter().map(parse).collect()
}
