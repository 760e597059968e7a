//! Go's `filepath.Match`, as COPY, ADD and ignore files use it.

use crate::error::{Error, Result};

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    /// `?`: any character but `/`.
    One,
    /// `*`: any number of characters but `/`.
    Many,
    /// `[a-z]`, `[^a]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**`: anything. With `slash` it stands for whole components and their `/`.
    Deep {
        slash: bool,
    },
}

/// A pattern for one path relative to some root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    pieces: Vec<Piece>,
}

impl Glob {
    /// Reads a pattern. With `deep`, `**` crosses directories (ignore files, `--exclude`, `COPY --parents`).
    pub fn new(pattern: &str, deep: bool) -> Result<Glob> {
        let bad = || Error::user(format!("read pattern '{pattern}': syntax error"));
        let mut pieces = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' if deep && chars.peek() == Some(&'*') => {
                    while chars.next_if_eq(&'*').is_some() {}
                    let slash = chars.next_if_eq(&'/').is_some();
                    Piece::Deep { slash }
                }
                '*' => {
                    while chars.next_if_eq(&'*').is_some() {}
                    Piece::Many
                }
                '?' => Piece::One,
                '[' => class(&mut chars).ok_or_else(bad)?,
                '\\' => Piece::Char(chars.next().ok_or_else(bad)?),
                c => Piece::Char(c),
            });
        }
        Ok(Glob { pieces })
    }

    /// Whether there is nothing to match in it.
    pub fn has_meta(pattern: &str) -> bool {
        pattern.contains(['*', '?', '[', '\\'])
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        let n = self.pieces.len();
        let mut state = vec![false; n + 1];
        state[0] = true;
        // A `**/` may only be left at the start of a component.
        let close = |state: &mut Vec<bool>, at_start: bool| {
            for i in 0..n {
                let skip = match &self.pieces[i] {
                    Piece::Many | Piece::Deep { slash: false } => true,
                    Piece::Deep { slash: true } => at_start,
                    _ => false,
                };
                if state[i] && skip {
                    state[i + 1] = true;
                }
            }
        };
        close(&mut state, true);
        for c in path.chars() {
            let mut next = vec![false; n + 1];
            for i in (0..n).filter(|i| state[*i]) {
                match &self.pieces[i] {
                    Piece::Deep { .. } => next[i] = true,
                    Piece::Many => next[i] |= c != '/',
                    Piece::One => next[i + 1] |= c != '/',
                    Piece::Char(p) => next[i + 1] |= *p == c,
                    Piece::Class { negated, ranges } => {
                        let inside = ranges.iter().any(|(a, b)| (*a..=*b).contains(&c));
                        next[i + 1] |= c != '/' && inside != *negated;
                    }
                }
            }
            close(&mut next, c == '/');
            state = next;
        }
        state[n]
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Piece> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if chars.peek() == Some(&']') && !ranges.is_empty() {
            chars.next();
            return Some(Piece::Class { negated, ranges });
        }
        let low = member(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { member(chars)? } else { low };
        ranges.push((low, high));
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_as_go_does() {
        // From Go's own table.
        for (pattern, path, want) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("*x", "xxx", true),
            ("**", "a/b", false),
        ] {
            assert_eq!(Glob::new(pattern, false).unwrap().matches(path), want, "{pattern} {path}");
        }
        for bad in ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "a[", "\\"] {
            assert!(Glob::new(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn double_stars_cross_directories() {
        for (pattern, path, want) in [
            ("**", "a/b", true),
            ("**/c", "c", true),
            ("**/c", "a/b/c", true),
            ("**/c", "a/bc", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/x/y/c", true),
            ("**/*.go", "x/y.go", true),
            ("a**c", "a/x/c", true),
        ] {
            assert_eq!(Glob::new(pattern, true).unwrap().matches(path), want, "{pattern} {path}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[a*?/\\[\\]^\\-\\\\é]{0,30}", path in "[a/é]{0,30}", deep: bool) {
            if let Ok(glob) = Glob::new(&pattern, deep) {
                glob.matches(&path);
            }
        }
    }
}
