//! Quotes, escapes and variables in arguments (BuildKit's `shell.Lex`).

use super::pattern;
use crate::error::{Error, Result};
use std::iter::Peekable;
use std::str::Chars;

/// Longest result of an expansion, in bytes: variables that double each other must not fill the memory.
const MAX_RESULT: usize = 1 << 20;

/// Longest value that patterns are applied to, in bytes.
const MAX_PATTERN_TEXT: usize = 16 << 10;

/// What a variable that is not set gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    Empty,
    /// Its own text: `${x}` stays `${x}`.
    Keep,
}

/// How to read words.
#[derive(Clone, Copy, Debug)]
pub struct Lexer {
    pub escape: char,
    /// Quotes stay in the result.
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes mean nothing (contents of here-documents).
    pub no_quotes: bool,
    pub unset: Unset,
}

/// The result of an expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    pub words: Vec<String>,
    /// Variables that were used without a default and are not set.
    pub missing: Vec<String>,
}

/// Where variables come from.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Lexer {
    pub fn new(escape: char) -> Lexer {
        Lexer { escape, raw_quotes: false, raw_escapes: false, no_quotes: false, unset: Unset::Empty }
    }

    /// Expands variables and removes quotes; the result is one word, blanks and all.
    pub fn word(&self, text: &str, env: &Lookup<'_>) -> Result<String> {
        Ok(self.expand(text, env)?.text)
    }

    /// The same, split at blanks that are not quoted.
    pub fn words(&self, text: &str, env: &Lookup<'_>) -> Result<Vec<String>> {
        Ok(self.expand(text, env)?.words)
    }

    /// Both, and which variables were missing.
    pub fn expand(&self, text: &str, env: &Lookup<'_>) -> Result<Expanded> {
        let mut state = State { lexer: *self, input: text.chars().peekable(), env, depth: 0, missing: Vec::new() };
        let mut out = Out::default();
        state.until(None, &mut out).map_err(|e| e.context(format!("process \"{text}\"")))?;
        out.flush();
        Ok(Expanded { text: out.text, words: out.words, missing: state.missing })
    }
}

#[derive(Default)]
struct Out {
    text: String,
    words: Vec<String>,
    word: String,
    in_word: bool,
}

impl Out {
    /// A character that may end a word.
    fn plain(&mut self, c: char) {
        self.text.push(c);
        if c.is_whitespace() { self.flush() } else { self.push(c) }
    }
    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
        self.in_word = true;
    }
    fn push(&mut self, c: char) {
        self.word.push(c);
        self.in_word = true;
    }
    fn flush(&mut self) {
        if self.in_word && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.in_word = false;
    }
}

struct State<'a> {
    lexer: Lexer,
    input: Peekable<Chars<'a>>,
    env: &'a Lookup<'a>,
    depth: usize,
    missing: Vec<String>,
}

impl State<'_> {
    /// Reads up to `stop` (which is eaten), or to the end.
    fn until(&mut self, stop: Option<char>, out: &mut Out) -> Result<()> {
        let escape = self.lexer.escape;
        while let Some(c) = self.input.next() {
            if out.text.len() > MAX_RESULT {
                return Err(Error::user("the result is too long"));
            }
            match c {
                c if Some(c) == stop => return Ok(()),
                '$' => self.dollar()?.chars().for_each(|c| out.plain(c)),
                '\'' if !self.lexer.no_quotes => out.quoted(&self.single()?),
                '"' if !self.lexer.no_quotes => out.quoted(&self.double()?),
                c if c == escape => {
                    let mut pair = String::new();
                    if self.lexer.raw_escapes {
                        pair.push(c);
                    }
                    match self.input.next() {
                        Some(next) => pair.push(next),
                        None if pair.is_empty() => break,
                        None => {}
                    }
                    out.quoted(&pair);
                }
                c => out.plain(c),
            }
        }
        match stop {
            None => Ok(()),
            Some('}') => Err(Error::user("syntax error: missing '}'")),
            Some(c) => Err(Error::user(format!("syntax error: missing '{c}' in ${{}}"))),
        }
    }

    fn single(&mut self) -> Result<String> {
        let mut out = String::new();
        loop {
            match self.input.next() {
                None => {
                    return Err(Error::user("unexpected end of statement while looking for matching single-quote"));
                }
                Some('\'') => break,
                Some(c) => out.push(c),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("'{out}'") } else { out })
    }

    fn double(&mut self) -> Result<String> {
        let escape = self.lexer.escape;
        let mut out = String::new();
        loop {
            match self.input.next() {
                None => {
                    return Err(Error::user("unexpected end of statement while looking for matching double-quote"));
                }
                Some('"') => break,
                Some('$') => out.push_str(&self.dollar()?),
                Some(c) if c == escape => match self.input.peek().copied() {
                    None => {}
                    // Only these can be escaped in here; otherwise the character stands for itself.
                    Some(next) if matches!(next, '"' | '$') || next == escape => {
                        if self.lexer.raw_escapes {
                            out.push(c);
                        }
                        out.extend(self.input.next());
                    }
                    Some(_) => out.push(c),
                },
                Some(c) => out.push(c),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("\"{out}\"") } else { out })
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String> {
        let bad = || Error::user("syntax error: bad substitution");
        if self.input.peek() != Some(&'{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".into());
            }
            return Ok(match (self.env)(&name) {
                Some(value) => value,
                None if self.lexer.unset == Unset::Keep => format!("${name}"),
                None => {
                    self.missing.push(name);
                    String::new()
                }
            });
        }
        self.input.next();
        match self.input.peek() {
            None => return Err(Error::user("syntax error: missing '}'")),
            Some('{' | '}' | ':') => return Err(bad()),
            Some(_) => {}
        }
        let name = self.name();
        let value = if name.is_empty() { None } else { (self.env)(&name) };
        let keep = value.is_none() && self.lexer.unset == Unset::Keep;
        let mut modifier = self.input.next().ok_or_else(|| Error::user("syntax error: missing '}'"))?;
        let colon = modifier == ':';
        if colon {
            modifier = self.input.next().ok_or_else(|| Error::user("syntax error: missing '}'"))?;
        }
        if value.is_none() && !name.is_empty() && matches!(modifier, '}' | '#' | '%' | '/') {
            self.missing.push(name.clone());
        }
        let mark = if colon { format!(":{modifier}") } else { modifier.to_string() };
        let unset = value.is_none() || (colon && value.as_deref() == Some(""));
        match (modifier, colon) {
            ('}', false) if keep => Ok(format!("${{{name}}}")),
            ('}', false) => Ok(value.unwrap_or_default()),
            ('+' | '-' | '?', _) => {
                let word = self.nested('}', false)?;
                match modifier {
                    _ if keep => Ok(format!("${{{name}{mark}{word}}}")),
                    '-' => Ok(if unset { word } else { value.unwrap_or_default() }),
                    '+' => Ok(if unset { String::new() } else { word }),
                    _ if !unset => Ok(value.unwrap_or_default()),
                    _ if !word.is_empty() => Err(Error::user(format!("{name}: {word}"))),
                    _ if value.is_none() => Err(Error::user(format!("{name}: is not allowed to be unset"))),
                    _ => Err(Error::user(format!("{name}: is not allowed to be empty"))),
                }
            }
            ('#' | '%', false) => {
                let word = self.nested('}', true)?;
                let (longest, word) = word.strip_prefix(modifier).map_or((false, word.as_str()), |w| (true, w));
                if keep {
                    return Ok(format!("${{{name}{mark}{}{word}}}", if longest { &mark } else { "" }));
                }
                let value = matchable(value)?;
                let trim = if modifier == '#' { pattern::without_prefix } else { pattern::without_suffix };
                Ok(trim(&value, word, longest))
            }
            ('/', false) => {
                let all = self.input.next_if_eq(&'/').is_some();
                let (from, to) = (self.nested('/', true)?, self.nested('}', true)?);
                if keep {
                    return Ok(format!("${{{name}/{}{from}/{to}}}", if all { "/" } else { "" }));
                }
                Ok(pattern::replaced(&matchable(value)?, &from, &to, all))
            }
            _ => Err(Error::user(format!("unsupported modifier ({mark}) in substitution"))),
        }
    }

    /// The word of a `${v-word}`, itself expanded.
    fn nested(&mut self, stop: char, raw_escapes: bool) -> Result<String> {
        self.depth += 1;
        if self.depth > 64 {
            return Err(Error::user("substitutions are nested too deeply"));
        }
        let before = self.lexer.raw_escapes;
        self.lexer.raw_escapes |= raw_escapes;
        let mut out = Out::default();
        let result = self.until(Some(stop), &mut out);
        self.lexer.raw_escapes = before;
        self.depth -= 1;
        result.map(|()| out.text)
    }

    /// A name: letters, digits and `_`; digits alone where it starts with one; or one of the shell's special ones.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.input.peek().copied() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(c) = self.input.next_if(char::is_ascii_digit) {
                    name.push(c);
                }
            }
            Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.input.next();
                name.push(c);
            }
            _ => {
                while let Some(c) = self.input.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
        }
        name
    }
}

fn matchable(value: Option<String>) -> Result<String> {
    match value.unwrap_or_default() {
        long if long.len() > MAX_PATTERN_TEXT => Err(Error::user("the value is too long for a pattern")),
        value => Ok(value),
    }
}

/// Splits `K=V K2="a b"` at blanks outside of quotes; quotes and escapes stay.
pub fn split_quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut started) = (String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if started {
                words.push(std::mem::take(&mut word));
            }
            started = false;
            continue;
        }
        started = true;
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, q) if c == escape && q != Some('\'') => match chars.next() {
                Some(next) => {
                    word.extend([c, next]);
                    continue;
                }
                // An escape character at the very end means nothing.
                None => break,
            },
            _ => {}
        }
        word.push(c);
    }
    if started && !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "HOME" => "/root",
            "empty" => "",
            "path" => "/a/b/c.tar.gz",
            "two" => "x y",
            "PWD1" => "one",
            _ => return None,
        };
        Some(value.into())
    }

    #[test]
    fn expands_all_forms() {
        for (text, want) in [
            ("plain", "plain"),
            ("$HOME/x ${HOME}y", "/root/x /rooty"),
            ("$nope|${nope}", "|"),
            ("$", "$"),
            ("$ a", "$ a"),
            ("a$", "a$"),
            ("\\$HOME", "$HOME"),
            ("'$HOME'", "$HOME"),
            ("\"$HOME\"", "/root"),
            ("\"\\$HOME \\a \\\"\\\\\"", "$HOME \\a \"\\"),
            ("a\\b", "ab"),
            ("${nope:-w}${empty:-w}${HOME:-w}", "ww/root"),
            ("${nope-w}${empty-w}", "w"),
            ("${nope:+w}${empty:+w}${HOME:+w}", "w"),
            ("${nope+w}${empty+w}", "w"),
            ("${nope:-${HOME}}", "/root"),
            ("${nope:-'a}b'}", "a}b"),
            ("${HOME:?no}", "/root"),
            ("${path#*/}|${path##*/}", "a/b/c.tar.gz|c.tar.gz"),
            ("${path%.*}|${path%%.*}", "/a/b/c.tar|/a/b/c"),
            ("${path/a/A}|${path//\\//:}", "/A/b/c.tar.gz|:a:b:c.tar.gz"),
            ("${path/?b/X}", "/aX/c.tar.gz"),
            ("$1a$PWD1", "aone"),
            ("$$", ""),
            ("${two}", "x y"),
            ("é$HOME", "é/root"),
            ("trailing\\", "trailing"),
        ] {
            assert_eq!(Lexer::new('\\').word(text, &env).unwrap(), want, "{text}");
        }
        assert_eq!(Lexer::new('`').word("`$HOME \\$HOME C:\\x", &env).unwrap(), "$HOME \\/root C:\\x");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, want) in [
            ("${HOME", "missing '}'"),
            ("${", "missing '}'"),
            ("${}", "bad substitution"),
            ("${:x}", "bad substitution"),
            ("${{x}}", "bad substitution"),
            ("${HOME;x}", "unsupported modifier (;)"),
            ("${HOME:#x}", "unsupported modifier (:#)"),
            ("'x", "single-quote"),
            ("\"x", "double-quote"),
            ("${nope:?}", "nope: is not allowed to be unset"),
            ("${empty:?}", "empty: is not allowed to be empty"),
            ("${nope?say why}", "nope: say why"),
            ("${path/a}", "missing '/'"),
        ] {
            let got = Lexer::new('\\').word(text, &env).unwrap_err().to_string();
            assert!(got.contains(want), "{text}: {got}");
        }
        let deep = format!("{}x{}", "${nope:-".repeat(100), "}".repeat(100));
        assert!(Lexer::new('\\').word(&deep, &env).is_err());
        let long = |_: &str| Some("x".repeat(600_000));
        assert!(Lexer::new('\\').word("$a$a$a", &long).is_err());
    }

    #[test]
    fn words_end_at_blanks_outside_of_quotes() {
        for (text, want) in [
            ("a b  c", vec!["a", "b", "c"]),
            ("'a b' c", vec!["a b", "c"]),
            ("a\\ b c", vec!["a b", "c"]),
            ("$two", vec!["x", "y"]),
            ("\"$two\"", vec!["x y"]),
            ("a'b c'd", vec!["ab cd"]),
            ("", vec![]),
            ("$nope", vec![]),
        ] {
            assert_eq!(Lexer::new('\\').words(text, &env).unwrap(), want, "{text}");
        }
        let keep = Lexer { unset: Unset::Keep, raw_quotes: true, ..Lexer::new('\\') };
        for text in ["${nope}", "$nope", "${nope:-x}", "${nope##x}", "${nope//a/b}", "'x'"] {
            assert_eq!(keep.word(text, &env).unwrap(), text);
        }
    }

    #[test]
    fn splitting_keeps_quotes() {
        for (text, want) in [
            ("a=b c=d", vec!["a=b", "c=d"]),
            ("a=\"b c\" d='e f'", vec!["a=\"b c\"", "d='e f'"]),
            ("a=b\\ c d", vec!["a=b\\ c", "d"]),
            ("a='b\\' c", vec!["a='b\\'", "c"]),
            ("a=\"x\\\" y\" b", vec!["a=\"x\\\" y\"", "b"]),
            ("a\\", vec!["a"]),
        ] {
            assert_eq!(split_quoted(text, '\\'), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a$\\{\\}:#%/?*+\\- '\"\\\\HOMEé]{0,40}") {
            for lexer in [Lexer::new('\\'), Lexer { raw_quotes: true, raw_escapes: true, unset: Unset::Keep, ..Lexer::new('\\') }] {
                let _ = lexer.words(&text, &env);
            }
            split_quoted(&text, '\\');
        }

        #[test]
        fn plain_text_is_itself(text in "[a-zA-Z0-9 ./=-]{0,40}") {
            prop_assert_eq!(Lexer::new('\\').word(&text, &env).unwrap(), text);
        }
    }
}
