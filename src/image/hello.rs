//! The embedded image `localhost/hello`: one layer with one static program.

use super::tar::{Entry, Kind, TarWriter};
use super::{
    Descriptor, Digest, History, ImageConfig, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Reference, RootFs,
    RunConfig, Store,
};
use crate::error::{Context, Result};
use std::collections::BTreeMap;

pub const NAME: &str = "localhost/hello:latest";

/// Whether `text` is a name of the embedded image.
pub fn is_meant(text: &str) -> bool {
    Reference::parse_with(text, "localhost").is_ok_and(|r| r.canonical() == NAME)
}

/// Puts the image into the store. The same program always gives the same image id.
pub fn install(store: &Store) -> Result<()> {
    let program = Entry { path: b"hello".to_vec(), mode: 0o755, ..Entry::default() };
    let mut writer = TarWriter::new(Vec::new());
    // Container set-up mounts on these; with them in the image nothing has to be made at start.
    for dir in ["dev", "etc", "proc", "sys", "tmp"] {
        let mode = if dir == "tmp" { 0o1777 } else { 0o755 };
        writer.start(&Entry { path: dir.into(), kind: Kind::Directory, mode, ..Entry::default() })?;
    }
    writer.file(&program, crate::hello::PROGRAM)?;
    let layer = writer.finish()?;
    let diff_id = Digest::of(&layer);
    let config = ImageConfig {
        created: "1970-01-01T00:00:00Z".into(),
        architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }.into(),
        os: "linux".into(),
        config: RunConfig {
            entrypoint: vec!["/hello".into()],
            env: vec!["PATH=/".into()],
            working_dir: "/".into(),
            labels: BTreeMap::from([("org.opencontainers.image.title".into(), "hello".into())]),
            ..RunConfig::default()
        },
        rootfs: RootFs { kind: "layers".into(), diff_ids: vec![diff_id] },
        history: vec![History {
            created: "1970-01-01T00:00:00Z".into(),
            created_by: format!("coracle {}", env!("CARGO_PKG_VERSION")),
            ..History::default()
        }],
        ..ImageConfig::default()
    };
    let config = serde_json::to_vec(&config).context("encode the image config")?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.into(),
        config: Descriptor::new(OCI_CONFIG, store.put(&config)?, config.len() as u64),
        layers: vec![Descriptor::new(OCI_LAYER, store.put(&layer)?, layer.len() as u64)],
        annotations: BTreeMap::new(),
    };
    let manifest = serde_json::to_vec(&manifest).context("encode the image manifest")?;
    let descriptor = Descriptor::new(OCI_MANIFEST, store.put(&manifest)?, manifest.len() as u64);
    store.tag(&descriptor, &Reference::parse(NAME)?)
}
