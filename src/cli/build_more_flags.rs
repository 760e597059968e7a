//! The flags of `coracle build` that scripts bring along from docker, buildx, podman and buildah.

use crate::error::{Context, Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Longest file of arguments that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Flatten into the command's arguments.
#[derive(clap::Args, Debug)]
pub struct MoreFlags {
    /// Values of ARGs, one NAME=VALUE a line; --build-arg comes before them
    #[arg(long, value_name = "FILE")]
    build_arg_file: Vec<PathBuf>,
    /// The image of the first FROM, in the place of what it says
    #[arg(long, value_name = "IMAGE")]
    pub from: Option<String>,
    /// Set a variable in the image; without a value, that of the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Take the labels of base images over
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, action = clap::ArgAction::Set)]
    pub inherit_labels: bool,
    /// Always ask the registry for base images
    #[arg(long, conflicts_with = "pull_never")]
    pull_always: bool,
    /// Use base images of the store only
    #[arg(long)]
    pull_never: bool,
    /// Allow RUN --network=host: network.host
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    allow: Vec<String>,
    /// What to do: build, or check (as --check)
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// No /etc/hosts of ours in RUN
    #[arg(long)]
    pub no_hosts: bool,
    /// Additional group of RUN
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Pass the proxy variables of the environment to RUN
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, action = clap::ArgAction::Set)]
    pub http_proxy: bool,
    /// Accepted: RUN is in a container of its own always
    #[arg(long, hide = true, value_name = "TYPE")]
    isolation: Option<String>,
    /// Attestations are not made: false
    #[arg(long, hide = true, value_name = "VALUE")]
    provenance: Option<String>,
    /// Attestations are not made: false
    #[arg(long, hide = true, value_name = "VALUE")]
    sbom: Option<String>,
    /// Attestations are not made: type=…,disabled=true
    #[arg(long, hide = true, value_name = "VALUE")]
    attest: Vec<String>,
    /// There is no label of ours: false
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    identity_label: Option<bool>,
    /// What nobody needs is not built: true
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    skip_unused_stages: Option<bool>,
    /// Private always
    #[arg(long, hide = true, value_name = "MODE")]
    ipc: Option<String>,
    /// Private always
    #[arg(long, hide = true, value_name = "MODE")]
    pid: Option<String>,
    /// Private always
    #[arg(long, hide = true, value_name = "MODE")]
    uts: Option<String>,
    /// Private always
    #[arg(long, hide = true, value_name = "MODE")]
    cgroupns: Option<String>,
    /// Not supported
    #[arg(long, hide = true, value_name = "MODE")]
    userns: Option<String>,
    /// Not supported
    #[arg(long, hide = true, value_name = "MAP")]
    userns_uid_map: Vec<String>,
    /// Not supported
    #[arg(long, hide = true, value_name = "MAP")]
    userns_gid_map: Vec<String>,
    /// Not supported
    #[arg(long, hide = true)]
    all_platforms: bool,
    /// Write to a file what the build tells
    #[arg(long, value_name = "FILE")]
    logfile: Option<PathBuf>,
    /// Not supported
    #[arg(long, hide = true, value_name = "DURATION")]
    cache_ttl: Option<String>,
    /// Accepted: the context is sent nowhere
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    compress: Option<bool>,
    /// Accepted: layers are compressed when they are pushed
    #[arg(short = 'D', long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    disable_compression: Option<bool>,
    /// Accepted: there is no content trust
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    disable_content_trust: Option<bool>,
}

impl MoreFlags {
    /// # Errors
    /// Something is asked for that there is not.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String, hint: &str| Err(Error::unsupported(format!("use {what}")).hint(hint));
        for (name, value) in [("provenance", &self.provenance), ("sbom", &self.sbom)] {
            if let Some(value) = value.as_deref().filter(|v| !matches!(*v, "" | "false" | "0")) {
                return refuse(format!("--{name} {value}: attestations are not made"), &format!("--{name}=false"));
            }
        }
        if let Some(text) = self.attest.iter().find(|t| !t.split(',').any(|part| part == "disabled=true")) {
            return refuse(format!("--attest {text}: attestations are not made"), "leave it out");
        }
        for (name, value) in [("ipc", &self.ipc), ("pid", &self.pid), ("uts", &self.uts), ("cgroupns", &self.cgroupns)]
        {
            if let Some(value) = value.as_deref().filter(|v| !matches!(*v, "" | "private" | "container")) {
                return refuse(format!("--{name} {value}: RUN has namespaces of its own"), "leave it out");
            }
        }
        if let Some(value) = self.isolation.as_deref()
            && !matches!(value, "" | "default" | "oci" | "rootless" | "chroot")
        {
            return Err(Error::user(format!("read --isolation '{value}'")).hint("oci, rootless or chroot"));
        }
        if self.identity_label == Some(true) {
            return refuse("--identity-label: images say nothing of their builder".into(), "--label NAME=VALUE");
        }
        if self.skip_unused_stages == Some(false) {
            return refuse(
                "--skip-unused-stages=false: only what is needed is built".into(),
                "--target STAGE for each",
            );
        }
        if self.userns.as_deref().is_some_and(|v| !matches!(v, "" | "host"))
            || !self.userns_uid_map.is_empty()
            || !self.userns_gid_map.is_empty()
        {
            return refuse("--userns: all of a build has the ids of its user".into(), "leave it out");
        }
        if self.all_platforms {
            return refuse("--all-platforms".into(), "--platform linux/amd64,linux/arm64");
        }
        if let Some(ttl) = &self.cache_ttl {
            return refuse(format!("--cache-ttl {ttl}"), "--no-cache, or coracle builder prune --filter until=24h");
        }
        if let Some(what) = self.allow.iter().find(|what| what.as_str() != "network.host") {
            return refuse(format!("--allow {what}"), "network.host is all that can be allowed");
        }
        match self.call.as_deref() {
            None | Some("build" | "check" | "lint") => Ok(()),
            Some(method) => refuse(format!("--call {method}"), "build or check"),
        }
    }

    pub fn only_check(&self) -> bool {
        matches!(self.call.as_deref(), Some("check" | "lint"))
    }

    pub fn allows_host_network(&self) -> bool {
        !self.allow.is_empty()
    }

    /// The policy that `--pull` gives, unless one of the short forms is there.
    pub fn policy<'a>(&self, pull: &'a str) -> &'a str {
        match (self.pull_always, self.pull_never) {
            (true, _) => "always",
            (_, true) => "never",
            _ => pull,
        }
    }

    /// The arguments of all files; later ones win.
    pub fn arguments(&self) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for path in &self.build_arg_file {
            let mut text = String::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
                .with_context(|| format!("read {}", path.display()))?;
            for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
                match line.split_once('=') {
                    Some((name, value)) if !name.trim().is_empty() => {
                        all.insert(name.trim().to_string(), value.to_string());
                    }
                    _ => {
                        return Err(Error::user(format!("read {}:{}: write NAME=VALUE", path.display(), n + 1)));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Sets the variables in an image's environment.
    pub fn set_env(&self, env: &mut Vec<String>) {
        for word in &self.env {
            let word = match word.split_once('=') {
                Some(_) => word.clone(),
                None => match std::env::var(word) {
                    Ok(value) => format!("{word}={value}"),
                    Err(_) => continue,
                },
            };
            let name = word.split('=').next().unwrap_or_default();
            match env.iter_mut().find(|known| known.split('=').next() == Some(name)) {
                Some(known) => *known = word,
                None => env.push(word),
            }
        }
    }
}

/// Standard error goes elsewhere until this is dropped.
pub struct Log {
    before: OwnedFd,
}

impl Drop for Log {
    fn drop(&mut self) {
        // An error that ends the build is told where it is looked for.
        let _ = rustix::stdio::dup2_stderr(&self.before);
    }
}

impl MoreFlags {
    /// Opens `--logfile` and sends what is told of the build there.
    pub fn log(&self) -> Result<Option<Log>> {
        let Some(path) = &self.logfile else { return Ok(None) };
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let before = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).context("keep standard error")?;
        rustix::stdio::dup2_stderr(&file).context("use the file as standard error")?;
        Ok(Some(Log { before }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        more: MoreFlags,
    }

    fn flags(text: &str) -> MoreFlags {
        Command::try_parse_from(["x"].into_iter().chain(text.split_whitespace())).unwrap().more
    }

    #[test]
    fn what_there_is_not_is_refused_with_a_way_out() {
        for good in [
            "",
            "--provenance=false --sbom false --attest type=sbom,disabled=true",
            "--isolation chroot --ipc private --userns host --skip-unused-stages --identity-label=false",
            "--compress -D --disable-content-trust --allow network.host --call check",
        ] {
            flags(good).check().unwrap();
        }
        for bad in [
            "--provenance mode=max",
            "--sbom true",
            "--attest type=provenance",
            "--pid host",
            "--isolation vm",
            "--identity-label",
            "--skip-unused-stages=false",
            "--userns-uid-map 0:1:2",
            "--all-platforms",
            "--cache-ttl 1h",
            "--allow security.insecure",
            "--call outline",
        ] {
            let told = flags(bad).check().unwrap_err().to_string();
            let name = bad.split([' ', '=']).next().unwrap().trim_end_matches("-uid-map");
            assert!(told.contains(name), "{bad}: {told}");
        }
    }

    #[test]
    fn variables_are_set_once() {
        let mut env = vec!["A=1".to_string(), "PATH=/bin".to_string()];
        flags("--env A=2 --env B=3 --env NOT_IN_THE_ENVIRONMENT_OF_TESTS").set_env(&mut env);
        assert_eq!(env, ["A=2", "PATH=/bin", "B=3"]);
        assert_eq!(flags("--pull-never").policy("missing"), "never");
        assert_eq!(flags("").policy("newer"), "newer");
    }
}
