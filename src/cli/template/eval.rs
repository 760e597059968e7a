//! Runs a syntax tree over a JSON value (Go's text/template/exec.go).

use super::functions::{self, Call};
use super::parser::{Arg, Branch, Node, Pipe, Tree};
use super::value::{self, Val};
use crate::error::{Error, Result};
use serde_json::Value;
use std::borrow::Cow;

/// Templates may call each other this deep; Go allows 100000 on growing stacks, ours is fixed.
const MAX_DEPTH: usize = 100;
/// Nodes that one rendering may run: `range` over a huge number must end.
const MAX_STEPS: usize = 10_000_000;
/// Bytes that one rendering may produce.
const MAX_OUTPUT: usize = 256 << 20;

pub fn error(message: impl std::fmt::Display) -> Error {
    Error::user(format!("render the template: {message}"))
}

/// The text that `tree` makes of `data`.
///
/// `header`: the data are column titles; functions that reshape a value leave them alone.
pub fn render(tree: &Tree, data: &Value, header: bool) -> Result<String> {
    let mut run = Run { tree, out: String::new(), depth: 0, steps: 0, header, root: data };
    let data = Cow::Borrowed(data);
    run.list(&tree.main, &data, &mut vec![(String::new(), data.clone())])?;
    Ok(run.out)
}

enum Flow {
    Next,
    Break,
    Continue,
}

type Vars<'a> = Vec<(String, Val<'a>)>;

struct Run<'a> {
    tree: &'a Tree,
    out: String,
    depth: usize,
    steps: usize,
    header: bool,
    root: &'a Value,
}

impl<'a> Run<'a> {
    fn list(&mut self, nodes: &'a [Node], dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Flow> {
        for node in nodes {
            self.steps += 1;
            if self.steps > MAX_STEPS || self.out.len() > MAX_OUTPUT {
                return Err(error("the output has no end"));
            }
            match self.node(node, dot, vars)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'a Node, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Flow> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot, vars)?;
                if pipe.vars.is_empty() {
                    self.out.push_str(&value::print(&value));
                }
            }
            Node::If(branch) | Node::With(branch) => return self.branch(node, branch, dot, vars),
            Node::Range(branch) => {
                let mark = vars.len();
                let flow = self.range(branch, dot, vars);
                vars.truncate(mark);
                return flow;
            }
            Node::Template { name, pipe } => self.call_template(name, pipe.as_ref(), dot, vars)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, node: &Node, branch: &'a Branch, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Flow> {
        let mark = vars.len();
        let value = self.pipe(&branch.pipe, dot, vars)?;
        let flow = match (value::truth(&value), node) {
            (true, Node::With(_)) => self.list(&branch.body, &value, vars),
            (true, _) => self.list(&branch.body, dot, vars),
            (false, _) => self.list(&branch.other, dot, vars),
        };
        vars.truncate(mark);
        flow
    }

    fn range(&mut self, branch: &'a Branch, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Flow> {
        let outer = vars.len();
        let over = self.pipe_value(&branch.pipe, dot, vars)?;
        vars.truncate(outer);
        let mut any = false;
        for (key, item) in elements(&over, self.header)? {
            any = true;
            let names = &branch.pipe.vars;
            let mut given = vec![item.clone()];
            if names.len() == 2 {
                given.insert(0, Cow::Owned(key));
            }
            for (name, value) in names.iter().zip(given) {
                set(vars, name, value, branch.pipe.assign);
            }
            let flow = self.list(&branch.body, &item, vars)?;
            vars.truncate(outer);
            if matches!(flow, Flow::Break) {
                return Ok(Flow::Next);
            }
        }
        match any {
            true => Ok(Flow::Next),
            false => self.list(&branch.other, dot, vars),
        }
    }

    fn call_template(&mut self, name: &str, pipe: Option<&'a Pipe>, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<()> {
        let tree = self.tree;
        let body = tree.named.get(name).ok_or_else(|| error(format!("template \"{name}\" not defined")))?;
        if self.depth == MAX_DEPTH {
            return Err(error(format!("template \"{name}\" calls itself too deeply")));
        }
        let data = match pipe {
            Some(pipe) => self.pipe(pipe, dot, vars)?,
            None => Cow::Owned(Value::Null),
        };
        self.depth += 1;
        let result = self.list(body, &data, &mut vec![(String::new(), data.clone())]);
        self.depth -= 1;
        result.map(|_| ())
    }

    /// A pipeline's value, stored in its variables.
    fn pipe(&mut self, pipe: &'a Pipe, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Val<'a>> {
        let value = self.pipe_value(pipe, dot, vars)?;
        for name in &pipe.vars {
            set(vars, name, value.clone(), pipe.assign);
        }
        Ok(value)
    }

    fn pipe_value(&mut self, pipe: &'a Pipe, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Val<'a>> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot, vars)?);
        }
        Ok(last.unwrap_or(Cow::Owned(Value::Null)))
    }

    fn command(
        &mut self,
        command: &'a [Arg],
        piped: Option<Val<'a>>,
        dot: &Val<'a>,
        vars: &mut Vars<'a>,
    ) -> Result<Val<'a>> {
        let (first, rest) = command.split_first().ok_or_else(|| error("empty command"))?;
        if let Arg::Function(name) = first {
            return self.function(name, rest, piped, dot, vars);
        }
        if rest.is_empty() && piped.is_none() {
            return self.arg(first, dot, vars);
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for arg in rest {
            args.push(self.arg(arg, dot, vars)?);
        }
        args.extend(piped);
        let (receiver, path) = match first {
            Arg::Field(path) => (dot.clone(), path),
            Arg::Var(name, path) => (lookup(vars, name), path),
            Arg::Paren(pipe, path) => (self.pipe(pipe, dot, vars)?, path),
            _ => return Err(error("can't give argument to non-function")),
        };
        match path.split_last() {
            Some((method, path)) => {
                let receiver = self.walk(receiver, path)?;
                self.method(&receiver, method, &args)
            }
            None => Err(error("can't give argument to non-function")),
        }
    }

    /// `{{.Label "key"}}`: an object stands in for Docker's method, under `_Label` or, in the plural, `Labels`.
    fn method(&self, receiver: &Val<'a>, name: &str, args: &[Val<'a>]) -> Result<Val<'a>> {
        let map = [format!("_{name}"), format!("{name}s")].into_iter().find_map(|key| receiver.get(key)?.as_object());
        let (Some(map), [key]) = (map, args) else {
            return Err(error(format!("{name} is not a method but has arguments")));
        };
        let key = key.as_str().ok_or_else(|| error(format!("wrong type for argument of {name}: expected string")))?;
        Ok(Cow::Owned(map.get(key).cloned().unwrap_or_else(|| match self.header {
            // Docker heads such a column with the last part of the label's name.
            true => key.rsplit('.').next().unwrap_or(key).replace(['-', '_'], " ").to_uppercase().into(),
            false => "".into(),
        })))
    }

    fn function(
        &mut self,
        name: &str,
        args: &'a [Arg],
        piped: Option<Val<'a>>,
        dot: &Val<'a>,
        vars: &mut Vars<'a>,
    ) -> Result<Val<'a>> {
        if matches!(name, "and" | "or") {
            // Evaluated left to right, and no further than needed.
            let mut last = None;
            for arg in args {
                let value = self.arg(arg, dot, vars)?;
                if value::truth(&value) == (name == "or") {
                    return Ok(value);
                }
                last = Some(value);
            }
            return piped
                .or(last)
                .ok_or_else(|| error(format!("wrong number of args for {name}: want at least 1 got 0")));
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in args {
            values.push(self.arg(arg, dot, vars)?);
        }
        values.extend(piped);
        functions::call(Call { name, args: &values, header: self.header })
    }

    fn arg(&mut self, arg: &'a Arg, dot: &Val<'a>, vars: &mut Vars<'a>) -> Result<Val<'a>> {
        match arg {
            Arg::Dot => Ok(dot.clone()),
            Arg::Nil => Ok(Cow::Owned(Value::Null)),
            Arg::Literal(value) => Ok(Cow::Borrowed(value)),
            Arg::Field(path) => self.walk(dot.clone(), path),
            Arg::Var(name, path) => self.walk(lookup(vars, name), path),
            Arg::Function(name) => self.function(name, &[], None, dot, vars),
            Arg::Paren(pipe, path) => {
                let mark = vars.len();
                let value = self.pipe(pipe, dot, vars)?;
                vars.truncate(mark);
                self.walk(value, path)
            }
        }
    }

    fn walk(&self, mut value: Val<'a>, path: &[String]) -> Result<Val<'a>> {
        for name in path {
            value = self.field(value, name)?;
        }
        Ok(value)
    }

    /// `.Name` of a value. Docker and podman hold structures, where an unknown field is an error, and maps, where it
    /// is no value. The outermost object (a listing's row, an inspected object) is taken for a structure, so that
    /// spelling mistakes are found; below it all is lenient.
    fn field(&self, value: Val<'a>, name: &str) -> Result<Val<'a>> {
        let is_root = std::ptr::eq(value.as_ref(), self.root);
        let name = value.as_object().and_then(|map| tagged(map, name)).unwrap_or_else(|| name.to_string());
        let name = name.as_str();
        match value.as_ref() {
            Value::Object(map) if self.header && is_root && !map.contains_key(name) => {
                Ok(Cow::Owned(value::title_of(name).into()))
            }
            Value::Object(map) if is_root && !map.contains_key(name) => {
                let mut known: Vec<&str> = map.keys().map(String::as_str).filter(|k| !k.starts_with('_')).collect();
                known.sort_unstable();
                Err(error(format!("there is no field '{name}'")).hint(format!("the fields are {}", known.join(", "))))
            }
            Value::Object(_) => Ok(child(value, name)),
            Value::Null => Ok(Cow::Owned(Value::Null)),
            Value::String(_) if self.header => Ok(Cow::Owned(value::title_of(name).into())),
            other => Err(error(format!("can't evaluate field {name} in type {}", value::type_name(other)))),
        }
    }
}

/// The key that Go's field `Name` has in JSON where it begins in lower case there (`.Host.Arch` of podman's info).
fn tagged(map: &serde_json::Map<String, Value>, name: &str) -> Option<String> {
    if map.contains_key(name) || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let lower = |key: &&String| key.starts_with(|c: char| c.is_ascii_lowercase()) && key.eq_ignore_ascii_case(name);
    map.keys().find(lower).cloned()
}

/// A member without copying borrowed data.
fn child<'a>(value: Val<'a>, name: &str) -> Val<'a> {
    match value {
        Cow::Borrowed(value) => value.get(name).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        Cow::Owned(mut value) => Cow::Owned(value.get_mut(name).map(Value::take).unwrap_or(Value::Null)),
    }
}

fn lookup<'a>(vars: &Vars<'a>, name: &str) -> Val<'a> {
    vars.iter().rev().find(|(n, _)| n == name).map_or(Cow::Owned(Value::Null), |(_, v)| v.clone())
}

fn set<'a>(vars: &mut Vars<'a>, name: &str, value: Val<'a>, assign: bool) {
    match vars.iter_mut().rev().find(|(n, _)| assign && n == name) {
        Some(slot) => slot.1 = value,
        None => vars.push((name.to_string(), value)),
    }
}

/// What `range` runs over: (key or index, element), objects sorted by key.
fn elements<'a>(over: &Val<'a>, header: bool) -> Result<Box<dyn Iterator<Item = (Value, Val<'a>)> + 'a>> {
    fn owned<'a>(items: Vec<(Value, Value)>) -> Box<dyn Iterator<Item = (Value, Val<'a>)> + 'a> {
        Box::new(items.into_iter().map(|(k, v)| (k, Cow::Owned(v))))
    }
    Ok(match over {
        Cow::Borrowed(Value::Array(items)) => {
            Box::new(items.iter().enumerate().map(|(i, v)| (Value::from(i), Cow::Borrowed(v))))
        }
        Cow::Owned(Value::Array(items)) => {
            owned(items.iter().enumerate().map(|(i, v)| (Value::from(i), v.clone())).collect())
        }
        Cow::Borrowed(Value::Object(map)) => {
            let mut items: Vec<_> = map.iter().collect();
            items.sort_by_key(|(k, _)| *k);
            Box::new(items.into_iter().map(|(k, v)| (Value::from(k.as_str()), Cow::Borrowed(v))))
        }
        Cow::Owned(Value::Object(map)) => {
            let mut items: Vec<_> = map.iter().map(|(k, v)| (Value::from(k.as_str()), v.clone())).collect();
            items.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
            owned(items)
        }
        other => match other.as_ref() {
            Value::Null => owned(Vec::new()),
            Value::String(_) if header => owned(vec![(Value::from(0), other.as_ref().clone())]),
            Value::Number(n) if n.is_i64() || n.is_u64() => {
                let end = n.as_i64().unwrap_or(i64::MAX);
                Box::new((0..end).map(|i| (Value::from(i), Cow::Owned(Value::from(i)))))
            }
            value => return Err(error(format!("range can't iterate over {}", value::print(value)))),
        },
    })
}
