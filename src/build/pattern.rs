//! Patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` and `?`, with `\` taking their meaning away.

enum Part {
    Char(char),
    Any,
    Star,
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Part::Star,
            '?' => Part::Any,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    out
}

/// How many characters from the start of `text` the pattern can cover: all possible numbers, ascending.
fn ends(pattern: &[Part], text: &[char]) -> Vec<usize> {
    // The positions in the pattern that are reachable after each character; linear in both lengths.
    let close = |state: &mut Vec<bool>| {
        for i in 0..pattern.len() {
            if state[i] && matches!(pattern[i], Part::Star) {
                state[i + 1] = true;
            }
        }
    };
    let mut state = vec![false; pattern.len() + 1];
    state[0] = true;
    close(&mut state);
    let mut found = Vec::new();
    for at in 0..=text.len() {
        if state[pattern.len()] {
            found.push(at);
        }
        let Some(c) = text.get(at) else { break };
        let mut next = vec![false; pattern.len() + 1];
        for i in (0..pattern.len()).filter(|i| state[*i]) {
            match pattern[i] {
                Part::Star => next[i] = true,
                Part::Any => next[i + 1] = true,
                Part::Char(p) => next[i + 1] |= p == *c,
            }
        }
        close(&mut next);
        state = next;
        if !state.contains(&true) {
            break;
        }
    }
    found
}

/// `${v#p}`, with `longest` `${v##p}`.
pub fn without_prefix(text: &str, pattern: &str, longest: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let ends = ends(&parts(pattern), &chars);
    let end = if longest { ends.last() } else { ends.first() };
    chars[end.copied().unwrap_or(0)..].iter().collect()
}

/// `${v%p}`, with `longest` `${v%%p}`: the same from the other side.
pub fn without_suffix(text: &str, pattern: &str, longest: bool) -> String {
    let chars: Vec<char> = text.chars().rev().collect();
    let mut parts = parts(pattern);
    parts.reverse();
    let ends = ends(&parts, &chars);
    let end = if longest { ends.last() } else { ends.first() };
    chars[end.copied().unwrap_or(0)..].iter().rev().collect()
}

/// `${v/p/r}`, with `all` `${v//p/r}`; each match is as long as can be.
pub fn replaced(text: &str, pattern: &str, by: &str, all: bool) -> String {
    let parts = parts(pattern);
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    let mut active = !parts.is_empty();
    while at < chars.len() {
        let end = if active { ends(&parts, &chars[at..]).last().copied().unwrap_or(0) } else { 0 };
        if end == 0 {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.push_str(by);
        at += end;
        active = all;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_and_replaces_as_a_shell_does() {
        for (text, pattern, shortest, longest) in
            [("a.b.c", "*.", "b.c", "c"), ("abc", "?", "bc", "bc"), ("abc", "x", "abc", "abc"), ("*a", "\\*", "a", "a")]
        {
            assert_eq!(without_prefix(text, pattern, false), shortest);
            assert_eq!(without_prefix(text, pattern, true), longest);
        }
        assert_eq!(without_suffix("a.b.c", ".*", false), "a.b");
        assert_eq!(without_suffix("a.b.c", ".*", true), "a");
        assert_eq!(without_suffix("foo.tar", ".tar", false), "foo");
        assert_eq!(replaced("a/b/c", "/", "-", false), "a-b/c");
        assert_eq!(replaced("a/b/c", "/", "-", true), "a-b-c");
        assert_eq!(replaced("abcabc", "b*b", "X", true), "aXc");
        assert_eq!(replaced("é?x", "\\?", "!", true), "é!x");
        assert_eq!(replaced("abc", "", "X", true), "abc");
    }
}
