//! Tokens to syntax tree (Go's text/template/parse).

use super::functions;
use super::lexer::{Tok, Token, error_at, lex};
use crate::error::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// Control structures and parentheses may nest this deep.
const MAX_DEPTH: usize = 100;

#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// `if`, `with` and `range` with their `else`.
#[derive(Clone, Debug)]
pub struct Branch {
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub other: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
pub struct Pipe {
    /// Variables that the pipeline's value goes to.
    pub vars: Vec<String>,
    /// `=` to existing variables rather than `:=`.
    pub assign: bool,
    pub commands: Vec<Vec<Arg>>,
}

#[derive(Clone, Debug)]
pub enum Arg {
    Dot,
    Nil,
    Literal(Value),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`; `$` has the empty name.
    Var(String, Vec<String>),
    Function(String),
    /// `(pipeline).A.B`
    Paren(Box<Pipe>, Vec<String>),
}

/// The main body and the named templates.
#[derive(Clone, Debug)]
pub struct Tree {
    pub main: Vec<Node>,
    pub named: BTreeMap<String, Vec<Node>>,
}

pub fn parse(text: &str) -> Result<Tree> {
    let mut parser = Parser {
        text,
        tokens: lex(text)?,
        next: 0,
        vars: vec![String::new()],
        depth: 0,
        loops: 0,
        named: BTreeMap::new(),
    };
    let (main, end) = parser.list()?;
    if let Some((word, at)) = end {
        return Err(error_at(text, at, format!("unexpected {{{{{word}}}}}")));
    }
    Ok(Tree { main, named: parser.named })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// Names in scope, for "undefined variable".
    vars: Vec<String>,
    depth: usize,
    loops: usize,
    named: BTreeMap<String, Vec<Node>>,
}

/// `else` or `end`, and where.
type End = Option<(&'static str, usize)>;

impl Parser<'_> {
    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(error_at(self.text, self.at(), message))
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |t| t.at)
    }

    fn peek(&self) -> Option<&Tok> {
        self.tokens.get(self.next).map(|t| &t.kind)
    }

    fn take(&mut self, want: &Tok) -> bool {
        let hit = self.peek() == Some(want);
        self.next += usize::from(hit);
        hit
    }

    fn expect(&mut self, want: Tok, place: &str) -> Result<()> {
        match self.take(&want) {
            true => Ok(()),
            false => self.fail(format!("unexpected {} in {place}", describe(self.peek()))),
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Nodes up to the end of the text, or up to the `{{else` or `{{end` that closes this list: `else` leaves its
    /// action open, `end` is consumed whole.
    fn list(&mut self) -> Result<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        loop {
            let at = self.at();
            match self.peek().cloned() {
                None => return Ok((nodes, None)),
                Some(Tok::Text(text)) => {
                    self.next += 1;
                    nodes.push(Node::Text(text));
                }
                Some(_) => {
                    self.expect(Tok::Open, "template")?;
                    let keyword = match self.peek() {
                        Some(Tok::Ident(word)) => word.clone(),
                        _ => String::new(),
                    };
                    self.next += usize::from(is_keyword(&keyword));
                    match keyword.as_str() {
                        "end" => {
                            self.expect(Tok::Close, "end")?;
                            return Ok((nodes, Some(("end", at))));
                        }
                        "else" => return Ok((nodes, Some(("else", at)))),
                        "define" => self.nested(|p| p.define(at))?,
                        word => nodes.extend(self.nested(|p| p.statement(word, at))?),
                    }
                }
            }
        }
    }

    fn statement(&mut self, keyword: &str, at: usize) -> Result<Option<Node>> {
        Ok(Some(match keyword {
            "if" => Node::If(self.branch("if", at)?),
            "with" => Node::With(self.branch("with", at)?),
            "range" => Node::Range(self.branch("range", at)?),
            "template" => self.template()?,
            "block" => self.block(at)?,
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.fail(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                self.expect(Tok::Close, keyword)?;
                if keyword == "break" { Node::Break } else { Node::Continue }
            }
            _ => {
                let pipe = self.pipeline("command", false)?;
                self.expect(Tok::Close, "command")?;
                Node::Action(pipe)
            }
        }))
    }

    fn branch(&mut self, word: &'static str, at: usize) -> Result<Branch> {
        let mark = self.vars.len();
        let is_loop = usize::from(word == "range");
        let pipe = self.pipeline(word, word == "range")?;
        self.expect(Tok::Close, word)?;
        self.loops += is_loop;
        let (body, end) = self.list()?;
        self.loops -= is_loop;
        let other = match end {
            None => return Err(error_at(self.text, at, format!("unclosed {{{{{word}}}}}"))),
            Some(("end", _)) => Vec::new(),
            Some(_) => self.otherwise(word, at)?,
        };
        self.vars.truncate(mark);
        Ok(Branch { pipe, body, other })
    }

    /// After `{{else`: a plain else, or `else if` / `else with`, which share the `end`.
    fn otherwise(&mut self, word: &'static str, at: usize) -> Result<Vec<Node>> {
        if word != "range" && self.take(&Tok::Ident(word.into())) {
            return self.nested(|p| Ok(p.statement(word, at)?.into_iter().collect()));
        }
        self.expect(Tok::Close, "else")?;
        match self.list()? {
            (nodes, Some(("end", _))) => Ok(nodes),
            (_, Some(_)) => self.fail("expected end; found {{else}}"),
            (_, None) => Err(error_at(self.text, at, format!("unclosed {{{{{word}}}}}"))),
        }
    }

    fn template(&mut self) -> Result<Node> {
        let name = self.name("template")?;
        let pipe = match self.peek() {
            Some(Tok::Close) => None,
            _ => Some(self.pipeline("template", false)?),
        };
        self.expect(Tok::Close, "template")?;
        Ok(Node::Template { name, pipe })
    }

    fn define(&mut self, at: usize) -> Result<()> {
        let name = self.name("define")?;
        self.expect(Tok::Close, "define")?;
        let body = self.body("define", at)?;
        self.named.insert(name, body);
        Ok(())
    }

    fn block(&mut self, at: usize) -> Result<Node> {
        let name = self.name("block")?;
        let pipe = self.pipeline("block", false)?;
        self.expect(Tok::Close, "block")?;
        let body = self.body("block", at)?;
        self.named.insert(name.clone(), body);
        Ok(Node::Template { name, pipe: Some(pipe) })
    }

    /// The body of a named template, which sees no variables but its own `$`.
    fn body(&mut self, word: &str, at: usize) -> Result<Vec<Node>> {
        let outer = (std::mem::replace(&mut self.vars, vec![String::new()]), std::mem::take(&mut self.loops));
        let (body, end) = self.list()?;
        (self.vars, self.loops) = outer;
        match end {
            Some(("end", _)) => Ok(body),
            _ => Err(error_at(self.text, at, format!("unclosed {{{{{word}}}}}"))),
        }
    }

    fn name(&mut self, place: &str) -> Result<String> {
        match self.peek() {
            Some(Tok::Literal(Value::String(name))) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            other => self.fail(format!("unexpected {} in {place} clause", describe(other))),
        }
    }

    fn pipeline(&mut self, place: &str, two_vars: bool) -> Result<Pipe> {
        let mut pipe = self.declaration(two_vars)?;
        loop {
            let command = self.command(place)?;
            if !pipe.commands.is_empty()
                && !matches!(command[0], Arg::Function(_) | Arg::Field(_) | Arg::Var(..) | Arg::Paren(..))
            {
                return self.fail(format!("non executable command in pipeline stage {}", pipe.commands.len() + 1));
            }
            pipe.commands.push(command);
            if !self.take(&Tok::Pipe) {
                break;
            }
        }
        if !pipe.assign {
            // Only what follows the declaration sees the variable.
            self.vars.extend(pipe.vars.iter().cloned());
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =` or, for range, `$i, $x :=`.
    fn declaration(&mut self, two_vars: bool) -> Result<Pipe> {
        let mut pipe = Pipe::default();
        let start = self.next;
        while let Some(Tok::Var(name)) = self.peek().cloned() {
            self.next += 1;
            pipe.vars.push(name);
            if !(two_vars && pipe.vars.len() == 1 && self.take(&Tok::Comma)) {
                break;
            }
        }
        if pipe.vars.is_empty() {
            return Ok(pipe);
        }
        pipe.assign = self.take(&Tok::Assign);
        if !pipe.assign && !self.take(&Tok::Declare) {
            if pipe.vars.len() > 1 {
                return self.fail("expected := after two variables");
            }
            self.next = start;
            return Ok(Pipe::default());
        }
        if pipe.assign
            && let Some(name) = pipe.vars.iter().find(|v| !self.vars.contains(v))
        {
            return self.fail(format!("undefined variable \"${name}\""));
        }
        Ok(pipe)
    }

    fn command(&mut self, place: &str) -> Result<Vec<Arg>> {
        let mut args = Vec::new();
        while !matches!(self.peek(), None | Some(Tok::Close | Tok::Pipe | Tok::RightParen)) {
            args.push(self.operand(place)?);
        }
        match args.as_slice() {
            [] => self.fail(format!("missing value for {place}")),
            [Arg::Nil, ..] => self.fail("nil is not a command"),
            [first @ (Arg::Literal(_) | Arg::Dot), _, ..] => {
                let what = if matches!(first, Arg::Dot) { "." } else { "a literal" };
                self.fail(format!("can't give argument to non-function {what}"))
            }
            _ => Ok(args),
        }
    }

    fn operand(&mut self, place: &str) -> Result<Arg> {
        let token = self.peek().cloned();
        let mut arg = match token {
            Some(Tok::Dot) => Arg::Dot,
            Some(Tok::Literal(value)) => Arg::Literal(value),
            Some(Tok::Field { name, .. }) => Arg::Field(vec![name]),
            Some(Tok::Var(name)) if self.vars.contains(&name) => Arg::Var(name, Vec::new()),
            Some(Tok::Var(name)) => return self.fail(format!("undefined variable \"${name}\"")),
            Some(Tok::Ident(name)) if name == "nil" => Arg::Nil,
            Some(Tok::Ident(name)) if functions::known(&name) => Arg::Function(name),
            Some(Tok::Ident(name)) if !is_keyword(&name) => {
                return self.fail(format!("function \"{name}\" not defined"));
            }
            Some(Tok::LeftParen) => {
                self.next += 1;
                let pipe = self.nested(|p| p.pipeline("parenthesized pipeline", false))?;
                if self.peek() != Some(&Tok::RightParen) {
                    return self.fail(format!("unclosed left paren: unexpected {}", describe(self.peek())));
                }
                Arg::Paren(Box::new(pipe), Vec::new())
            }
            other => return self.fail(format!("unexpected {} in {place}", describe(other.as_ref()))),
        };
        self.next += 1;
        while let Some(Tok::Field { name, glued: true }) = self.peek().cloned() {
            match &mut arg {
                Arg::Field(path) | Arg::Var(_, path) | Arg::Paren(_, path) => path.push(name),
                _ => break,
            }
            self.next += 1;
        }
        Ok(arg)
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "if" | "else" | "end" | "range" | "with" | "define" | "template" | "block" | "break" | "continue")
}

fn describe(token: Option<&Tok>) -> String {
    match token {
        None => "end of template".into(),
        Some(Tok::Text(_)) => "text".into(),
        Some(Tok::Open) => "\"{{\"".into(),
        Some(Tok::Close) => "\"}}\"".into(),
        Some(Tok::Dot) => "<.>".into(),
        Some(Tok::Field { name, .. }) => format!("<.{name}>"),
        Some(Tok::Var(name)) => format!("<${name}>"),
        Some(Tok::Ident(name)) => format!("<{name}>"),
        Some(Tok::Literal(value)) => format!("{value}"),
        Some(Tok::LeftParen) => "\"(\"".into(),
        Some(Tok::RightParen) => "\")\"".into(),
        Some(Tok::Pipe) => "\"|\"".into(),
        Some(Tok::Comma) => "\",\"".into(),
        Some(Tok::Declare) => "\":=\"".into(),
        Some(Tok::Assign) => "\"=\"".into(),
    }
}
