//! What a caller may ask of a registry, as plain data.

use super::Platform;
use super::conf::Chooser;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Credentials {
    /// Parses `USER:PASSWORD` (`--creds`); the password may hold colons.
    pub fn parse(text: &str) -> Result<Credentials> {
        match text.split_once(':') {
            Some((username, password)) if !username.is_empty() => {
                Ok(Credentials { username: username.into(), password: password.into() })
            }
            // The text is not shown: without a colon it may be the password alone.
            _ => Err(Error::user("parse the credentials of --creds").hint("write them as USER:PASSWORD")),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Passwords must not reach logs.
        write!(f, "Credentials({}:…)", self.username)
    }
}

/// The part of the host environment that registries depend on.
#[derive(Clone, Debug)]
pub struct Env {
    /// Root of the system's own configuration: `/`, another directory in tests.
    pub root: PathBuf,
    vars: BTreeMap<String, String>,
}

/// Environment variables that decide how registries are reached.
const VARS: &[&str] = &[
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "USER",
    "CONTAINERS_STORAGE_CONF",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRIES_CONFIG_PATH",
    "DOCKER_DEFAULT_PLATFORM",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "PATH",
    "CORACLE_RESOLVER",
];

impl Env {
    /// Takes the variables that matter from `lookup` (the command line passes the process environment).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Env {
        let vars = VARS.iter().filter_map(|name| Some((name.to_string(), lookup(name)?))).collect();
        Env { root: PathBuf::from("/"), vars }
    }

    /// The variable's value, unless it is unset or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.var("HOME").map(PathBuf::from)
    }

    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub fn config_home(&self) -> Option<PathBuf> {
        self.var("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(self.home()?.join(".config")))
    }

    /// `$XDG_CACHE_HOME`, or `~/.cache`.
    pub fn cache_home(&self) -> Option<PathBuf> {
        self.var("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(self.home()?.join(".cache")))
    }

    /// A file of the system's configuration, given without the leading slash (`etc/hosts`).
    pub fn system(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Default for Env {
    /// An environment with no variables set.
    fn default() -> Self {
        Env::from_lookup(|_| None)
    }
}

/// How long to wait for what, and how slow is too slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the name and then again for the connection with its TLS handshake.
    pub connect: Duration,
    /// From the request to the answer's header.
    pub response: Duration,
    /// A body that brings no byte for so long is cut.
    pub stall: Duration,
    /// A body that brings less than [`Limits::MIN_BYTES`] in so long is cut too (a server that drips).
    pub slow: Duration,
    /// The longest wait that Retry-After may impose.
    pub retry_after: Duration,
    /// First wait between attempts; doubled each time.
    pub backoff: Duration,
}

impl Limits {
    /// Bytes that must arrive within [`Limits::slow`]: below 1 KiB/s nobody gets an image in useful time.
    pub const MIN_BYTES: u64 = 60 << 10;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(30),
            response: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            slow: Duration::from_secs(60),
            retry_after: Duration::from_secs(120),
            backoff: Duration::from_secs(1),
        }
    }
}

/// How to pull; the default asks for nothing special.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// `None`: this host's platform.
    pub platform: Option<Platform>,
    /// Overrides whatever the auth files say.
    pub credentials: Option<Credentials>,
    /// Read instead of the usual auth files; must exist.
    pub authfile: Option<PathBuf>,
    /// Directory of `*.crt`, `*.cert` and `*.key` read instead of the usual `certs.d` trees.
    pub cert_dir: Option<PathBuf>,
    /// `Some(false)`: accept any certificate, and plain HTTP too. `None`: as registries.conf says, else verify.
    pub tls_verify: Option<bool>,
    /// Further attempts after a failure that may pass (connection lost, 5xx, 429).
    pub retries: u32,
    /// Fixed wait between attempts; `None`: doubling from 1 s, or what the registry asks for.
    pub retry_delay: Option<Duration>,
    pub limits: Limits,
    /// Asks which registry a short name means, where somebody is there to answer.
    pub choose: Option<Chooser>,
    pub env: Env,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            platform: None,
            credentials: None,
            authfile: None,
            cert_dir: None,
            tls_verify: None,
            retries: 3,
            retry_delay: None,
            limits: Limits::default(),
            choose: None,
            env: Env::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_keep_colons_in_the_password_and_stay_out_of_debug_output() {
        let c = Credentials::parse("me:a:b").unwrap();
        assert_eq!((c.username.as_str(), c.password.as_str()), ("me", "a:b"));
        assert!(!format!("{c:?}").contains("a:b"));
        for bad in ["", "nocolon", ":secret"] {
            let e = Credentials::parse(bad).unwrap_err().to_string();
            assert!(!e.contains("secret"), "{e}");
        }
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let env = Env::from_lookup(|n| match n {
            "HOME" => Some("/home/u".into()),
            "XDG_CONFIG_HOME" => Some(String::new()),
            _ => None,
        });
        assert_eq!(env.config_home(), Some(PathBuf::from("/home/u/.config")));
        assert_eq!(Env::default().config_home(), None);
    }
}
