//! `--filter` of networks.

use crate::engine::inspect::Entry;
use crate::error::{Error, Result};
use crate::net::networks::Network;
use crate::spec::units::{parse_bool, parse_time};
use jiff::Timestamp;

/// Parsed filters: those with the same key are alternatives (but for labels), different keys add up.
#[derive(Debug, Default)]
pub struct Filters(Vec<(String, String, Test)>);

#[derive(Debug)]
enum Test {
    Text,
    Flag(bool),
    Before(Timestamp),
}

/// Parses `KEY=VALUE` texts.
pub fn parse(texts: &[String]) -> Result<Filters> {
    let mut filters = Filters::default();
    for text in texts {
        let bad = || {
            Error::user(format!("read --filter '{text}'")).hint("name, id, label, driver, scope, dangling, type, until")
        };
        let (key, value) = match text.split_once("!=") {
            Some(("label", value)) => ("label!", value),
            _ => text.split_once('=').ok_or_else(bad)?,
        };
        let test = match key {
            "dangling" => Test::Flag(parse_bool(value).map_err(|_| bad())?),
            "until" => Test::Before(parse_time(value, Timestamp::now()).map_err(|_| bad())?),
            "type" if matches!(value, "custom" | "builtin") => Test::Text,
            "name" | "id" | "label" | "label!" | "driver" | "scope" => Test::Text,
            _ => return Err(bad()),
        };
        filters.0.push((key.to_string(), value.to_string(), test));
    }
    Ok(filters)
}

impl Filters {
    /// For a network of the user's that no container is on.
    pub fn match_unused(&self, network: &Network) -> bool {
        self.matches(&Entry { network: network.clone(), driver: "bridge", builtin: false, members: Vec::new() })
    }

    pub fn matches(&self, entry: &Entry) -> bool {
        self.0.iter().all(|(key, ..)| {
            let mut same = self.0.iter().filter(|(k, ..)| k == key);
            match key.starts_with("label") {
                true => same.all(|f| passes(f, entry)),
                false => same.any(|f| passes(f, entry)),
            }
        })
    }
}

fn passes((key, value, test): &(String, String, Test), entry: &Entry) -> bool {
    let network = &entry.network;
    let labelled = || match value.split_once('=') {
        Some((key, value)) => network.labels.get(key).is_some_and(|v| v == value),
        None => network.labels.contains_key(value),
    };
    match (key.as_str(), test) {
        ("name", _) => network.name.contains(value.as_str()),
        ("id", _) => network.id.starts_with(value.as_str()),
        ("label", _) => labelled(),
        ("label!", _) => !labelled(),
        ("driver", _) => entry.driver == value,
        ("scope", _) => value == "local",
        ("type", _) => entry.builtin == (value == "builtin"),
        (_, Test::Flag(wanted)) => *wanted == (entry.members.is_empty() && !entry.builtin),
        (_, Test::Before(time)) => network.created.parse::<Timestamp>().is_ok_and(|t| t < *time),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let labels = [("a".to_string(), "1".to_string())].into();
        let network = Network { name: "front".into(), id: "abc".into(), labels, ..Network::default() };
        let entry = Entry { network, driver: "bridge", builtin: false, members: vec!["x".into()] };
        let shown = |texts: &[&str]| {
            parse(&texts.iter().map(|t| (*t).to_string()).collect::<Vec<_>>()).unwrap().matches(&entry)
        };
        assert!(shown(&[]) && shown(&["name=ron", "name=zz", "label=a"]) && shown(&["id=ab", "type=custom"]));
        assert!(!shown(&["label=a", "label=b"]) && !shown(&["dangling=true"]) && !shown(&["label!=a"]));
        for bad in ["x", "nope=1", "dangling=maybe", "type=odd"] {
            assert!(parse(&[bad.to_string()]).is_err(), "{bad}");
        }
    }
}
