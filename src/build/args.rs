//! ARG: what was given with `--build-arg`, what is predefined, and what a stage may see.

use std::collections::{BTreeMap, BTreeSet};

/// Known without a declaration, and neither in the history nor in cache keys.
pub const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Arguments that mean something to the builder; naming one is no mistake.
const BUILTIN: [&str; 8] = [
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_BUILD_NAME",
];

/// The arguments of a whole build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildArgs {
    /// `--build-arg`.
    pub given: BTreeMap<String, String>,
    /// ARGs before the first FROM, and the platform arguments.
    pub globals: BTreeMap<String, String>,
}

/// A platform as OS/ARCH[/VARIANT].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformArgs {
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

impl PlatformArgs {
    pub fn text(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        parts.into_iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>().join("/")
    }
}

impl BuildArgs {
    /// The arguments given, with `TARGET*` and `BUILD*` of the two platforms.
    pub fn new(given: BTreeMap<String, String>, target: &PlatformArgs, build: &PlatformArgs) -> BuildArgs {
        let mut globals = BTreeMap::new();
        for (prefix, platform) in [("TARGET", target), ("BUILD", build)] {
            globals.insert(format!("{prefix}PLATFORM"), platform.text());
            globals.insert(format!("{prefix}OS"), platform.os.clone());
            globals.insert(format!("{prefix}ARCH"), platform.architecture.clone());
            globals.insert(format!("{prefix}VARIANT"), platform.variant.clone());
        }
        globals.insert("TARGETSTAGE".into(), "default".into());
        for (name, value) in &mut globals {
            if let Some(own) = given.get(name) {
                *value = own.clone();
            }
        }
        BuildArgs { given, globals }
    }

    /// Proxies for RUN, which need no declaration.
    pub fn proxies(&self) -> impl Iterator<Item = (&str, &str)> {
        PROXIES.iter().filter_map(|name| Some((*name, self.given.get(*name)?.as_str())))
    }

    /// Given arguments that nothing declares.
    pub fn unused<'a>(&'a self, declared: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
        let known = |name: &str| {
            declared.contains(name)
                || PROXIES.contains(&name)
                || BUILTIN.contains(&name)
                || self.globals.contains_key(name)
        };
        self.given.keys().map(String::as_str).filter(move |name| !known(name))
    }
}

/// Whether a name looks like that of a secret (BuildKit's SecretsUsedInArgOrEnv).
pub fn looks_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    let secret =
        ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
    words.iter().any(|w| secret.contains(w)) && !words.contains(&"public")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_known_and_can_be_given() {
        let target = PlatformArgs { os: "linux".into(), architecture: "arm64".into(), variant: "v8".into() };
        let build = PlatformArgs { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
        let given = BTreeMap::from([("TARGETOS".to_string(), "plan9".to_string()), ("X".into(), "1".into())]);
        let args = BuildArgs::new(given, &target, &build);
        assert_eq!(args.globals["TARGETPLATFORM"], "linux/arm64/v8");
        assert_eq!(args.globals["TARGETOS"], "plan9");
        assert_eq!(args.globals["BUILDPLATFORM"], "linux/amd64");
        assert_eq!(args.globals["BUILDVARIANT"], "");
        assert_eq!(args.unused(&BTreeSet::new()).collect::<Vec<_>>(), ["X"]);
    }

    #[test]
    fn secrets_have_telling_names() {
        for name in ["PASSWORD", "db_password", "API_KEY", "apikey", "GITHUB_TOKEN"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["MONKEY", "PUBLIC_KEY", "tokens", "KEYBOARD"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
