//! `--filter` of containers, with the keys of docker and podman.

use super::Ctx;
use crate::error::{Error, Result};
use crate::monitor::stop_wished;
use crate::net::networks;
use crate::spec::model::{MountKind, NetMode, Spec};
use crate::spec::units;
use crate::state::container::{Config, PortMapping, Restart, Status};
use crate::state::containers::{self, Container};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Parsed filters: values of one key are alternatives (those of `label` all have to fit), keys all have to fit.
#[derive(Debug, Default)]
pub struct Filters {
    tests: BTreeMap<&'static str, Vec<Test>>,
}

#[derive(Debug)]
enum Test {
    Id(String),
    Name(Pattern),
    Label(String, Option<String>),
    NoLabel(String, Option<String>),
    Exited(i32),
    Status(Vec<Status>),
    Ancestor(String),
    Before(String),
    Since(String),
    Volume(String),
    Network(String),
    Publish(u16, Option<String>),
    Expose(u16, Option<String>),
    Until(Timestamp),
    Policy(String),
    /// Its policy brings it back after a boot, and the user has not stopped it where that counts.
    Boot(bool),
    Command(String),
    /// Nothing has it yet (`health`, `pod`).
    Never,
    Always,
}

const KEYS: &[&str] = &[
    "id",
    "name",
    "label",
    "label!",
    "exited",
    "status",
    "ancestor",
    "before",
    "since",
    "volume",
    "network",
    "publish",
    "expose",
    "until",
    "restart-policy",
    "should-start-on-boot",
    "command",
    "health",
    "pod",
    "is-task",
];

impl Filters {
    /// Parses `key=value` texts. Relative times count from now; `before` and `since` name containers that exist.
    pub fn parse(ctx: &Ctx, texts: &[String]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let bad = |why: &str| Error::user(format!("read filter '{text}': {why}"));
            let (key, value) = split(text).ok_or_else(|| bad("it is no KEY=VALUE"))?;
            let key = KEYS
                .iter()
                .find(|k| **k == key)
                .ok_or_else(|| bad("unknown key").hint(format!("one of {}", KEYS.join(", "))))?;
            let test = test(ctx, key, value).map_err(|e| e.context(format!("read filter '{text}'")))?;
            filters.tests.entry(key).or_default().push(test);
        }
        Ok(filters)
    }

    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether the container passes.
    pub fn matches(&self, ctx: &Ctx, container: &Container) -> bool {
        // Read at most once, and only by filters that need it.
        let spec = std::cell::OnceCell::new();
        let load = || spec.get_or_init(|| containers::load_spec::<Spec>(&ctx.paths, &container.id).unwrap_or_default());
        self.tests.iter().all(|(key, tests)| match *key {
            "label" | "label!" => tests.iter().all(|t| t.matches(container, &load)),
            _ => tests.iter().any(|t| t.matches(container, &load)),
        })
    }
}

/// `label!=x` is the key `label!`.
fn split(text: &str) -> Option<(&str, &str)> {
    match text.split_once("!=") {
        Some(("label", value)) => Some(("label!", value)),
        _ => text.split_once('='),
    }
}

fn test(ctx: &Ctx, key: &str, value: &str) -> Result<Test> {
    let pair = || match value.split_once('=') {
        Some((k, v)) => (k.to_string(), Some(v.to_string())),
        None => (value.to_string(), None),
    };
    Ok(match key {
        "id" => Test::Id(value.to_ascii_lowercase()),
        "name" => Test::Name(Pattern::new(value)),
        "label" => Test::Label(pair().0, pair().1),
        "label!" => Test::NoLabel(pair().0, pair().1),
        "exited" => Test::Exited(value.parse().map_err(|_| Error::user(format!("'{value}' is no exit code")))?),
        "status" => Test::Status(statuses(value)?),
        "ancestor" => Test::Ancestor(value.to_string()),
        "before" => Test::Before(created(ctx, value)?),
        "since" => Test::Since(created(ctx, value)?),
        "volume" => Test::Volume(value.to_string()),
        // An id stands for its network.
        "network" => Test::Network(networks::resolve(&ctx.paths, value).map_or(value.to_string(), |n| n.name)),
        "publish" => port(value).map(|(p, proto)| Test::Publish(p, proto))?,
        "expose" => port(value).map(|(p, proto)| Test::Expose(p, proto))?,
        "until" => Test::Until(units::parse_time(value, Timestamp::now())?),
        "restart-policy" => Test::Policy(value.to_string()),
        "should-start-on-boot" => match value {
            "true" => Test::Boot(true),
            "false" => Test::Boot(false),
            _ => return Err(Error::user("its value is true or false")),
        },
        "command" => Test::Command(value.to_string()),
        "is-task" => {
            if value == "false" {
                Test::Always
            } else {
                Test::Never
            }
        }
        _ => {
            if value == "none" {
                Test::Always
            } else {
                Test::Never
            }
        }
    })
}

fn statuses(value: &str) -> Result<Vec<Status>> {
    Ok(match value {
        "created" | "configured" | "initialized" => vec![Status::Created],
        "running" => vec![Status::Running],
        "paused" => vec![Status::Paused],
        "restarting" => vec![Status::Restarting],
        "stopping" => vec![Status::Stopping],
        "exited" | "stopped" => vec![Status::Exited],
        "removing" | "dead" => vec![],
        _ => {
            return Err(Error::user(format!("'{value}' is no status"))
                .hint("created, running, paused, restarting, stopping, exited"));
        }
    })
}

fn created(ctx: &Ctx, text: &str) -> Result<String> {
    let id = containers::resolve(&ctx.paths, text)?;
    Ok(containers::load(&ctx.paths, &id)?.config.created)
}

fn port(value: &str) -> Result<(u16, Option<String>)> {
    let (number, protocol) = match value.split_once('/') {
        Some((n, p)) => (n, Some(p.to_string())),
        None => (value, None),
    };
    let number = number.parse().map_err(|_| Error::user(format!("'{value}' is no port")))?;
    Ok((number, protocol))
}

impl Test {
    fn matches<'a>(&self, c: &Container, spec: &impl Fn() -> &'a Spec) -> bool {
        let has = |key: &String, value: &Option<String>| match (c.config.labels.get(key), value) {
            (Some(have), Some(want)) => have == want,
            (have, None) => have.is_some(),
            (None, Some(_)) => false,
        };
        match self {
            Test::Id(prefix) => c.id.starts_with(prefix.as_str()),
            Test::Name(pattern) => pattern.matches(&c.name),
            Test::Label(key, value) => has(key, value),
            Test::NoLabel(key, value) => !has(key, value),
            Test::Exited(code) => c.state.status == Status::Exited && c.state.exit_code == *code,
            Test::Status(any) => any.contains(&c.state.status),
            Test::Ancestor(image) => made_from(&c.config, image),
            Test::Before(time) => c.config.created < *time,
            Test::Since(time) => c.config.created > *time,
            Test::Volume(what) => spec().mounts.iter().any(|m| {
                let source = match &m.kind {
                    MountKind::Volume { name, .. } => name.as_str(),
                    MountKind::Bind { source } => source.as_str(),
                    _ => "",
                };
                source == what || m.destination == *what
            }),
            Test::Network(name) => match &spec().network.mode {
                NetMode::Networks(endpoints) => endpoints.iter().any(|e| e.network == *name),
                mode => network_name(mode) == *name,
            },
            Test::Publish(port, protocol) => c.state.network.ports.iter().any(|p| published(p, *port, protocol)),
            Test::Expose(port, protocol) => {
                let wanted = |text: &String| {
                    let (number, proto) = text.split_once('/').unwrap_or((text, "tcp"));
                    number.parse() == Ok(*port) && protocol.as_deref().is_none_or(|p| p == proto)
                };
                c.config.exposed_ports.iter().any(wanted)
                    || c.state
                        .network
                        .ports
                        .iter()
                        .any(|p| p.container_port == *port && protocol.as_deref().is_none_or(|want| want == p.protocol))
            }
            Test::Until(time) => c.config.created.parse::<Timestamp>().is_ok_and(|t| t < *time),
            Test::Policy(name) => policy_name(&c.config.restart) == *name,
            Test::Boot(wanted) => {
                let comes_back = match c.config.restart {
                    Restart::Always => true,
                    Restart::UnlessStopped => !stop_wished(&c.dir),
                    _ => false,
                };
                comes_back == *wanted
            }
            Test::Command(name) => c.config.command.first() == Some(name),
            Test::Never => false,
            Test::Always => true,
        }
    }
}

fn published(mapping: &PortMapping, port: u16, protocol: &Option<String>) -> bool {
    (mapping.host_port == port || mapping.container_port == port)
        && protocol.as_deref().is_none_or(|p| p == mapping.protocol)
}

/// Name with or without tag, or the beginning of the id.
fn made_from(config: &Config, image: &str) -> bool {
    let tagless = |name: &str| {
        let end = name.rfind(':').filter(|colon| !name[*colon..].contains('/')).unwrap_or(name.len());
        name[..end].to_string()
    };
    let id = image.strip_prefix("sha256:").unwrap_or(image);
    let names = [&config.image, &config.image_ref];
    names.iter().any(|n| n.as_str() == image || tagless(n) == image || n.ends_with(&format!("/{image}")))
        || names.iter().any(|n| tagless(n).ends_with(&format!("/{image}")))
        || (id.len() >= 3 && config.image_id.starts_with(id))
}

/// What `ps` and `inspect` call the network mode.
pub fn network_name(mode: &NetMode) -> String {
    match mode {
        NetMode::Default => "bridge".into(),
        NetMode::None => "none".into(),
        NetMode::Host => "host".into(),
        NetMode::Slirp4netns(_) => "slirp4netns".into(),
        NetMode::Pasta(_) => "pasta".into(),
        NetMode::Container(id) => format!("container:{id}"),
        NetMode::Path(path) => format!("ns:{path}"),
        NetMode::Networks(endpoints) => endpoints.iter().map(|e| e.network.as_str()).collect::<Vec<_>>().join(","),
    }
}

/// `no`, `always`, `unless-stopped`, `on-failure`.
pub fn policy_name(policy: &Restart) -> &'static str {
    match policy {
        Restart::No => "no",
        Restart::Always => "always",
        Restart::UnlessStopped => "unless-stopped",
        Restart::OnFailure(_) => "on-failure",
    }
}

/// The part of regular expressions that name filters are used with: `^`, `$`, `.*`, `\.` and plain text; a leading
/// slash is docker's.
#[derive(Debug)]
struct Pattern {
    head: bool,
    tail: bool,
    /// Parts between `.*`.
    parts: Vec<String>,
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        let (head, text) = text.strip_prefix('^').map_or((false, text), |t| (true, t));
        let (tail, text) = text.strip_suffix('$').map_or((false, text), |t| (true, t));
        let text = text.strip_prefix('/').unwrap_or(text);
        let parts = text.split(".*").map(|part| part.replace("\\.", ".").replace("\\-", "-")).collect();
        Pattern { head, tail, parts }
    }

    fn matches(&self, name: &str) -> bool {
        let mut rest = name;
        let last = self.parts.len() - 1;
        for (index, part) in self.parts.iter().enumerate() {
            let (first, end) = (index == 0, index == last);
            rest = match (self.head && first, self.tail && end) {
                (true, true) => return rest == part,
                (true, false) => match rest.strip_prefix(part.as_str()) {
                    Some(rest) => rest,
                    None => return false,
                },
                (false, true) => return rest.ends_with(part.as_str()),
                (false, false) => match rest.find(part.as_str()) {
                    Some(at) => &rest[at + part.len()..],
                    None => return false,
                },
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::paths::Paths;

    fn ctx() -> (tempfile::TempDir, Ctx) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
        (dir, Ctx { paths })
    }

    #[test]
    fn names_are_patterns() {
        for (pattern, name, want) in [
            ("web", "my-web-1", true),
            ("^web", "my-web-1", false),
            ("^web$", "web", true),
            ("^/web$", "web", true),
            ("^web$", "web2", false),
            ("1$", "web-1", true),
            ("^my.*1$", "my-web-1", true),
            ("^my.*2$", "my-web-1", false),
            ("a\\.b", "xa.by", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn keys_are_anded_and_values_ored() {
        let (_dir, ctx) = ctx();
        let id = containers::new_id().unwrap();
        let labels = [("a".to_string(), "1".to_string()), ("b".to_string(), String::new())].into();
        let config = Config {
            id: id.clone(),
            created: "2026-01-02T00:00:00Z".into(),
            image: "debian".into(),
            image_ref: "docker.io/library/debian:latest".into(),
            labels,
            command: vec!["sh".into()],
            ..Config::default()
        };
        containers::create(&ctx.paths, &config, &Spec::default(), Some("web")).unwrap();
        let container = containers::load(&ctx.paths, &id).unwrap();
        let run = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|t| t.to_string()).collect();
            Filters::parse(&ctx, &texts).map(|f| f.matches(&ctx, &container))
        };
        for (texts, want) in [
            (&["name=web", "status=created"][..], true),
            (&["name=web", "status=running"], false),
            (&["status=running", "status=created"], true),
            (&["label=a", "label=b"], true),
            (&["label=a=1", "label=c"], false),
            (&["label!=c"], true),
            (&["label!=a"], false),
            (&["ancestor=debian"], true),
            (&["ancestor=docker.io/library/debian"], true),
            (&["ancestor=deb"], false),
            (&["until=2026-02-01T00:00:00Z"], true),
            (&["until=2025-02-01T00:00:00Z"], false),
            (&["exited=0"], false),
            (&["restart-policy=no", "command=sh", "network=bridge"], true),
            (&["volume=x"], false),
            (&["should-start-on-boot=true"], false),
            (&["should-start-on-boot=false"], true),
        ] {
            assert_eq!(run(texts).unwrap(), want, "{texts:?}");
        }
        let e = run(&["colour=red"]).unwrap_err();
        assert!(e.hint.is_some() && e.exit_code() == 125);
        assert!(run(&["nothing"]).is_err() && run(&["before=nosuch"]).is_err() && run(&["exited=x"]).is_err());
        assert!(run(&["should-start-on-boot=perhaps"]).is_err());
    }
}
