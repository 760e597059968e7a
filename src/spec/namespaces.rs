//! `--network`, `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`.

use super::model::{NetMode, Ns, UserNs};
use super::request::{Host, RunRequest};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

impl RunRequest {
    /// The containers that namespace flags and `--volumes-from` name, as the user wrote them; `Host::containers` has
    /// to know their full ids.
    pub fn container_refs(&self) -> Vec<String> {
        let spaces = [&self.pid, &self.ipc, &self.uts, &self.userns, &self.cgroupns];
        let modes = spaces.into_iter().flatten().chain(&self.network);
        modes.filter_map(|mode| mode.strip_prefix("container:")).map(str::to_string).collect()
    }
}

fn other(name: &str, flag: &str, ids: &BTreeMap<String, String>) -> Result<String> {
    if name.is_empty() {
        return Err(Error::user(format!("read --{flag} 'container:': it names no container")));
    }
    ids.get(name).cloned().ok_or_else(|| Error::not_found(format!("find container {name} for --{flag}")))
}

fn path(path: &str, flag: &str) -> Result<String> {
    if path.starts_with('/') {
        Ok(path.to_string())
    } else {
        Err(Error::user(format!("read --{flag} 'ns:{path}': the namespace's path is not absolute")))
    }
}

/// A plain namespace flag.
pub fn parse_ns(flag: &str, value: Option<&str>, ids: &BTreeMap<String, String>) -> Result<Ns> {
    match value {
        None | Some("" | "private") => Ok(Ns::Private),
        // Docker's further words for ipc: our /dev/shm can be joined by others anyway, or is absent on request.
        Some("shareable") if flag == "ipc" => Ok(Ns::Private),
        Some("none") if flag == "ipc" => Err(Error::unsupported("use --ipc=none: not supported")),
        Some("host") => Ok(Ns::Host),
        Some(mode) => match mode.split_once(':') {
            Some(("container", name)) => Ok(Ns::Container(other(name, flag, ids)?)),
            Some(("ns", file)) => Ok(Ns::Path(path(file, flag)?)),
            _ => Err(Error::user(format!("read --{flag} '{mode}'")).hint("private, host, container:NAME or ns:PATH")),
        },
    }
}

/// `--userns`.
pub fn parse_userns(value: Option<&str>, ids: &BTreeMap<String, String>) -> Result<UserNs> {
    let bad = |mode: &str, why: &str| {
        Error::user(format!("read --userns '{mode}': {why}"))
            .hint("private, host, keep-id[:uid=N,gid=N] or container:NAME")
    };
    match value {
        None | Some("" | "private") => Ok(UserNs::Private),
        Some("host") => Ok(UserNs::Host),
        Some("keep-id") => Ok(UserNs::KeepId { uid: None, gid: None }),
        Some(mode) => match mode.split_once(':').unwrap_or((mode, "")) {
            ("container", name) => Ok(UserNs::Container(other(name, "userns", ids)?)),
            ("keep-id", options) => {
                let (mut uid, mut gid) = (None, None);
                for option in options.split(',') {
                    let number = |value: &str| {
                        value.parse::<u32>().map(Some).map_err(|_| bad(mode, &format!("'{value}' is no id")))
                    };
                    match option.split_once('=') {
                        Some(("uid", value)) => uid = number(value)?,
                        Some(("gid", value)) => gid = number(value)?,
                        _ => return Err(bad(mode, &format!("unknown option '{option}'"))),
                    }
                }
                Ok(UserNs::KeepId { uid, gid })
            }
            ("auto" | "nomap" | "ns", _) => Err(Error::unsupported(format!("use --userns={mode}: not supported yet"))),
            _ => Err(bad(mode, "unknown mode")),
        },
    }
}

/// `--network`. Names of user-defined networks are refused: there are none yet.
pub fn parse_network(values: &[String], ids: &BTreeMap<String, String>) -> Result<NetMode> {
    let value = match values {
        [] => return Ok(NetMode::Default),
        [one] => one.as_str(),
        [..] => return Err(Error::unsupported("connect a container to several networks: not supported yet")),
    };
    let options = |text: &str| text.split(',').filter(|o| !o.is_empty()).map(str::to_string).collect::<Vec<_>>();
    match value {
        // Docker and podman name their default networks.
        "" | "default" | "bridge" | "private" | "podman" => Ok(NetMode::Default),
        "none" => Ok(NetMode::None),
        "host" => Ok(NetMode::Host),
        "slirp4netns" => Ok(NetMode::Slirp4netns(Vec::new())),
        "pasta" => Ok(NetMode::Pasta(Vec::new())),
        _ => match value.split_once(':') {
            Some(("slirp4netns", rest)) => Ok(NetMode::Slirp4netns(options(rest))),
            Some(("pasta", rest)) => Ok(NetMode::Pasta(options(rest))),
            Some(("container", name)) => Ok(NetMode::Container(other(name, "network", ids)?)),
            Some(("ns", file)) => Ok(NetMode::Path(path(file, "network")?)),
            Some(("bridge", _)) => Err(Error::unsupported("use options of --network=bridge: not supported yet")),
            _ => Err(Error::not_found(format!("find network '{value}'"))
                .hint("none, host, slirp4netns, pasta and container:NAME are there; networks of your own come later")),
        },
    }
}

/// The hostname a container starts with.
pub fn hostname(request: &RunRequest, uts: &Ns, network: &NetMode, host: &Host) -> Result<String> {
    match (uts, &request.hostname) {
        (Ns::Private, Some(name)) => {
            let label = |l: &str| {
                !l.is_empty()
                    && l.len() <= 63
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                    && !l.starts_with('-')
                    && !l.ends_with('-')
            };
            if name.len() > 64 || !name.split('.').all(label) {
                return Err(Error::user(format!("read --hostname '{name}': not a host name")));
            }
            Ok(name.clone())
        }
        (_, Some(_)) => Err(Error::user("set --hostname in a UTS namespace that is not the container's own")),
        // With the host's network a container answers to the host's name, as with docker.
        (Ns::Private, None) if *network == NetMode::Host && !host.hostname.is_empty() => Ok(host.hostname.clone()),
        (Ns::Private, None) => Ok(host.id.chars().take(12).collect()),
        (_, None) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> BTreeMap<String, String> {
        [("web".to_string(), "f".repeat(64))].into()
    }

    #[test]
    fn plain_namespaces() {
        let ns = |value| parse_ns("pid", value, &ids());
        assert_eq!(ns(None).unwrap(), Ns::Private);
        assert_eq!(ns(Some("host")).unwrap(), Ns::Host);
        assert_eq!(ns(Some("container:web")).unwrap(), Ns::Container("f".repeat(64)));
        assert_eq!(ns(Some("ns:/proc/1/ns/pid")).unwrap(), Ns::Path("/proc/1/ns/pid".into()));
        for bad in ["container:", "container:nope", "ns:x", "nope", "shareable"] {
            assert!(ns(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(parse_ns("ipc", Some("shareable"), &ids()).unwrap(), Ns::Private);
    }

    #[test]
    fn user_namespaces() {
        let ns = |value| parse_userns(Some(value), &ids());
        assert_eq!(ns("keep-id").unwrap(), UserNs::KeepId { uid: None, gid: None });
        assert_eq!(ns("keep-id:uid=5,gid=6").unwrap(), UserNs::KeepId { uid: Some(5), gid: Some(6) });
        assert_eq!(ns("keep-id:gid=6").unwrap(), UserNs::KeepId { uid: None, gid: Some(6) });
        assert_eq!(ns("host").unwrap(), UserNs::Host);
        for bad in ["auto", "keep-id:uid=x", "keep-id:size=1", "nope", "container:nope", "keep-id:"] {
            assert!(ns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks() {
        let net = |value: &str| parse_network(&[value.to_string()], &ids());
        assert_eq!(parse_network(&[], &ids()).unwrap(), NetMode::Default);
        assert_eq!(net("bridge").unwrap(), NetMode::Default);
        assert_eq!(net("none").unwrap(), NetMode::None);
        assert_eq!(
            net("slirp4netns:mtu=1500,cidr=10.0.0.0/24").unwrap(),
            NetMode::Slirp4netns(vec!["mtu=1500".into(), "cidr=10.0.0.0/24".into()])
        );
        assert_eq!(net("container:web").unwrap(), NetMode::Container("f".repeat(64)));
        assert!(net("mynet").unwrap_err().to_string().contains("mynet"));
        assert!(parse_network(&["host".into(), "none".into()], &ids()).is_err());
    }

    #[test]
    fn hostnames() {
        let host = Host { id: "0123456789abcdef".into(), hostname: "box".into(), ..Host::default() };
        let mut request = RunRequest::default();
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Default, &host).unwrap(), "0123456789ab");
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Host, &host).unwrap(), "box");
        assert_eq!(hostname(&request, &Ns::Host, &NetMode::Default, &host).unwrap(), "");
        request.hostname = Some("a.b-c".into());
        assert_eq!(hostname(&request, &Ns::Private, &NetMode::Default, &host).unwrap(), "a.b-c");
        assert!(hostname(&request, &Ns::Host, &NetMode::Default, &host).is_err());
        for bad in ["", "a b", "-a", "a..b", &"x".repeat(65)] {
            request.hostname = Some(bad.into());
            assert!(hostname(&request, &Ns::Private, &NetMode::Default, &host).is_err(), "{bad}");
        }
    }
}
