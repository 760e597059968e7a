//! The image configuration (OCI image-spec 1.1 config.md, plus Docker's Healthcheck, Shell and OnBuild, which are kept
//! whatever the media type says).

use super::digest::Digest;
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// What the config blob says, defaults for everything missing or null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// RFC 3339, or empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub created: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub author: String,
    #[serde(deserialize_with = "nullable")]
    pub architecture: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(deserialize_with = "nullable")]
    pub os: String,
    #[serde(deserialize_with = "nullable")]
    pub config: RunConfig,
    #[serde(deserialize_with = "nullable")]
    pub rootfs: RootFs,
    #[serde(deserialize_with = "nullable")]
    pub history: Vec<History>,
    /// What BuildKit calls an inline cache, in base64: for the next build, never for a child image.
    #[serde(
        rename = "moby.buildkit.cache.v0",
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub inline_cache: String,
}

/// How to run it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RunConfig {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Keys like `80/tcp`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `KEY=value`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Keys are absolute paths.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Name or number: `SIGQUIT`, `3`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
}

/// The value side of Go's sets: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Docker's HEALTHCHECK; times in nanoseconds, 0 = default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(deserialize_with = "nullable")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// Digests of the uncompressed layers, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFs {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer, or a step without one, came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub created: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub author: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig> {
        serde_json::from_slice(bytes).context("parse image config")
    }

    /// The chain ids (hex) of the layers, lowest first: a layer's own is `diff_id` for the lowest, and
    /// `sha256(parent chain id + " " + diff_id)` above (OCI config.md, "Layer ChainID").
    pub fn chain_ids(&self) -> Vec<String> {
        chain_ids(&self.rootfs.diff_ids)
    }

    /// The config must list as many layers as the manifest.
    pub fn check_layers(&self, manifest_layers: usize) -> Result<()> {
        let listed = self.rootfs.diff_ids.len();
        if listed != manifest_layers {
            return Err(Error::user(format!(
                "read the image: its config lists {listed} layers, its manifest {manifest_layers}"
            )));
        }
        Ok(())
    }
}

/// See [`ImageConfig::chain_ids`].
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<String> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
            None => diff_id.clone(),
        });
    }
    chain.iter().map(|d| d.hex().to_string()).collect()
}

/// Go writes absent slices, maps and strings as null.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_configs_with_nulls_and_dockers_extras() {
        let config = ImageConfig::parse(
            br#"{"created":null,"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Entrypoint":null,"Volumes":{"/data":{}},
            "Healthcheck":{"Test":["CMD","true"],"Interval":5000000000},"OnBuild":null,"Labels":null,"Unknown":1},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}]}"#,
        )
        .unwrap();
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.config.volumes.contains_key("/data"));
        assert_eq!(config.config.healthcheck.as_ref().unwrap().interval, 5_000_000_000);
        let back = serde_json::to_vec(&config).unwrap();
        assert_eq!(ImageConfig::parse(&back).unwrap(), config);
        assert!(config.check_layers(1).is_err());
        assert!(ImageConfig::parse(b"{\"rootfs\":{\"diff_ids\":[\"sha256:..\"]}}").is_err());
    }

    #[test]
    fn chains_layers_as_the_specification_says() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let chain = chain_ids(&[a.clone(), b.clone()]);
        assert_eq!(chain[0], a.hex());
        assert_eq!(chain[1], Digest::of(format!("{a} {b}").as_bytes()).hex());
    }
}
