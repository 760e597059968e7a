//! Splits a template into text and the tokens of its actions (Go's text/template/parse/lex.go).

use crate::error::{Error, Result};
use serde_json::Value;

/// One token and its byte offset in the template.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Tok,
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tok {
    /// Literal text, trimmed and with `\t` and `\n` expanded.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.`
    Dot,
    /// `.Name`; `glued` when it follows a field, a variable or `)` without a space.
    Field {
        name: String,
        glued: bool,
    },
    /// `$` or `$name`, without the dollar.
    Var(String),
    Ident(String),
    Literal(Value),
    LeftParen,
    RightParen,
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// An error at a place of the template, counted in characters from 1.
pub fn error_at(text: &str, at: usize, message: impl std::fmt::Display) -> Error {
    let place = text.get(..at).unwrap_or(text).chars().count() + 1;
    Error::user(format!("parse the template at character {place}: {message}"))
}

/// All tokens of a template.
pub fn lex(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<()> {
        let mut trim_next = false;
        loop {
            let rest = &self.text[self.at..];
            let open = rest.find("{{");
            let mut literal = &rest[..open.unwrap_or(rest.len())];
            if trim_next {
                literal = literal.trim_start_matches(is_space);
            }
            let trim_before = open.is_some_and(|o| starts_trim(&rest[o + 2..]));
            if trim_before {
                literal = literal.trim_end_matches(is_space);
            }
            if !literal.is_empty() {
                let kind = Tok::Text(literal.replace("\\t", "\t").replace("\\n", "\n"));
                self.tokens.push(Token { kind, at: self.at });
            }
            let Some(open) = open else { return Ok(()) };
            self.at += open;
            let start = self.at;
            self.at += if trim_before { 4 } else { 2 };
            trim_next = match self.comment(start)? {
                Some(trim) => trim,
                None => {
                    self.tokens.push(Token { kind: Tok::Open, at: start });
                    self.action(start)?
                }
            };
        }
    }

    /// Skips `/* … */` up to its `}}`; `Some(trim)` when there was a comment.
    fn comment(&mut self, start: usize) -> Result<Option<bool>> {
        let Some(body) = self.text[self.at..].strip_prefix("/*") else { return Ok(None) };
        let end = body.find("*/").ok_or_else(|| error_at(self.text, start, "unclosed comment"))?;
        let after = &body[end + 2..];
        self.at += 2 + end + 2;
        for (close, trim) in [(" -}}", true), ("}}", false)] {
            if after.starts_with(close) {
                self.at += close.len();
                return Ok(Some(trim));
            }
        }
        Err(error_at(self.text, start, "comment ends before closing delimiter"))
    }

    /// Reads the tokens of one action up to and with its `}}`; returns whether the text after it is to be trimmed.
    fn action(&mut self, start: usize) -> Result<bool> {
        let mut spaced = true;
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else {
                return Err(error_at(self.text, start, "unclosed action"));
            };
            if rest.starts_with("}}") {
                self.push(Tok::Close, 2);
                return Ok(false);
            }
            if is_space(c) {
                let blank = rest.len() - rest.trim_start_matches(is_space).len();
                if rest[blank..].starts_with("-}}") {
                    self.at += blank;
                    self.push(Tok::Close, 3);
                    return Ok(true);
                }
                self.at += blank;
                spaced = true;
                continue;
            }
            self.token(c, spaced)?;
            spaced = false;
        }
    }

    fn token(&mut self, c: char, spaced: bool) -> Result<()> {
        let rest = &self.text[self.at..];
        match c {
            '(' => self.push(Tok::LeftParen, 1),
            ')' => self.push(Tok::RightParen, 1),
            '|' => self.push(Tok::Pipe, 1),
            ',' => self.push(Tok::Comma, 1),
            '=' => self.push(Tok::Assign, 1),
            ':' if rest.starts_with(":=") => self.push(Tok::Declare, 2),
            '"' | '`' | '\'' => {
                let (value, used) = super::literal::quoted(rest).map_err(|m| error_at(self.text, self.at, m))?;
                self.push(Tok::Literal(value), used);
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
            '.' => match word(&rest[1..]) {
                "" => self.push(Tok::Dot, 1),
                name => {
                    let glued = !spaced
                        && matches!(
                            self.tokens.last().map(|t| &t.kind),
                            Some(Tok::Field { .. } | Tok::Var(_) | Tok::RightParen)
                        );
                    self.push(Tok::Field { name: name.to_string(), glued }, 1 + name.len());
                }
            },
            '$' => {
                let name = word(&rest[1..]);
                self.push(Tok::Var(name.to_string()), 1 + name.len());
            }
            '+' | '-' | '0'..='9' => self.number()?,
            c if c == '_' || c.is_alphabetic() => {
                let name = word(rest);
                let kind = match name {
                    "true" => Tok::Literal(Value::Bool(true)),
                    "false" => Tok::Literal(Value::Bool(false)),
                    _ => Tok::Ident(name.to_string()),
                };
                self.push(kind, name.len());
            }
            c => return Err(error_at(self.text, self.at, format!("unexpected '{c}' in action"))),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        let (value, used) =
            super::literal::number(&self.text[self.at..]).map_err(|m| error_at(self.text, self.at, m))?;
        self.push(Tok::Literal(value), used);
        Ok(())
    }

    fn push(&mut self, kind: Tok, used: usize) {
        self.tokens.push(Token { kind, at: self.at });
        self.at += used;
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// `- ` after `{{`: the dash counts only with a blank behind it, since `{{-3}}` is a number.
fn starts_trim(after: &str) -> bool {
    after.strip_prefix('-').is_some_and(|r| r.starts_with(is_space))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}
