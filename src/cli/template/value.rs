//! JSON values seen as Go's: truth, printing (`%v`), comparison.

use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value of the data, or one made by a function.
pub type Val<'a> = Cow<'a, Value>;

/// Go's truth: everything but the empty value of its type.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

/// A value as an action prints it: like `%v`, but nothing is `<no value>`.
pub fn print(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".into(),
        other => plain(other),
    }
}

/// A value as fmt's `%v` prints it: `[a b]`, `map[k:v]`, `<nil>`.
pub fn plain(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&number(n)),
        Value::String(s) => out.push_str(s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().filter(|(k, _)| !k.starts_with('_')).collect();
            keys.sort_by_key(|(k, _)| *k);
            out.push_str("map[");
            for (i, (key, item)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write(item, out);
            }
            out.push(']');
        }
    }
}

fn number(n: &Number) -> String {
    match n.as_f64() {
        Some(f) if n.is_f64() => float(f),
        _ => n.to_string(),
    }
}

/// `%v` of a float64: the shortest text, with an exponent below 1e-4 and from 1e21 on.
pub fn float(f: f64) -> String {
    if f != 0.0 && !(1e-4..1e21).contains(&f.abs()) {
        return exponent(&format!("{f:e}"));
    }
    f.to_string()
}

/// Go writes at least two digits and a sign in exponents: `1e+21`, `1e-05`.
pub fn exponent(text: &str) -> String {
    let Some((mantissa, exp)) = text.split_once(['e', 'E']) else { return text.to_string() };
    let letter = if text.contains('E') { 'E' } else { 'e' };
    let (sign, digits) = match exp.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exp.strip_prefix('+').unwrap_or(exp)),
    };
    format!("{mantissa}{letter}{sign}{digits:0>2}")
}

/// The Go type that a JSON value would have.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Equality of basic values; `None` when they can't be compared (lists, maps, different types).
pub fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Some(a == b),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => None,
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        _ => Some(order(a, b)? == Ordering::Equal),
    }
}

/// Order of two numbers or two strings; `None` for anything else.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

/// An integer number, whatever its sign and size.
pub fn whole(n: &Number) -> Option<i128> {
    n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from))
}

/// The header of a field that has none: `ImageID` → `IMAGE ID`.
pub fn title_of(field: &str) -> String {
    let mut out = String::new();
    let mut lower_before = false;
    for c in field.chars() {
        if c.is_uppercase() && lower_before {
            out.push(' ');
        }
        lower_before = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_uppercase());
    }
    out
}

/// A row without the keys that serve methods (`_Label`).
pub fn visible(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Object(map) if map.keys().any(|k| k.starts_with('_')) => {
            let kept = map.iter().filter(|(k, _)| !k.starts_with('_')).map(|(k, v)| (k.clone(), v.clone()));
            Cow::Owned(Value::Object(kept.collect()))
        }
        other => Cow::Borrowed(other),
    }
}
