//! The functions of templates: Go's built-ins and Docker's own (cli/templates/templates.go).

use super::eval::error;
use super::printf;
use super::value::{self, Val};
use crate::error::Result;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

const NAMES: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery",
];

/// Whether there is such a function.
pub fn known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// One call, its arguments evaluated.
pub struct Call<'c, 'a> {
    pub name: &'c str,
    pub args: &'c [Val<'a>],
    /// Column titles are passed through by what would reshape the column's values.
    pub header: bool,
}

pub fn call<'a>(call: Call<'_, 'a>) -> Result<Val<'a>> {
    if call.header
        && matches!(call.name, "json" | "title" | "lower" | "upper" | "truncate" | "join" | "split" | "index" | "slice")
        && let Some(title) = call.args.iter().find(|a| a.is_string())
    {
        return Ok(title.clone());
    }
    call.count()?;
    let a = call.args;
    let text: String = match call.name {
        "not" => return Ok(Cow::Owned(Value::Bool(!value::truth(&a[0])))),
        "eq" => return call.eq(),
        "ne" => return call.compare(|c| Ok(!c.equal(0, 1)?)),
        "lt" => return call.compare(|c| Ok(c.order()? == Ordering::Less)),
        "le" => return call.compare(|c| Ok(c.order()? != Ordering::Greater)),
        "gt" => return call.compare(|c| Ok(c.order()? == Ordering::Greater)),
        "ge" => return call.compare(|c| Ok(c.order()? != Ordering::Less)),
        "len" => return call.len(),
        "index" => return call.index(),
        "slice" => return call.slice(),
        "split" => {
            let (text, separator) = (call.string(0)?, call.string(1)?);
            let parts: Vec<Value> = match separator {
                "" => text.chars().map(|c| c.to_string().into()).collect(),
                separator => text.split(separator).map(Value::from).collect(),
            };
            return Ok(Cow::Owned(Value::Array(parts)));
        }
        "join" => call.join()?,
        "json" => value::visible(&a[0]).to_string(),
        "title" => title(call.string(0)?),
        "lower" => call.string(0)?.to_lowercase(),
        "upper" => call.string(0)?.to_uppercase(),
        "pad" => match call.string(0)? {
            "" => String::new(),
            text => format!("{}{text}{}", " ".repeat(call.width(1)?), " ".repeat(call.width(2)?)),
        },
        "truncate" => call.string(0)?.chars().take(call.width(1)?).collect(),
        "print" => printf::sprint(a),
        "println" => printf::sprintln(a),
        "printf" => printf::sprintf(call.string(0)?, &a[1..]),
        "html" => escape_html(&printf::sprint(a)),
        "js" => escape_js(&printf::sprint(a)),
        "urlquery" => escape_query(&printf::sprint(a)),
        "call" => return Err(error("error calling call: a JSON value is no function")),
        name => return Err(error(format!("function \"{name}\" not defined"))),
    };
    Ok(Cow::Owned(Value::String(text)))
}

impl<'a> Call<'_, 'a> {
    fn count(&self) -> Result<()> {
        let (least, most) = match self.name {
            "not" | "len" | "json" | "title" | "lower" | "upper" => (1, 1),
            "ne" | "lt" | "le" | "gt" | "ge" | "split" | "join" | "truncate" => (2, 2),
            "pad" => (3, 3),
            "eq" => (2, usize::MAX),
            "index" | "printf" | "call" => (1, usize::MAX),
            "slice" => (1, 4),
            _ => (0, usize::MAX),
        };
        let given = self.args.len();
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let want = if least == most { least.to_string() } else { format!("at least {least}") };
        Err(error(format!("wrong number of args for {}: want {want} got {given}", self.name)))
    }

    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(error(format!("error calling {}: {message}", self.name)))
    }

    fn string(&self, i: usize) -> Result<&str> {
        match self.args[i].as_ref() {
            Value::String(text) => Ok(text),
            // A label or field that is not there counts as empty, as Go's typed maps have it.
            Value::Null => Ok(""),
            other => self.fail(format!("wrong type for value; expected string; got {}", value::type_name(other))),
        }
    }

    fn integer(&self, i: usize) -> Result<i128> {
        match self.args[i].as_ref() {
            Value::Number(n) if value::whole(n).is_some() => Ok(value::whole(n).unwrap_or_default()),
            other => self.fail(format!("cannot index slice/array with type {}", value::type_name(other))),
        }
    }

    /// A count of characters for `pad` and `truncate`.
    fn width(&self, i: usize) -> Result<usize> {
        match usize::try_from(self.integer(i)?) {
            Ok(n) if n <= 1 << 20 => Ok(n),
            _ => self.fail("width out of range"),
        }
    }

    fn compare(&self, test: impl Fn(&Self) -> Result<bool>) -> Result<Val<'a>> {
        Ok(Cow::Owned(Value::Bool(test(self)?)))
    }

    fn equal(&self, i: usize, k: usize) -> Result<bool> {
        match value::equal(&self.args[i], &self.args[k]) {
            Some(same) => Ok(same),
            None => self.fail("incompatible types for comparison"),
        }
    }

    fn order(&self) -> Result<Ordering> {
        match value::order(&self.args[0], &self.args[1]) {
            Some(order) => Ok(order),
            None => self.fail("incompatible types for comparison"),
        }
    }

    /// `eq a b c`: whether a equals any of the others.
    fn eq(&self) -> Result<Val<'a>> {
        for i in 1..self.args.len() {
            if self.equal(0, i)? {
                return Ok(Cow::Owned(Value::Bool(true)));
            }
        }
        Ok(Cow::Owned(Value::Bool(false)))
    }

    fn len(&self) -> Result<Val<'a>> {
        let len = match self.args[0].as_ref() {
            Value::String(text) => text.len(),
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            Value::Null => 0,
            other => return self.fail(format!("len of type {}", value::type_name(other))),
        };
        Ok(Cow::Owned(Value::from(len)))
    }

    fn index(&self) -> Result<Val<'a>> {
        let mut value = self.args[0].as_ref().clone();
        for i in 1..self.args.len() {
            value = match (value, self.args[i].as_ref()) {
                (Value::Object(mut map), Value::String(key)) => {
                    // Go gives the zero value of the map's type: "" for labels, nothing for structures.
                    let texts = map.values().all(Value::is_string);
                    map.get_mut(key).map(Value::take).unwrap_or(if texts { "".into() } else { Value::Null })
                }
                (Value::Null, Value::String(_)) => Value::Null,
                (Value::Array(mut items), Value::Number(_)) => {
                    let at = self.integer(i)?;
                    let slot = usize::try_from(at).ok().and_then(|at| items.get_mut(at));
                    match slot {
                        Some(item) => item.take(),
                        None => return self.fail(format!("index out of range: {at}")),
                    }
                }
                (Value::String(text), Value::Number(_)) => {
                    let at = self.integer(i)?;
                    match usize::try_from(at).ok().and_then(|at| text.as_bytes().get(at).copied()) {
                        Some(byte) => byte.into(),
                        None => return self.fail(format!("index out of range: {at}")),
                    }
                }
                (Value::Null, _) => return self.fail("index of untyped nil"),
                (Value::Object(_), key) => {
                    return self.fail(format!("value has type {}; should be string", value::type_name(key)));
                }
                (item, _) => return self.fail(format!("can't index item of type {}", value::type_name(&item))),
            };
        }
        Ok(Cow::Owned(value))
    }

    fn slice(&self) -> Result<Val<'a>> {
        let len = match self.args[0].as_ref() {
            Value::String(text) => text.len(),
            Value::Array(items) => items.len(),
            other => return self.fail(format!("can't slice item of type {}", value::type_name(other))),
        };
        let mut bounds = [0, len];
        for (i, bound) in bounds.iter_mut().enumerate().take(self.args.len() - 1) {
            *bound = match usize::try_from(self.integer(i + 1)?) {
                Ok(n) if n <= len => n,
                _ => return self.fail(format!("index out of range: {}", self.integer(i + 1)?)),
            };
        }
        let [from, to] = bounds;
        if from > to {
            return self.fail(format!("invalid slice index: {from} > {to}"));
        }
        Ok(Cow::Owned(match self.args[0].as_ref() {
            Value::Array(items) => Value::Array(items[from..to].to_vec()),
            // Go cuts bytes; a cut character becomes the replacement character when it is printed.
            other => String::from_utf8_lossy(&other.as_str().unwrap_or_default().as_bytes()[from..to]).into(),
        }))
    }

    fn join(&self) -> Result<String> {
        let separator = self.string(1)?;
        match self.args[0].as_ref() {
            Value::Array(items) => Ok(items.iter().map(value::plain).collect::<Vec<_>>().join(separator)),
            Value::Null => Ok(String::new()),
            other => self.fail(format!("wrong type for value; expected []string; got {}", value::type_name(other))),
        }
    }
}

/// Go's strings.Title: the first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        match start {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        start = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b if b.is_ascii_alphanumeric() => out.push(b as char),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
