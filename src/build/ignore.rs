//! `.dockerignore`: which paths of a context do not exist for a build.
//!
//! The rules are those of moby's `patternmatcher`: every line is cleaned, `!` takes a path back in, the last match
//! wins, and a pattern that matches a directory matches all below it.

use super::glob::Glob;
use crate::error::{Context, Result};

/// Largest ignore file, in bytes.
pub const MAX_IGNORE: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    glob: Glob,
    /// `!`: back in.
    include: bool,
    /// The pattern itself, cleaned.
    text: String,
}

/// The rules of one ignore file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

impl Ignore {
    /// Reads an ignore file's text.
    pub fn parse(text: &str) -> Result<Ignore> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A comment is only one in the first column.
        Ignore::new(text.lines().filter(|l| !l.starts_with('#')).map(str::trim))
    }

    /// Patterns as they are (`--exclude`).
    pub fn new<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<Ignore> {
        let mut rules = Vec::new();
        for line in patterns.filter(|l| !l.is_empty()) {
            let (include, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let text = clean(pattern);
            if text.is_empty() || text == "." {
                continue;
            }
            let glob = Glob::new(&text, true).with_context(|| format!("read ignore rule '{line}'"))?;
            rules.push(Rule { glob, include, text });
        }
        Ok(Ignore { rules })
    }

    /// The rules as lines that [`Ignore::new`] reads.
    pub fn lines(&self) -> Vec<String> {
        self.rules.iter().map(|r| format!("{}{}", if r.include { "!" } else { "" }, r.text)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `path` (relative, without `.` and `..`) is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let parents: Vec<&str> = path.match_indices('/').map(|(i, _)| &path[..i]).collect();
        let mut out = false;
        for rule in &self.rules {
            // Only a rule that changes something is worth asking.
            if rule.include == out && (rule.glob.matches(path) || parents.iter().any(|p| rule.glob.matches(p))) {
                out = !rule.include;
            }
        }
        out
    }

    /// Whether something below the excluded directory `dir` may be taken back in, so that it has to be read.
    pub fn may_include_below(&self, dir: &str) -> bool {
        self.rules.iter().filter(|r| r.include).any(|r| {
            let (mut ours, mut theirs) = (dir.split('/'), r.text.split('/'));
            loop {
                match (ours.next(), theirs.next()) {
                    (None, _) => return true,
                    (Some(_), None) => return false,
                    (Some(_), Some(t)) if t.contains("**") => return true,
                    (Some(o), Some(t)) if !Glob::new(t, true).is_ok_and(|g| g.matches(o)) => return false,
                    _ => {}
                }
            }
        })
    }
}

/// Go's `filepath.Clean` without a leading `/`.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn last_match_wins() {
        let ignore = Ignore::parse(
            "\u{feff}# comment\n  # no comment\n*.md\n!README*.md\nREADME-secret.md\n\n/abs\n./rel/\na/../b\nnode_modules\n!node_modules/keep\n**/*.o\ntmp?\n",
        )
        .unwrap();
        for (path, want) in [
            ("x.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("docs/x.md", false),
            ("abs", true),
            ("abs/below", true),
            ("sub/abs", false),
            ("rel/x", true),
            ("b", true),
            ("a", false),
            ("# no comment", true),
            ("node_modules/x/y", true),
            ("node_modules/keep/y", false),
            ("deep/er/x.o", true),
            ("x.o", true),
            ("tmp1", true),
            ("tmp", false),
        ] {
            assert_eq!(ignore.excludes(path), want, "{path}");
        }
        assert!(ignore.may_include_below("node_modules"));
        assert!(!ignore.may_include_below("rel"));
        assert!(Ignore::parse("[").is_err());
        assert!(Ignore::parse("!\n.\n/\n\n").unwrap().is_empty());
    }

    #[test]
    fn everything_but() {
        let ignore = Ignore::parse("*\n!src/**/*.rs\n!Cargo.toml\n").unwrap();
        assert!(ignore.excludes("target") && ignore.excludes("src") && ignore.excludes("src/x.txt"));
        assert!(!ignore.excludes("src/a/b.rs") && !ignore.excludes("Cargo.toml"));
        assert!(ignore.may_include_below("src") && ignore.may_include_below("src/a"));
        assert!(!ignore.may_include_below("target"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a!*?/\\[\\].#\n -]{0,60}", path in "[a/.]{0,20}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                ignore.excludes(&path);
                ignore.may_include_below(&path);
            }
        }
    }
}
