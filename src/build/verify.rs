//! `--verify`: how two builds of the same Dockerfile differ.

use super::solve::Built;
use crate::error::{Context, Result};
use crate::image::tar::{Entry, Kind, TarReader};
use crate::image::{Decoder, Store, StoredLayer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

/// Differences that are told of one layer; more of the same kind do not help.
const MOST: usize = 100;

/// What a layer has at a path: its entry, and the hash of its content.
type Files = BTreeMap<Vec<u8>, (Entry, [u8; 32])>;

/// One line for each difference; none for equal builds.
pub fn differences(store: &Store, first: &Built, second: &Built) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let json = |built: &Built| serde_json::to_value(&built.config).context("encode the image config");
    compare_json("config", &json(first)?, &json(second)?, &mut lines);
    for n in 0..first.layers.len().max(second.layers.len()) {
        match (first.layers.get(n), second.layers.get(n)) {
            (Some(a), Some(b)) if a.diff_id == b.diff_id => {}
            (Some(a), Some(b)) => {
                let step = step_of(first, n);
                let found = compare(&files(store, a)?, &files(store, b)?);
                if found.is_empty() {
                    lines.push(format!("layer {}: the order of its entries differs ({step})", n + 1));
                }
                let more = found.len().saturating_sub(MOST);
                lines.extend(found.into_iter().take(MOST).map(|line| format!("layer {}: {line} ({step})", n + 1)));
                if more > 0 {
                    lines.push(format!("layer {}: {more} further differences ({step})", n + 1));
                }
            }
            (Some(_), None) => lines.push(format!("layer {}: only the first build has it", n + 1)),
            (None, _) => lines.push(format!("layer {}: only the second build has it", n + 1)),
        }
    }
    Ok(lines)
}

/// What the history says of the n-th layer.
fn step_of(built: &Built, layer: usize) -> String {
    let step = built.config.history.iter().filter(|h| !h.empty_layer).nth(layer);
    let text = step.map_or("", |h| h.created_by.lines().next().unwrap_or_default());
    text.chars().take(60).collect()
}

fn files(store: &Store, layer: &StoredLayer) -> Result<Files> {
    let path = store.blob(&layer.digest);
    let blob = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let mut tar = TarReader::new(BufReader::with_capacity(256 << 10, Decoder::new(blob)?));
    let mut files = Files::new();
    while tar.next_entry()?.is_some() {
        let mut hash = Sha256::new();
        while tar.data(|piece| {
            hash.update(piece);
            Ok(())
        })? {}
        files.insert(tar.entry().path.clone(), (tar.entry().clone(), hash.finalize().into()));
    }
    Ok(files)
}

fn compare(first: &Files, second: &Files) -> Vec<String> {
    let mut lines = Vec::new();
    let name = |path: &[u8]| format!("/{}", String::from_utf8_lossy(path).trim_matches('/').escape_debug());
    for (path, (a, content)) in first {
        let Some((b, other)) = second.get(path) else {
            lines.push(format!("{}: only the first build has it", name(path)));
            continue;
        };
        let mut what = Vec::new();
        let mut field = |label: &str, a: String, b: String| {
            if a != b {
                what.push(format!("{label} {a} → {b}"));
            }
        };
        field("type", kind(a.kind).into(), kind(b.kind).into());
        field("mode", format!("{:04o}", a.mode), format!("{:04o}", b.mode));
        field("owner", format!("{}:{}", a.uid, a.gid), format!("{}:{}", b.uid, b.gid));
        field("time", time(a), time(b));
        let target = |e: &Entry| String::from_utf8_lossy(&e.link).escape_debug().to_string();
        field("target", target(a), target(b));
        field("device", format!("{}:{}", a.major, a.minor), format!("{}:{}", b.major, b.minor));
        field("size", a.size.to_string(), b.size.to_string());
        if a.xattrs != b.xattrs {
            what.push("extended attributes".into());
        }
        if content != other {
            what.push("content".into());
        }
        if !what.is_empty() {
            lines.push(format!("{}: {}", name(path), what.join(", ")));
        }
    }
    let new = second.keys().filter(|path| !first.contains_key(*path));
    lines.extend(new.map(|path| format!("{}: only the second build has it", name(path))));
    lines
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Regular => "file",
        Kind::Link => "hard link",
        Kind::Symlink => "symlink",
        Kind::Char => "character device",
        Kind::Block => "block device",
        Kind::Directory => "directory",
        Kind::Fifo => "fifo",
    }
}

fn time(entry: &Entry) -> String {
    match jiff::Timestamp::new(entry.mtime.secs, entry.mtime.nanos.cast_signed()) {
        Ok(time) => time.to_string(),
        Err(_) => entry.mtime.secs.to_string(),
    }
}

/// Values that differ, by their place; lists as a whole.
fn compare_json(place: &str, first: &Value, second: &Value, lines: &mut Vec<String>) {
    match (first, second) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let none = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                compare_json(&format!("{place}.{key}"), a, b, lines);
            }
        }
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{place}: {a} → {b}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tar::Time;

    #[test]
    fn entries_are_compared_field_by_field() {
        let entry = Entry { path: b"a/b".to_vec(), mode: 0o644, ..Entry::default() };
        let file = |entry: &Entry, hash: u8| (entry.path.clone(), (entry.clone(), [hash; 32]));
        let first = Files::from([file(&entry, 1)]);
        assert!(compare(&first, &first).is_empty());
        let other = Entry { mode: 0o4755, uid: 5, mtime: Time { secs: 1, nanos: 0 }, size: 3, ..entry.clone() };
        let new = Entry { path: b"./new\n".to_vec(), ..Entry::default() };
        let second = Files::from([file(&other, 2), file(&new, 0)]);
        assert_eq!(
            compare(&first, &second),
            [
                "/a/b: mode 0644 → 4755, owner 0:0 → 5:0, time 1970-01-01T00:00:00Z → 1970-01-01T00:00:01Z, size 0 → 3, content",
                "/./new\\n: only the second build has it",
            ]
        );
        assert_eq!(
            compare(&second, &first).last().unwrap(),
            "/a/b: mode 4755 → 0644, owner 5:0 → 0:0, time 1970-01-01T00:00:01Z → 1970-01-01T00:00:00Z, size 3 → 0, content"
        );
        let mut lines = Vec::new();
        let (a, b) = (serde_json::json!({"a": {"b": 1, "c": 2}}), serde_json::json!({"a": {"b": 1, "d": [1]}}));
        compare_json("config", &a, &b, &mut lines);
        assert_eq!(lines, ["config.a.c: 2 → null", "config.a.d: null → [1]"]);
    }
}
