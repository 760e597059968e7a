//! Dockerfile text → logical lines: directives, comments, continuations, flags and heredocs (BuildKit's `parser`).

use super::source::{Fault, Source, Span};
use super::words::{Lexer, Unset};

/// The special comments at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// The escape character: `\` or `` ` ``.
    pub escape: char,
    /// `# syntax=`: accepted, since this builder knows the language itself.
    pub syntax: Option<String>,
    /// `# check=`, with its line.
    pub check: Option<(String, Span)>,
}

impl Default for Directives {
    fn default() -> Self {
        Directives { escape: '\\', syntax: None, check: None }
    }
}

/// One here-document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heredoc {
    pub name: String,
    /// As written, tabs included.
    pub content: String,
    /// The delimiter is not quoted: variables are expanded.
    pub expand: bool,
    /// `<<-`: leading tabs go.
    pub chomp: bool,
}

impl Heredoc {
    /// The content without the tabs that `<<-` takes away.
    pub fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// One instruction, continuation lines joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// As written: `FROM`, `from`.
    pub name: String,
    /// Without the `--`, quotes removed.
    pub flags: Vec<String>,
    /// What follows the flags, trimmed.
    pub rest: String,
    /// The whole joined line.
    pub text: String,
    pub heredocs: Vec<Heredoc>,
    pub span: Span,
    /// The comment lines just above, without their `#`.
    pub comments: Vec<String>,
    /// A continuation line was empty.
    pub gap: bool,
}

/// Splits a Dockerfile.
pub fn lines(source: &Source) -> Result<(Directives, Vec<Line>), Fault> {
    let raw: Vec<&str> = source.text.split_inclusive('\n').collect();
    let (directives, _) = directives(&raw)?;
    let mut found = Vec::new();
    let mut comments = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let start = at + 1;
        let line = bare(raw[at]).trim_start_matches([' ', '\t']);
        at += 1;
        if let Some(comment) = line.strip_prefix('#') {
            comments.push(comment.trim().to_string());
            continue;
        }
        let above = std::mem::take(&mut comments);
        let (mut text, mut more) = continued(line, directives.escape);
        if text.trim().is_empty() && !more {
            continue;
        }
        let mut gap = false;
        while more && at < raw.len() {
            let next = bare(raw[at]);
            at += 1;
            if next.trim_start().starts_with('#') {
                continue;
            }
            if next.trim().is_empty() {
                gap = true;
                continue;
            }
            let (part, goes_on) = continued(next, directives.escape);
            text.push_str(&part);
            more = goes_on;
        }
        if text.trim().is_empty() {
            continue;
        }
        let mut line = split(&text, Span { start, end: at })?;
        (line.comments, line.gap) = (above, gap);
        for mut heredoc in heredocs(&line, directives.escape) {
            let mut closed = false;
            while at < raw.len() && !closed {
                let row = raw[at];
                at += 1;
                let end = if heredoc.chomp { bare(row).trim_start_matches('\t') } else { bare(row) };
                closed = end == heredoc.name;
                if !closed {
                    heredoc.content.push_str(row);
                }
            }
            if !closed {
                return Err(Fault::new(Span { start, end: start }, "unterminated heredoc")
                    .hint(format!("end it with a line {}", heredoc.name)));
            }
            line.heredocs.push(heredoc);
        }
        line.span.end = at;
        found.push(line);
    }
    Ok((directives, found))
}

/// A line without its end.
fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The line without its continuation character, and whether it goes on. A doubled escape character is no continuation.
fn continued(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_string(), true),
        _ => (line.to_string(), false),
    }
}

/// Reads the directives and how many lines they take.
fn directives(raw: &[&str]) -> Result<(Directives, usize), Fault> {
    let mut out = Directives::default();
    let mut seen: Vec<String> = Vec::new();
    for (n, line) in raw.iter().enumerate() {
        let span = Span { start: n + 1, end: n + 1 };
        let Some((key, value)) = bare(line).strip_prefix('#').and_then(|rest| rest.split_once('=')) else {
            return Ok((out, n));
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        if value.is_empty() || !matches!(key.as_str(), "escape" | "syntax" | "check") {
            return Ok((out, n));
        }
        if seen.contains(&key) {
            return Err(Fault::new(span, format!("only one {key} parser directive can be used")));
        }
        match key.as_str() {
            "escape" if matches!(value, "\\" | "`") => out.escape = value.chars().next().unwrap_or('\\'),
            "escape" => {
                return Err(Fault::new(span, format!("the escape character '{value}' is neither ` nor \\")));
            }
            "syntax" => out.syntax = Some(value.to_string()),
            _ => out.check = Some((value.to_string(), span)),
        }
        seen.push(key);
    }
    Ok((out, raw.len()))
}

fn split(text: &str, span: Span) -> Result<Line, Fault> {
    let text = text.trim();
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (flags, rest) = flags(rest.trim());
    let rest = rest.trim().to_string();
    Ok(Line { name: name.into(), flags, rest, text: text.into(), span, ..Line::default() })
}

/// The sub-instruction of an ONBUILD, with its heredocs.
pub fn trigger(line: &Line) -> Result<Line, Fault> {
    let sub = split(&line.rest, line.span)?;
    Ok(Line { heredocs: line.heredocs.clone(), ..sub })
}

/// Takes the leading `--words` off; quotes and backslashes in them are undone. A bare `--` ends them.
fn flags(line: &str) -> (Vec<String>, &str) {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if !rest.starts_with("--") {
            return (words, rest);
        }
        let (mut word, mut quote, mut quoted) = (String::new(), None, false);
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            match (c, quote) {
                (c, None) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                ('\'' | '"', None) => (quote, quoted) = (Some(c), true),
                (c, Some(q)) if c == q => quote = None,
                ('\\', _) => word.extend(chars.next().map(|(_, c)| c)),
                _ => word.push(c),
            }
        }
        rest = &rest[end..];
        if word == "--" && !quoted {
            return (words, rest);
        }
        words.push(word[2..].to_string());
    }
}

/// The here-documents that a line announces. Only RUN, COPY and ADD have any, also below ONBUILD, and no JSON forms.
fn heredocs(line: &Line, _escape: char) -> Vec<Heredoc> {
    if !line.text.contains("<<") {
        return Vec::new();
    }
    let inner;
    let line = if line.name.eq_ignore_ascii_case("onbuild") {
        let Ok(sub) = trigger(line) else { return Vec::new() };
        inner = sub;
        &inner
    } else {
        line
    };
    let takes = ["run", "copy", "add"].iter().any(|name| line.name.eq_ignore_ascii_case(name));
    if !takes || serde_json::from_str::<Vec<String>>(&line.rest).is_ok() {
        return Vec::new();
    }
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, unset: Unset::Keep, ..Lexer::new('\\') };
    let words = lexer.words(&line.text, &|_| None).unwrap_or_default();
    words.iter().filter_map(|word| heredoc(word)).collect()
}

/// Reads `[N]<<[-]WORD`.
pub fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let lexer = Lexer { unset: Unset::Keep, ..Lexer::new('\\') };
    let plain = lexer.words(rest, &|_| None).ok()?;
    let raw = Lexer { raw_quotes: true, raw_escapes: true, ..lexer }.words(rest, &|_| None).ok()?;
    match (plain.as_slice(), raw.as_slice()) {
        ([name], [written]) if !name.is_empty() => {
            Some(Heredoc { name: name.clone(), content: String::new(), expand: name == written, chomp })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Line> {
        lines(&Source::new("Dockerfile", text.as_bytes()).unwrap()).unwrap().1
    }

    fn texts(text: &str) -> Vec<String> {
        read(text).into_iter().map(|l| l.text).collect()
    }

    #[test]
    fn directives_come_before_all_else() {
        let get = |text: &str| lines(&Source::new("f", text.as_bytes()).unwrap()).map(|l| l.0);
        let d = get("# Syntax=docker/dockerfile:1\n#ESCAPE = `\n# check=skip=all\nFROM a\n").unwrap();
        assert_eq!((d.escape, d.syntax.as_deref()), ('`', Some("docker/dockerfile:1")));
        assert_eq!(d.check.unwrap().0, "skip=all");
        for late in ["\n# escape=`\n", "# c\n# escape=`\n", "FROM a\n# escape=`\n", "# other=x\n# escape=`\n"] {
            assert_eq!(get(late).unwrap().escape, '\\', "{late:?}");
        }
        assert!(get("# escape=`\n# escape=`\n").unwrap_err().error.to_string().contains("only one escape"));
        assert!(get("# escape=x\n").is_err());
        // A directive can't be continued.
        assert_eq!(get("# escape=\\\n`\nFROM a").unwrap().escape, '\\');
    }

    #[test]
    fn lines_are_joined() {
        for (text, want) in [
            ("FROM a\n\n  # comment\nRUN b", vec!["FROM a", "RUN b"]),
            ("RUN a \\\n  b\\\nc", vec!["RUN a   bc"]),
            ("RUN a \\   \t\n b", vec!["RUN a  b"]),
            ("RUN a \\\n# no\n   # no\n b", vec!["RUN a  b"]),
            ("RUN a \\\n\n b\nRUN c", vec!["RUN a  b", "RUN c"]),
            ("RUN a \\\\\nRUN b", vec!["RUN a \\\\", "RUN b"]),
            ("# escape=`\nRUN a `\n b\\\nRUN c", vec!["RUN a  b\\", "RUN c"]),
            ("FROM a\r\nRUN b \\\r\n c\r\n", vec!["FROM a", "RUN b  c"]),
            ("RUN a \\", vec!["RUN a"]),
            ("\\\nRUN a", vec!["RUN a"]),
            ("   FROM a  ", vec!["FROM a"]),
            ("", vec![]),
        ] {
            assert_eq!(texts(text), want, "{text:?}");
        }
        let both = read("# about\nFROM a\nRUN b \\\n\n c\n");
        assert_eq!((both[0].comments.clone(), both[1].gap), (vec!["about".to_string()], true));
        assert_eq!(both[1].span, Span { start: 3, end: 5 });
    }

    #[test]
    fn flags_are_words() {
        for (text, flags, rest) in [
            (
                "RUN --mount=type=cache,target=/x --network=none id --x",
                vec!["mount=type=cache,target=/x", "network=none"],
                "id --x",
            ),
            ("COPY --from=a b c", vec!["from=a"], "b c"),
            ("RUN --mount='a b' \"--c=d e\" f", vec!["mount=a b"], "\"--c=d e\" f"),
            ("RUN --a\\ b c", vec!["a b"], "c"),
            ("RUN -- --x", vec![], "--x"),
            ("RUN - a", vec![], "- a"),
        ] {
            let line = read(text).remove(0);
            assert_eq!(
                (line.flags, line.rest.as_str()),
                (flags.iter().map(|f| f.to_string()).collect(), rest),
                "{text}"
            );
        }
    }

    #[test]
    fn heredocs_are_read() {
        let all = read("RUN <<A cat <<-'B' <<\"C\"\n1\nA\n\t\t2\n\tB\n3\nC\nRUN x\n");
        assert_eq!(all.len(), 2);
        let docs: Vec<(&str, &str, bool, bool)> =
            all[0].heredocs.iter().map(|h| (h.name.as_str(), h.content.as_str(), h.expand, h.chomp)).collect();
        assert_eq!(docs, [("A", "1\n", true, false), ("B", "\t\t2\n", false, true), ("C", "3\n", false, false)]);
        assert_eq!(all[0].heredocs[1].text(), "2\n");
        assert_eq!(all[0].span, Span { start: 1, end: 7 });
        // No here-documents: quoted, shifts, here-strings, JSON, other instructions.
        for text in [
            "RUN echo \"<<EOF\"",
            "RUN echo $((1<<3))",
            "RUN cat <<<EOF",
            "RUN [\"a\", \"<<EOF\"]",
            "CMD <<EOF",
            "ENV A=<<EOF",
        ] {
            assert!(read(&format!("{text}\nRUN b"))[0].heredocs.is_empty(), "{text}");
        }
        assert_eq!(read("COPY <<EOF /x\na\nEOF").remove(0).heredocs[0].content, "a\n");
        assert_eq!(read("ONBUILD COPY <<EOF /x\na\nEOF").remove(0).heredocs.len(), 1);
        assert_eq!(read("RUN 3<<EOF x\na\nEOF").remove(0).heredocs.len(), 1);
        let open = lines(&Source::new("f", b"FROM a\nRUN <<EOF\nx").unwrap()).unwrap_err();
        assert_eq!((open.span.start, open.error.to_string().contains("unterminated heredoc")), (2, true));
    }
}
