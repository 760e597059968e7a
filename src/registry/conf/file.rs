//! One `registries.conf` file: finding, parsing, and the rules of its `[[registry]]` entries.

use super::{Env, Source};
use crate::error::{Context, Error, Result};
use crate::image::Reference;
use crate::state::text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file's contents; unset keys leave what earlier files said.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conf {
    #[serde(rename = "unqualified-search-registries")]
    pub search: Option<Vec<String>>,
    #[serde(rename = "credential-helpers")]
    pub helpers: Option<Vec<String>>,
    #[serde(rename = "short-name-mode")]
    pub mode: Option<String>,
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    #[serde(default, rename = "registry")]
    pub registries: Vec<Registry>,
    /// The tables of version 1 of the format.
    #[serde(default, rename = "registries")]
    version_1: BTreeMap<String, serde::de::IgnoredAny>,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Registry {
    pub prefix: String,
    pub location: String,
    pub insecure: bool,
    pub blocked: bool,
    pub mirror_by_digest_only: bool,
    #[serde(rename = "mirror")]
    pub mirrors: Vec<Mirror>,
}

/// One `[[registry.mirror]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Mirror {
    pub location: String,
    pub insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    pub from: PullFrom,
}

/// Which references a mirror serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullFrom {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

/// The files to merge, in order: one main file (the user's instead of the system's), then all drop-ins.
pub fn paths(env: &Env) -> Vec<PathBuf> {
    let explicit = env.var("CONTAINERS_REGISTRIES_CONF").or_else(|| env.var("REGISTRIES_CONFIG_PATH"));
    let user = env.config_home().map(|dir| dir.join("containers"));
    let system = env.system("etc/containers");
    let mains = [
        user.as_ref().map(|dir| dir.join("registries.conf")),
        Some(system.join("registries.conf")),
        Some(env.system("usr/share/containers/registries.conf")),
    ];
    let main = match explicit {
        Some(path) => Some(PathBuf::from(path)),
        None => mains.into_iter().flatten().find(|path| path.exists()),
    };
    let mut paths: Vec<PathBuf> = main.into_iter().collect();
    for dir in [Some(system), user].into_iter().flatten() {
        let Ok(entries) = std::fs::read_dir(dir.join("registries.conf.d")) else { continue };
        let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        found.retain(|path| path.extension().is_some_and(|e| e == "conf"));
        found.sort();
        paths.extend(found);
    }
    paths
}

/// Where podman records what the user chose for a short name.
pub fn recorded_aliases(env: &Env) -> Option<PathBuf> {
    let cache = if rustix::process::geteuid().is_root() { Some(env.system("var/cache")) } else { env.cache_home() };
    cache.map(|dir| dir.join("containers/short-name-aliases.conf"))
}

/// `None` when the file does not exist.
pub fn read(path: &Path) -> Result<Option<Conf>> {
    let text = match text::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
    };
    parse(&text).map(Some).map_err(|e| e.context(format!("parse {}", path.display())))
}

pub fn parse(text: &str) -> Result<Conf> {
    let mut conf: Conf = toml::from_str(text).map_err(|e| {
        // toml's own Display spans several lines with a drawing.
        let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Error::user(format!("line {line}: {}", e.message().replace('\n', " ")))
    })?;
    if !conf.version_1.is_empty() {
        return Err(Error::unsupported("version 1 of the format").hint("write [[registry]] tables"));
    }
    for registry in &mut conf.registries {
        registry.complete()?;
    }
    Ok(conf)
}

impl Registry {
    fn complete(&mut self) -> Result<()> {
        let wildcard = self.prefix.starts_with("*.");
        if self.prefix.is_empty() {
            self.prefix = self.location.clone();
        }
        if self.prefix.is_empty() {
            return Err(Error::user("a [[registry]] has neither prefix nor location"));
        }
        if self.location.is_empty() && !wildcard {
            self.location = self.prefix.clone();
        }
        for location in self.mirrors.iter().map(|m| &m.location).chain([&self.location, &self.prefix]) {
            if location.contains("://") {
                return Err(Error::user(format!("location '{location}'")).hint("leave the http:// or https:// out"));
            }
        }
        if self.prefix.contains('*') && (!wildcard || self.prefix[1..].contains(['*', '/'])) {
            return Err(Error::user(format!("prefix '{}'", self.prefix))
                .hint("a wildcard stands for subdomains only: *.example.com"));
        }
        if self.mirror_by_digest_only && self.mirrors.iter().any(|m| m.from != PullFrom::All) {
            return Err(Error::user(format!(
                "the entry of {}: it has mirror-by-digest-only and pull-from-mirror",
                self.prefix
            ))
            .hint("use one of them"));
        }
        if self.mirrors.iter().any(|m| m.location.is_empty()) {
            return Err(Error::user(format!("a mirror of {} has no location", self.prefix)));
        }
        Ok(())
    }

    /// Whether the reference lies below the prefix, at a border of its parts.
    pub fn matches(&self, reference: &Reference) -> bool {
        if let Some(domain) = self.prefix.strip_prefix('*') {
            return reference.domain.ends_with(domain);
        }
        let name = reference.canonical();
        let repository = reference.repository();
        // Host, namespace, repository, or a single tag or digest of it.
        name == self.prefix
            || repository == self.prefix
            || [&name, &repository]
                .iter()
                .any(|n| n.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The reference with its prefix replaced by `location`.
    pub fn rewrite(&self, reference: &Reference, location: &str, insecure: bool, mirror: bool) -> Result<Source> {
        let repository = reference.repository();
        let rest = match self.prefix.strip_prefix('*') {
            Some(_) => &repository[reference.domain.len()..],
            // A prefix that names one tag covers the whole repository.
            None => repository.strip_prefix(&self.prefix).unwrap_or_default(),
        };
        let target = match location {
            "" => repository.clone(),
            location => format!("{}{rest}", location.trim_end_matches('/')),
        };
        let (domain, path) = target.split_once('/').ok_or_else(|| {
            Error::user(format!("use location '{location}' of registries.conf for {repository}: no repository is left"))
        })?;
        Ok(Source { domain: domain.to_string(), path: path.to_string(), insecure, mirror })
    }
}
