//! The paths of the host that a pattern matches, for `--mount type=glob`.

use crate::error::{Error, Result};

/// Most matches of a pattern: each becomes a mount.
const MOST: usize = 1000;

/// The absolute paths that match the absolute `pattern`, sorted. `*` and `?` stand for what has no slash, `[a-z]` and
/// `[^a-z]` for one character, a backslash takes the meaning from the next one; a leading dot has to be written (glob(7)).
pub fn paths(pattern: &str) -> Result<Vec<String>> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let wild = part.contains(['*', '?', '[', '\\']);
        let mut next = Vec::new();
        for dir in found {
            if !wild {
                let path = format!("{dir}/{part}");
                next.extend(std::fs::symlink_metadata(&path).is_ok().then_some(path));
                continue;
            }
            let place = if dir.is_empty() { "/" } else { &dir };
            // What can't be read has no matches.
            for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                if let Ok(name) = entry.file_name().into_string()
                    && (!name.starts_with('.') || part.starts_with('.'))
                    && fits(&part.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
                {
                    next.push(format!("{dir}/{name}"));
                }
            }
            if next.len() > MOST {
                return Err(Error::user(format!("match {pattern}: more than {MOST} files do")));
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    // Where to go on when a star has to take one character more: linear in memory, and no recursion to exhaust.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let one = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(pattern, p, name[n]),
            Some('\\') if p + 1 < pattern.len() => (pattern[p + 1] == name[n]).then_some(p + 2),
            Some(c) => (*c == name[n]).then_some(p + 1),
            None => None,
        };
        match (one, star) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The place after the class that begins at `at`, if `c` is in it. One that does not end stands for a bracket.
fn class(pattern: &[char], at: usize, c: char) -> Option<usize> {
    let negated = matches!(pattern.get(at + 1), Some('^' | '!'));
    let first = at + 1 + usize::from(negated);
    let Some(end) = (first + 1..pattern.len()).find(|i| pattern[*i] == ']') else {
        return (c == '[').then_some(at + 1);
    };
    let (mut i, mut is_in) = (first, false);
    while i < end {
        let last = if pattern.get(i + 1) == Some(&'-') && i + 2 < end { i + 2 } else { i };
        is_in |= (pattern[i]..=pattern[last]).contains(&c);
        i = last + 1;
    }
    (is_in != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fit = |p: &str, n: &str| fits(&p.chars().collect::<Vec<_>>(), &n.chars().collect::<Vec<_>>());
        for (pattern, name, want) in [
            ("lib*.so", "libc.so", true),
            ("lib*.so", "libc.so.6", false),
            ("lib*.so*", "libc.so.6", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(fit(pattern, name), want, "{pattern} {name}");
        }
        assert!(!fit(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn finds_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        assert_eq!(paths(&at("*.conf")).unwrap(), [at("a.conf"), at("b.conf")]);
        assert!(paths(&at("none*")).unwrap().is_empty());
        assert_eq!(paths(&at("c.txt")).unwrap(), [at("c.txt")]);
    }
}
