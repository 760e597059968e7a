//! The text of a Dockerfile and places in it.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Largest Dockerfile, in bytes. Real ones have some kilobytes; heredocs carry scripts and config files.
pub const MAX_DOCKERFILE: usize = 4 << 20;

/// First and last line, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A Dockerfile as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// How to call it in messages: the path below the context, `-` for standard input.
    pub name: String,
    pub text: String,
}

/// An error with its place in the Dockerfile.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub error: Error,
    pub span: Span,
}

impl Fault {
    pub fn new(span: Span, message: impl Into<String>) -> Fault {
        Fault { error: Error::user(message), span }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.error = self.error.hint(hint);
        self
    }

    /// The error that says `FILE:LINE` first.
    pub fn in_file(self, source: &Source) -> Error {
        // An empty file has no line.
        self.error.context(format!("{}:{}", source.name, self.span.start.max(1)))
    }
}

impl Source {
    /// Bytes that are no UTF-8 (a comment in Latin-1) are replaced.
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Result<Source> {
        let name = name.into();
        if bytes.len() > MAX_DOCKERFILE {
            return Err(Error::user(format!("read {name}: it has more than {MAX_DOCKERFILE} bytes")));
        }
        let text = String::from_utf8_lossy(bytes);
        Ok(Source { name, text: text.strip_prefix('\u{feff}').unwrap_or(&text).to_string() })
    }

    /// The lines of `span`, marked, with some around them: BuildKit's form.
    pub fn excerpt(&self, span: Span) -> String {
        let lines: Vec<&str> = self.text.split('\n').collect();
        if span.start < 1 || span.start > lines.len() {
            return String::new();
        }
        let (mut first, mut last) = (span.start, span.end.clamp(span.start, lines.len()));
        let (marked, room) = (first..=last, if first == last { 4 } else { 2 });
        let mut shown = 0;
        while shown < room {
            if first > 1 {
                first -= 1;
                shown += 1;
            }
            if last < lines.len() {
                last += 1;
                shown += 1;
            }
            shown += 1;
        }
        let mut out = format!("{}:{}\n--------------------\n", self.name, span.start);
        for n in first..=last {
            let mark = if marked.contains(&n) { ">>>" } else { "   " };
            let line = lines[n - 1].trim_end_matches('\r');
            let _ = writeln!(out, "{}", format!(" {n:3} | {mark} {line}").trim_end());
        }
        out.push_str("--------------------\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_look_like_buildkits() {
        let source = Source::new("Dockerfile", b"\xef\xbb\xbfFROM a\nRUN b\nRUN c\nRUN d\nRUN e\n").unwrap();
        assert_eq!(
            source.excerpt(Span { start: 2, end: 2 }),
            "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN b\n   3 |     RUN c\n   4 |     RUN d\n--------------------\n"
        );
        assert_eq!(source.excerpt(Span { start: 99, end: 99 }), "");
        assert!(source.excerpt(Span { start: 1, end: 50 }).contains(">>> RUN e"));
        assert!(Source::new("x", &vec![b'#'; MAX_DOCKERFILE + 1]).is_err());
    }
}
