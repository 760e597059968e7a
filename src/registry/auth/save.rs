//! Writing logins: into the auth file where the user keeps them, or into the credential helper that it names.
//!
//! Everything else in a file stays: docker's config.json holds far more than logins.

use super::files::{self, DOCKER_KEY, normalise, server};
use super::{Login, helper};
use crate::error::{Context, Error, Result};
use crate::registry::conf::Registries;
use crate::registry::options::PullOptions;
use crate::state::atomic::{self, Class};
use crate::state::lock::Flock;
use crate::state::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Where a login is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// A program: `docker-credential-NAME`.
    Helper(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Helper(name) => write!(f, "docker-credential-{name}"),
        }
    }
}

/// What logins are for: a registry, or a part of its repositories (`quay.io/team`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub domain: String,
    /// Empty for the whole registry.
    pub path: String,
}

impl Scope {
    /// Parses `HOST[:PORT][/NAMESPACE…]`; a scheme in front, as docker takes it, is dropped with what follows the host.
    pub fn parse(text: &str) -> Result<Scope> {
        let bad = || Error::user(format!("parse registry name '{text}'")).hint("write it as HOST[:PORT][/NAMESPACE]");
        let scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let (domain, path) = match (scheme, text.split_once('/')) {
            (Some(rest), _) => (rest.split('/').next().unwrap_or(rest), ""),
            (None, Some((domain, path))) => (domain, path.trim_end_matches('/')),
            (None, None) => (text, ""),
        };
        let domain = match domain {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            other => other,
        };
        // The rules are those of image names.
        let probe = if path.is_empty() { "x" } else { path };
        let name = crate::image::Reference::parse(&format!("{domain}/{probe}")).map_err(|_| bad())?;
        if name.domain != domain || name.digest.is_some() || probe.contains(':') {
            return Err(bad());
        }
        Ok(Scope { domain: domain.into(), path: path.into() })
    }

    fn key(&self) -> String {
        if self.path.is_empty() { self.domain.clone() } else { format!("{}/{}", self.domain, self.path) }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key())
    }
}

/// Keeps `login`, replacing the one that was there for the same scope. `docker`: in docker's own file.
pub fn save(
    scope: &Scope,
    login: &Login,
    docker: bool,
    registries: &Registries,
    options: &PullOptions,
) -> Result<Place> {
    if options.authfile.is_none()
        && let Some(name) = first_helper(registries)
    {
        helper::store(&name, &scope.key(), login)?;
        return Ok(Place::Helper(name));
    }
    let file = target(scope, docker, options)?;
    let mut place = Place::File(file.clone());
    edit(&file, |fields| {
        let mut entry = entry(login);
        if scope.path.is_empty()
            && let Some(name) = named_helper(fields, &scope.domain)
        {
            helper::store(&name, server(&scope.domain), login)?;
            place = Place::Helper(name);
            // Docker's mark that there is a login.
            entry = json!({});
        }
        let key = if scope.key() == "docker.io" && is_dockers(&file) { DOCKER_KEY.to_string() } else { scope.key() };
        let auths = section(fields, "auths", &file)?;
        auths.retain(|known, _| *known != scope.key() && normalise(known) != scope.key());
        auths.insert(key, entry);
        Ok(true)
    })?;
    Ok(place)
}

/// Removes the login of this very scope wherever it is kept; tells where it was.
pub fn forget(scope: &Scope, docker: bool, registries: &Registries, options: &PullOptions) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    if options.authfile.is_none()
        && let Some(name) = first_helper(registries)
        && helper::erase(&name, &scope.key())?
    {
        places.push(Place::Helper(name));
    }
    for file in own_files(docker, options) {
        edit(&file, |fields| {
            let mut changed = false;
            if scope.path.is_empty()
                && let Some(name) = named_helper(fields, &scope.domain)
                && helper::get(&name, server(&scope.domain))?.is_some()
                && helper::erase(&name, server(&scope.domain))?
            {
                places.push(Place::Helper(name));
            }
            if let Some(Value::Object(auths)) = fields.get_mut("auths") {
                let before = auths.len();
                auths.retain(|known, _| *known != scope.key() && normalise(known) != scope.key());
                changed = auths.len() != before;
            }
            if changed {
                places.push(Place::File(file.clone()));
            }
            Ok(changed)
        })?;
    }
    Ok(places)
}

/// Removes all logins; tells where there were some.
pub fn forget_all(docker: bool, options: &PullOptions) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for file in own_files(docker, options) {
        edit(&file, |fields| {
            let mut domains: Vec<String> = Vec::new();
            for section in ["auths", "credHelpers"] {
                let keys = fields.get(section).and_then(Value::as_object).into_iter().flat_map(Map::keys);
                domains.extend(keys.map(|key| normalise(key).to_string()));
            }
            domains.sort();
            domains.dedup();
            for domain in domains {
                if let Some(name) = named_helper(fields, &domain)
                    && helper::get(&name, server(&domain))?.is_some()
                    && helper::erase(&name, server(&domain))?
                {
                    places.push(Place::Helper(name));
                }
            }
            let auths = fields.get_mut("auths").and_then(Value::as_object_mut);
            let Some(auths) = auths.filter(|auths| !auths.is_empty()) else { return Ok(false) };
            auths.clear();
            places.push(Place::File(file.clone()));
            Ok(true)
        })?;
    }
    Ok(places)
}

/// The helper of registries.conf that comes before the auth files.
fn first_helper(registries: &Registries) -> Option<String> {
    let first = registries.credential_helpers().first().copied()?;
    (first != "containers-auth.json").then(|| first.to_string())
}

/// The helper that a file names for the registry.
fn named_helper(fields: &Map<String, Value>, domain: &str) -> Option<String> {
    let helpers = fields.get("credHelpers").and_then(Value::as_object);
    let own = helpers.and_then(|h| h.iter().find(|(key, _)| normalise(key) == domain)).map(|(_, name)| name);
    let name = own.or_else(|| fields.get("credsStore"))?.as_str()?;
    (!name.is_empty()).then(|| name.to_string())
}

/// The files to look into for logins of ours; old `.dockercfg` files are never written.
fn own_files(docker: bool, options: &PullOptions) -> Vec<PathBuf> {
    let (all, explicit) = files::paths(options);
    let all: Vec<PathBuf> = all.into_iter().filter(|(_, legacy)| !legacy).map(|(file, _)| file).collect();
    if explicit || all.len() == 1 || !docker {
        // Another user's runtime directory (su without a login session) is not ours.
        let ours = |file: &PathBuf| !parse(file).is_err_and(|e| e.is_errno(libc::EACCES));
        return all.into_iter().filter(|file| explicit || ours(file)).collect();
    }
    all.into_iter().filter(|file| is_dockers(file)).collect()
}

fn is_dockers(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "config.json")
}

/// The file to write: the one that has this login already, else the first lasting one that has any, else the user's
/// auth.json. What is in the runtime directory is gone at the next boot.
fn target(scope: &Scope, docker: bool, options: &PullOptions) -> Result<PathBuf> {
    let all = own_files(docker, options);
    let read = |file: &PathBuf| parse(file).ok().flatten();
    let own = |fields: &Map<String, Value>| {
        let auths = fields.get("auths").and_then(Value::as_object);
        auths.is_some_and(|a| a.keys().any(|key| *key == scope.key() || normalise(key) == scope.key()))
    };
    if let Some(file) = all.iter().find(|file| read(file).is_some_and(|fields| own(&fields))) {
        return Ok(file.clone());
    }
    let runtime = options.env.var("XDG_RUNTIME_DIR").map(PathBuf::from);
    let passing = |file: &&PathBuf| match &runtime {
        Some(dir) => file.starts_with(dir),
        None => file.starts_with(options.env.system("run")),
    };
    let mut lasting: Vec<&PathBuf> = all.iter().filter(|file| !passing(file)).collect();
    if lasting.is_empty() {
        lasting = all.iter().collect();
    }
    let keeps = |fields: &Map<String, Value>| {
        let filled = |key: &str| fields.get(key).and_then(Value::as_object).is_some_and(|m| !m.is_empty());
        let store = fields.get("credsStore").and_then(Value::as_str).is_some_and(|s| !s.is_empty());
        filled("auths") || filled("credHelpers") || store
    };
    let found = lasting.iter().find(|file| read(file).is_some_and(|fields| keeps(&fields)));
    found.or(lasting.first()).copied().cloned().ok_or_else(|| {
        Error::user("choose a file for the login: HOME is not set").hint("set it, or give --authfile FILE")
    })
}

fn entry(login: &Login) -> Value {
    let auth = |user: &str, password: &str| STANDARD.encode(format!("{user}:{password}"));
    match login {
        Login::Password(c) => json!({"auth": auth(&c.username, &c.password)}),
        Login::Identity { username, token } => json!({"auth": auth(username, ""), "identitytoken": token}),
    }
}

fn section<'f>(fields: &'f mut Map<String, Value>, key: &str, file: &Path) -> Result<&'f mut Map<String, Value>> {
    let value = fields.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().ok_or_else(|| Error::user(format!("change {}: \"{key}\" is not an object", file.display())))
}

/// `None` for a file that is missing or empty.
fn parse(file: &Path) -> Result<Option<Map<String, Value>>> {
    let text = match text::read(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("read auth file {}", file.display())),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&text).map(Some).with_context(|| format!("parse auth file {}", file.display()))
}

/// Reads the file, and replaces it when `change` says that something changed.
fn edit(file: &Path, change: impl FnOnce(&mut Map<String, Value>) -> Result<bool>) -> Result<()> {
    // Files of a dotfiles repository are links into it.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let dir = file.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two logins at once; no lock where there is no directory yet or it is not ours.
    let _lock = Flock::dir(dir).ok();
    let mut fields = parse(&file)?.unwrap_or_default();
    if !change(&mut fields)? {
        return Ok(());
    }
    if !dir.is_dir() {
        atomic::make_dirs(dir)?;
    }
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
    serde::Serialize::serialize(&fields, &mut serializer).with_context(|| format!("encode {}", file.display()))?;
    text.push(b'\n');
    atomic::write(&dir.join(file.file_name().unwrap_or_default()), &text, Class::Durable)
}

/// The login that is kept for the scope itself or for a wider one.
pub fn stored(scope: &Scope, registries: &Registries, options: &PullOptions) -> Result<Option<Login>> {
    // What --authfile names need not be there before the first login.
    if options.authfile.as_ref().is_some_and(|file| !file.exists()) {
        return Ok(None);
    }
    Login::find(&scope.domain, &scope.path, registries, options)
}

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;
