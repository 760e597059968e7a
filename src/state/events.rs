//! The event log: one JSON object a line, one O_APPEND write each, so writers need no lock.

use super::paths::Paths;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;

/// Above this size the log is renamed to `events.jsonl.1`.
const MAX_SIZE: u64 = 8 << 20;

/// One thing that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// RFC 3339, nanoseconds, UTC.
    pub time: String,
    /// `container`, `image`, `volume`, `network`.
    pub kind: String,
    /// `create start die remove rename restart …` (docker's words).
    pub action: String,
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Notes an event of a container. Never fails: an unwritable log must not hinder a container.
pub fn container(paths: &Paths, action: &str, id: &str, name: &str, attributes: &[(&str, String)]) {
    note(paths, "container", action, (id, name), attributes);
}

/// The same of a network.
pub fn network(paths: &Paths, action: &str, id: &str, name: &str, attributes: &[(&str, String)]) {
    note(paths, "network", action, (id, name), attributes);
}

fn note(paths: &Paths, kind: &str, action: &str, (id, name): (&str, &str), attributes: &[(&str, String)]) {
    let attributes = attributes.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    let event =
        Event { time: now(), kind: kind.into(), action: action.into(), id: id.into(), name: name.into(), attributes };
    let _ = append(paths, &event);
}

fn append(paths: &Paths, event: &Event) -> Result<()> {
    use crate::error::Context;
    use std::os::unix::fs::OpenOptionsExt;
    let path = paths.events();
    let mut line = serde_json::to_vec(event).context("encode event")?;
    line.push(b'\n');
    let mut file =
        std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path).context("open the event log")?;
    file.write_all(&line).context("write the event log")?;
    if file.metadata().is_ok_and(|m| m.len() > MAX_SIZE) {
        let _ = std::fs::rename(&path, path.with_extension("jsonl.1"));
    }
    Ok(())
}

/// The present time as the records have it: RFC 3339, nanoseconds, UTC.
pub fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_lines() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path());
        container(&paths, "start", "ab", "web", &[]);
        container(&paths, "die", "ab", "web", &[("exitCode", "3".into())]);
        let text = std::fs::read_to_string(paths.events()).unwrap();
        let last: Event = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!((last.action.as_str(), last.attributes["exitCode"].as_str()), ("die", "3"));
        assert!(last.time.ends_with('Z') && last.time.len() == 30, "{}", last.time);
    }
}
