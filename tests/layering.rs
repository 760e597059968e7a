//! The rules of the source tree that no compiler holds: layers, unsafe code, sizes, unfinished places.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layers from low to high; modules of one set do not use each other. `error` and `hello` are free for all.
const LAYERS: &[&[&str]] = &[
    &["sys"],
    &["state", "userns"],
    &["stage", "spec"],
    &["runtime", "net", "image", "volume"],
    &["monitor", "registry"],
    &["engine"],
    &["build"],
    &["cli"],
];
const FREE: &[&str] = &["error", "hello"];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    walk(&common::source().join("src"), &mut found);
    assert!(found.len() > 30, "sources not found");
    found
}

fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((path.strip_prefix(common::source()).unwrap().into(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A line without its comment; text in string literals is kept, so write needles in parts.
fn code(line: &str) -> &str {
    let end = line.match_indices("//").find(|(i, _)| !line[..*i].ends_with(':')).map(|(i, _)| i);
    &line[..end.unwrap_or(line.len())]
}

fn module(path: &Path) -> String {
    let name = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    name.trim_end_matches(".rs").to_string()
}

/// Names that follow each `crate::` of a line, braces included: `crate::{a, b::c}` gives a and b.
fn uses(text: &str) -> Vec<String> {
    let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        if text[..at].ends_with(word) {
            continue;
        }
        let rest = &text[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(ident(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    names.push(ident(group[start..i].trim_start()));
                    start = i + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

#[test]
fn modules_use_lower_layers_only() {
    let level: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(i, set)| set.iter().map(move |m| (*m, i))).collect();
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        if ["lib", "main"].contains(&own.as_str()) || own == "hello" {
            continue; // hello's program is a crate of its own
        }
        if FREE.contains(&own.as_str()) {
            let others = uses(&text).into_iter().filter(|n| level.contains_key(n.as_str()));
            faults.extend(others.map(|n| format!("{}: {own} uses {n}", path.display())));
            continue;
        }
        let Some(mine) = level.get(own.as_str()) else {
            faults.push(format!("{}: module {own} is not in the table of layers", path.display()));
            continue;
        };
        for name in uses(&text.lines().map(code).collect::<Vec<_>>().join("\n")) {
            if level.get(name.as_str()).is_some_and(|theirs| name != own && theirs >= mine) {
                faults.push(format!("{}: {own} uses {name}", path.display()));
            }
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "against the layers of contrib/ARCHITECTURE.md:\n{}", faults.join("\n"));
}

#[test]
fn unsafe_code_is_in_sys_only() {
    let word = concat!("uns", "afe");
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let is_word = |line: &str| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == word);
        for (n, line) in text.lines().enumerate() {
            if is_word(code(line)) && module(&path) != "sys" {
                faults.push(format!("{}:{}: {}", path.display(), n + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "outside of src/sys:\n{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_finished() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimple", "mented!"), concat!("to", "do!(")];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 800 {
            faults.push(format!("{} has {lines} lines; 800 is the limit", path.display()));
        }
        for (n, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|m| line.contains(**m)) {
                faults.push(format!("{}:{}: {mark}", path.display(), n + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn finds_uses_in_groups() {
    assert_eq!(
        uses("use crate::{a, b::{c, d}, e};\nuse crate::f::g; x(crate::h()) $crate::z"),
        ["a", "b", "e", "f", "h"]
    );
}
