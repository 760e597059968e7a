//! Auth files: containers-auth.json(5) and docker's config.json.

use super::{Login, helper};
use crate::error::{Context, Error, Result};
use crate::registry::options::{Credentials, Env, PullOptions};
use crate::state::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthFile {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// base64 of `user:password`.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// Docker's own key for its registry.
pub(super) const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// The login for `domain/path`, from the first file that has one; within a file the most specific key wins.
pub fn lookup(domain: &str, path: &str, options: &PullOptions) -> Result<Option<Login>> {
    let (files, required) = paths(options);
    for (file, legacy) in files {
        let text = match text::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => continue,
            // A public image needs none. Another user's runtime directory (su without a login session) is not ours to
            // read, but in one's home (sudo docker login) it is hardly meant so.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied && !required => {
                match options.env.home().is_some_and(|home| file.starts_with(home)) {
                    true => log::warn!("auth file {} is left out: permission denied", file.display()),
                    false => log::debug!("skipping auth file {}: {e}", file.display()),
                }
                continue;
            }
            Err(e) => return Err(e).with_context(|| format!("read auth file {}", file.display())),
        };
        if text.trim().is_empty() {
            continue;
        }
        if let Some(login) = in_file(&text, legacy, domain, path, &file)? {
            log::debug!("using the login of {}", file.display());
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// The files to read, each with whether it is the old `.dockercfg`; and whether the (only) file must exist.
pub(super) fn paths(options: &PullOptions) -> (Vec<(PathBuf, bool)>, bool) {
    let env: &Env = &options.env;
    if let Some(file) = &options.authfile {
        return (vec![(file.clone(), false)], true);
    }
    if let Some(file) = env.var("REGISTRY_AUTH_FILE") {
        // podman login makes it later: it may be missing.
        return (vec![(file.into(), false)], false);
    }
    let mut files = vec![match env.var("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("containers/auth.json"),
        None => env.system(&format!("run/containers/{}/auth.json", rustix::process::getuid().as_raw())),
    }];
    files.extend(env.config_home().map(|dir| dir.join("containers/auth.json")));
    match env.var("DOCKER_CONFIG") {
        Some(dir) => files.push(PathBuf::from(dir).join("config.json")),
        None => files.extend(env.home().map(|home| home.join(".docker/config.json"))),
    }
    let mut files: Vec<(PathBuf, bool)> = files.into_iter().map(|f| (f, false)).collect();
    files.extend(env.home().map(|home| (home.join(".dockercfg"), true)));
    (files, false)
}

fn in_file(text: &str, legacy: bool, domain: &str, path: &str, file: &Path) -> Result<Option<Login>> {
    let parse = || format!("parse auth file {}", file.display());
    let parsed: AuthFile = if legacy {
        AuthFile { auths: serde_json::from_str(text).with_context(parse)?, ..AuthFile::default() }
    } else {
        serde_json::from_str(text).with_context(parse)?
    };
    let helper_key = |key: &str| key == domain || (domain == "docker.io" && normalise(key) == domain);
    if let Some((_, name)) = parsed.cred_helpers.iter().find(|(key, _)| helper_key(key))
        && let Some(login) = helper::get(name, server(domain))?
    {
        return Ok(Some(login));
    }
    if !parsed.creds_store.is_empty()
        && let Some(login) = helper::get(&parsed.creds_store, server(domain))?
    {
        return Ok(Some(login));
    }
    for wanted in keys(domain, path) {
        for (key, entry) in &parsed.auths {
            if (*key == wanted || normalise(key) == wanted)
                && let Some(login) = entry.login(key, file)?
            {
                return Ok(Some(login));
            }
        }
    }
    Ok(None)
}

/// How helpers know the registry.
pub(super) fn server(domain: &str) -> &str {
    if domain == "docker.io" { DOCKER_KEY } else { domain }
}

/// `quay.io/a/b`, `quay.io/a`, `quay.io`.
fn keys(domain: &str, path: &str) -> Vec<String> {
    let mut keys = vec![format!("{domain}/{path}")];
    while let Some((parent, _)) = keys[keys.len() - 1].rsplit_once('/') {
        let parent = parent.to_string();
        keys.push(parent);
    }
    keys
}

/// Keys as docker writes them: `https://index.docker.io/v1/` is docker.io.
pub(super) fn normalise(key: &str) -> &str {
    let had_scheme = key.contains("://");
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = if had_scheme { key.split('/').next().unwrap_or(key) } else { key.trim_end_matches('/') };
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

impl Entry {
    /// `None` for the empty entries that mark "a helper has it".
    fn login(&self, key: &str, file: &Path) -> Result<Option<Login>> {
        if let Some(token) = self.identitytoken.as_deref().filter(|t| !t.is_empty()) {
            // The user's name stands where the password was; nothing depends on it.
            let decoded = STANDARD.decode(self.auth.as_deref().unwrap_or_default()).unwrap_or_default();
            let text = String::from_utf8_lossy(&decoded).into_owned();
            let username = text.split(':').next().filter(|name| !name.is_empty()).unwrap_or("<token>").to_string();
            return Ok(Some(Login::Identity { username, token: token.to_string() }));
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password)
            && !username.is_empty()
        {
            return Ok(Some(Login::Password(Credentials { username: username.clone(), password: password.clone() })));
        }
        let Some(auth) = self.auth.as_deref().filter(|a| !a.is_empty()) else { return Ok(None) };
        let bad = || {
            Error::user(format!("parse the entry of {key} in auth file {}", file.display()))
                .hint("\"auth\" is the base64 form of USER:PASSWORD")
        };
        let decoded = STANDARD.decode(auth.trim()).map_err(|_| bad())?;
        let text = String::from_utf8(decoded).map_err(|_| bad())?;
        // Docker pads old entries with NUL bytes.
        let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or_else(bad)?;
        Ok(Some(Login::Password(Credentials { username: username.into(), password: password.into() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(login: Option<Login>) -> String {
        match login {
            Some(Login::Password(c)) => format!("{}:{}", c.username, c.password),
            Some(Login::Identity { token, .. }) => format!("token {token}"),
            None => "none".into(),
        }
    }

    fn entry(user: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(format!("{user}:p:w")))
    }

    #[test]
    fn the_most_specific_key_wins() {
        let text = format!(
            r#"{{"auths":{{"quay.io":{},"quay.io/ns/app":{},"https://index.docker.io/v1/":{},"http://plain:5000":{},
               "idt.io":{{"identitytoken":"T"}},"empty.io":{{}},"pair.io":{{"username":"u","password":"p"}}}},"unknown":1}}"#,
            entry("host"),
            entry("app"),
            entry("hub"),
            entry("plain")
        );
        let find = |domain, path| password(in_file(&text, false, domain, path, Path::new("f")).unwrap());
        assert_eq!(find("quay.io", "ns/app"), "app:p:w");
        assert_eq!(find("quay.io", "ns/other"), "host:p:w");
        assert_eq!(find("docker.io", "library/debian"), "hub:p:w");
        assert_eq!(find("plain:5000", "x"), "plain:p:w");
        assert_eq!(find("idt.io", "x"), "token T");
        assert_eq!(find("pair.io", "x"), "u:p");
        assert_eq!(find("empty.io", "x"), "none");
        assert_eq!(find("uay.io", "ns/app"), "none");
    }

    #[test]
    fn malformed_files_are_named() {
        for text in ["{", r#"{"auths":{"h":{"auth":"!!"}}}"#, r#"{"auths":{"h":{"auth":"bm9jb2xvbg=="}}}"#] {
            let e = in_file(text, false, "h", "x", Path::new("/the/file")).unwrap_err().to_string();
            assert!(e.contains("/the/file"), "{e}");
        }
    }

    #[test]
    fn an_explicit_file_must_exist_and_is_the_only_one() {
        let options = PullOptions { authfile: Some("/none/such".into()), ..PullOptions::default() };
        assert!(lookup("h", "x", &options).unwrap_err().to_string().contains("/none/such"));
        let env = Env::from_lookup(|n| match n {
            "REGISTRY_AUTH_FILE" => Some("/none/such".into()),
            "HOME" => Some("/h".into()),
            _ => None,
        });
        assert_eq!(lookup("h", "x", &PullOptions { env, ..PullOptions::default() }).unwrap(), None);
    }

    #[test]
    fn files_come_in_the_documented_order() {
        let env = Env::from_lookup(|n| match n {
            "HOME" => Some("/h".into()),
            "XDG_RUNTIME_DIR" => Some("/r".into()),
            _ => None,
        });
        let (files, _) = paths(&PullOptions { env, ..PullOptions::default() });
        let files: Vec<_> = files.iter().map(|(f, _)| f.to_str().unwrap()).collect();
        assert_eq!(
            files,
            ["/r/containers/auth.json", "/h/.config/containers/auth.json", "/h/.docker/config.json", "/h/.dockercfg"]
        );
    }
}
