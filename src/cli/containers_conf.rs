//! containers.conf(5): where it is, and what of its networks concerns each container.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::PathBuf;

/// Settings of `[network]` that mean something here, and those that are about other tools' parts.
const FOLLOWED: [&str; 3] = ["default_rootless_network_cmd", "default_subnet_pools", "pasta_options"];
const FOREIGN: [&str; 4] = ["network_backend", "cni_plugin_dirs", "netavark_plugin_dirs", "firewall_driver"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conf {
    network: toml::Table,
    engine: Engine,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Engine {
    network_cmd_options: Option<Vec<String>>,
}

/// What the files say about the network of containers.
#[derive(Debug, Default)]
pub(super) struct Networking {
    default: Option<String>,
    pasta: Vec<String>,
    slirp: Vec<String>,
    /// `KEY = VALUE` of settings that have no effect.
    pub(super) ignored: Vec<String>,
}

impl Networking {
    /// The settings of these files, of which later ones win; missing files are none.
    ///
    /// # Errors
    /// A file that can't be understood, by name.
    pub(super) fn read(files: &[PathBuf]) -> Result<Networking> {
        let mut all = Networking::default();
        for file in files {
            let Ok(text) = std::fs::read_to_string(file) else { continue };
            let bad = |why: &str| Error::user(format!("read {}: {}", file.display(), why.replace('\n', " ")));
            let conf: Conf = toml::from_str(&text).map_err(|e| bad(e.message()))?;
            all.slirp = conf.engine.network_cmd_options.unwrap_or(all.slirp);
            if let Some(value) = conf.network.get("default_rootless_network_cmd") {
                match value.as_str() {
                    Some(name @ ("pasta" | "slirp4netns")) => all.default = Some(name.to_string()),
                    _ => {
                        return Err(bad(&format!("default_rootless_network_cmd = {value}: not supported"))
                            .hint("pasta or slirp4netns"));
                    }
                }
            }
            if let Some(value) = conf.network.get("pasta_options") {
                let list = value.as_array().ok_or_else(|| bad("pasta_options is no array"))?;
                all.pasta = list.iter().filter_map(|v| v.as_str()).map(str::to_string).collect();
            }
            let unknown = |key: &&String| !FOLLOWED.contains(&key.as_str()) && !FOREIGN.contains(&key.as_str());
            for key in conf.network.keys().filter(unknown) {
                all.ignored.push(format!("{key} = {}", conf.network[key]));
            }
        }
        Ok(all)
    }

    /// The values of `--network` with what the files add: the program of the default network, and its options before
    /// those that the user names.
    pub(super) fn apply(&self, values: &[String]) -> Vec<String> {
        let own = |name: &str| if name == "pasta" { &self.pasta } else { &self.slirp };
        match (values, &self.default) {
            ([], Some(name)) => vec![with(name, own(name), "")],
            // Where the usual program is missing the next one takes its place; options would forbid that.
            ([], None) if !self.slirp.is_empty() => vec![with("slirp4netns", &self.slirp, "")],
            ([one], _) => match one.split_once(':').unwrap_or((one, "")) {
                (name @ ("pasta" | "slirp4netns"), options) => vec![with(name, own(name), options)],
                _ => values.to_vec(),
            },
            _ => values.to_vec(),
        }
    }
}

fn with(name: &str, set: &[String], given: &str) -> String {
    let options: Vec<&str> = set.iter().map(String::as_str).chain([given]).filter(|o| !o.is_empty()).collect();
    match options.is_empty() {
        true => name.to_string(),
        false => format!("{name}:{}", options.join(",")),
    }
}

/// The files, lowest priority first.
pub(super) fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"].map(PathBuf::from).into();
    files.extend(drop_ins("/etc/containers/containers.conf.d".into()));
    if let Some(dirs) = directories::BaseDirs::new() {
        let own = dirs.config_dir().join("containers");
        files.push(own.join("containers.conf"));
        files.extend(drop_ins(own.join("containers.conf.d")));
    }
    files.extend(std::env::var_os("CONTAINERS_CONF_OVERRIDE").map(PathBuf::from));
    match std::env::var_os("CONTAINERS_CONF") {
        Some(file) => vec![file.into()],
        None => files,
    }
}

fn drop_ins(dir: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "conf")).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_and_options_of_the_default_network() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let apply = |files: &[PathBuf], values: &[&str]| {
            let values: Vec<String> = values.iter().map(|v| (*v).to_string()).collect();
            Networking::read(files).unwrap().apply(&values)
        };
        assert!(apply(&[], &[]).is_empty());
        assert_eq!(apply(&[], &["pasta:-4"]), ["pasta:-4"]);
        let first = file(
            "a",
            "[network]\ndefault_rootless_network_cmd = \"pasta\"\npasta_options = [\"-m\", \"1400\"]\ndefault_subnet = \"10.1.0.0/16\"\n\
             network_backend = \"netavark\"\n[engine]\nnetwork_cmd_options = [\"mtu=1300\"]\n",
        );
        let files = std::slice::from_ref(&first);
        assert_eq!(apply(files, &[]), ["pasta:-m,1400"]);
        assert_eq!(apply(files, &["pasta:-4"]), ["pasta:-m,1400,-4"]);
        assert_eq!(apply(files, &["slirp4netns"]), ["slirp4netns:mtu=1300"]);
        assert_eq!(apply(files, &["host"]), ["host"]);
        assert_eq!(Networking::read(files).unwrap().ignored, ["default_subnet = \"10.1.0.0/16\""]);
        let second = file("b", "[network]\ndefault_rootless_network_cmd = \"slirp4netns\"\npasta_options = []\n");
        assert_eq!(apply(&[first, second], &[]), ["slirp4netns:mtu=1300"]);
        let bad = file("c", "[network]\ndefault_rootless_network_cmd = \"vpnkit\"\n");
        assert!(Networking::read(&[bad]).unwrap_err().to_string().contains("vpnkit"));
    }
}
