//! Defaults of docker's own `config.json`, for those who call us `docker`.

use super::{Cx, Personality, output};
use crate::engine::term::{DEFAULT_DETACH_KEYS, DetachKeys};
use crate::error::Result;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The keys that are about the command line (docs.docker.com, "Docker CLI configuration file"); the ones about
/// registries are read by `registry::auth`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DockerConfig {
    pub detach_keys: Option<String>,
    pub ps_format: Option<String>,
    pub images_format: Option<String>,
    pub volumes_format: Option<String>,
    /// By the daemon's address; `default` is for all.
    proxies: BTreeMap<String, Proxy>,
}

/// One of `proxies`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Proxy {
    http_proxy: String,
    https_proxy: String,
    ftp_proxy: String,
    no_proxy: String,
    all_proxy: String,
}

impl DockerConfig {
    /// What containers and builds get as variables, in capitals and not, unless the command line gives them others.
    pub fn proxies(&self) -> Vec<(String, String)> {
        let Some(proxy) = self.proxies.get("default") else { return Vec::new() };
        let all = [
            ("HTTP_PROXY", &proxy.http_proxy),
            ("HTTPS_PROXY", &proxy.https_proxy),
            ("FTP_PROXY", &proxy.ftp_proxy),
            ("NO_PROXY", &proxy.no_proxy),
            ("ALL_PROXY", &proxy.all_proxy),
        ];
        let given = all.into_iter().filter(|(_, value)| !value.is_empty());
        given.flat_map(|(key, value)| [key.to_string(), key.to_lowercase()].map(|key| (key, value.clone()))).collect()
    }
}

/// What the file says; nothing when there is none or when we are not called `docker`. A file that can't be read costs a
/// warning, as with docker.
pub fn load(cx: &Cx) -> DockerConfig {
    let Some(path) = path().filter(|_| cx.personality == Personality::Docker) else { return DockerConfig::default() };
    let Ok(text) = std::fs::read(&path) else { return DockerConfig::default() };
    serde_json::from_slice(&text).unwrap_or_else(|e| {
        output::warn(&format!("{} is not used: {e}", path.display()));
        DockerConfig::default()
    })
}

fn path() -> Option<PathBuf> {
    let dir = match std::env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty()) {
        Some(dir) => dir.into(),
        None => directories::BaseDirs::new()?.home_dir().join(".docker"),
    };
    Some(dir.join("config.json"))
}

/// The keys that detach: of the command line, of the container, of docker's file, or the usual ones.
pub fn detach_keys(cx: &Cx, given: Option<&str>, container: Option<&str>) -> Result<DetachKeys> {
    match given.or(container) {
        Some(keys) => DetachKeys::parse(keys),
        None => DetachKeys::parse(load(cx).detach_keys.as_deref().unwrap_or(DEFAULT_DETACH_KEYS)),
    }
}
