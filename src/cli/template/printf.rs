//! Go's fmt: Sprint, Sprintln and Sprintf over JSON values.

use super::value::{self, Val};
use serde_json::Value;

/// Widest padding that a format may ask for.
const MAX_WIDTH: usize = 1 << 16;

/// Operands side by side, with a space between two that are not strings.
pub fn sprint(args: &[Val]) -> String {
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && !arg.is_string() && !args[i - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&value::plain(arg));
    }
    out
}

/// Operands with spaces between them and a newline behind.
pub fn sprintln(args: &[Val]) -> String {
    let texts: Vec<String> = args.iter().map(|a| value::plain(a)).collect();
    texts.join(" ") + "\n"
}

#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats as Go does, its complaints (`%!d(string=x)`, `%!s(MISSING)`, `%!(EXTRA …)`) included.
pub fn sprintf(format: &str, args: &[Val]) -> String {
    let mut out = String::new();
    let mut next = args.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut flags = Flags::default();
        rest = read_flags(rest, &mut flags, &mut next);
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            return out;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        match next.next() {
            Some(arg) => out.push_str(&verb_text(verb, arg, &flags)),
            None => out.push_str(&format!("%!{verb}(MISSING)")),
        }
    }
    out.push_str(rest);
    let extra: Vec<String> = next.map(|a| format!("{}={}", value::type_name(a), value::plain(a))).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn read_flags<'f, 'v: 'i, 'i>(
    mut rest: &'f str,
    flags: &mut Flags,
    args: &mut impl Iterator<Item = &'i Val<'v>>,
) -> &'f str {
    while let Some(c) = rest.chars().next() {
        match c {
            '-' => flags.minus = true,
            '+' => flags.plus = true,
            '#' => flags.sharp = true,
            ' ' => flags.space = true,
            '0' => flags.zero = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    (flags.width, rest) = read_number(rest, flags, args);
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = read_number(after, flags, args);
        flags.precision = Some(precision.unwrap_or(0));
        rest = after;
    }
    rest
}

fn read_number<'f, 'v: 'i, 'i>(
    rest: &'f str,
    flags: &mut Flags,
    args: &mut impl Iterator<Item = &'i Val<'v>>,
) -> (Option<usize>, &'f str) {
    if let Some(after) = rest.strip_prefix('*') {
        let n = args.next().and_then(|a| a.as_i64()).unwrap_or(0);
        flags.minus |= n < 0;
        return (Some((n.unsigned_abs() as usize).min(MAX_WIDTH)), after);
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (rest[..digits].parse().ok().map(|n: usize| n.min(MAX_WIDTH)), &rest[digits..])
}

fn verb_text(verb: char, arg: &Value, flags: &Flags) -> String {
    if verb == 'T' {
        return pad(value::type_name(arg).into(), flags);
    }
    match arg {
        // Lists and maps are formatted element by element.
        Value::Array(items) if verb != 'v' => {
            let parts: Vec<String> = items.iter().map(|item| verb_text(verb, item, flags)).collect();
            format!("[{}]", parts.join(" "))
        }
        Value::Object(map) if verb != 'v' => {
            let mut parts: Vec<_> = map.iter().collect();
            parts.sort_by_key(|(k, _)| *k);
            let parts: Vec<String> = parts
                .into_iter()
                .map(|(k, v)| format!("{}:{}", verb_text(verb, &k.as_str().into(), flags), verb_text(verb, v, flags)))
                .collect();
            format!("map[{}]", parts.join(" "))
        }
        _ => match scalar(verb, arg, flags) {
            Some(text) => pad(text, flags),
            None if arg.is_null() => format!("%!{verb}(<nil>)"),
            None => format!("%!{verb}({}={})", value::type_name(arg), value::plain(arg)),
        },
    }
}

/// The text of a verb before padding; `None` when the verb does not fit the value.
fn scalar(verb: char, arg: &Value, flags: &Flags) -> Option<String> {
    match (verb, arg) {
        ('v', Value::String(text)) if flags.sharp => Some(quote(text)),
        ('v', Value::Number(n)) if flags.plus => signed(n, flags),
        ('v', _) => Some(value::plain(arg)),
        ('t', Value::Bool(b)) => Some(b.to_string()),
        ('s', Value::String(text)) => Some(cut(text, flags)),
        ('q', Value::String(text)) if flags.sharp && !text.contains('`') => Some(format!("`{text}`")),
        ('q', Value::String(text)) => Some(quote(&cut(text, flags))),
        ('x', Value::String(text)) => Some(text.bytes().map(|b| format!("{b:02x}")).collect()),
        ('X', Value::String(text)) => Some(text.bytes().map(|b| format!("{b:02X}")).collect()),
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Number(n)) if n.is_f64() => Some(float(verb, n.as_f64()?, flags)),
        (_, Value::Number(n)) => integer(verb, value::whole(n)?, flags),
        _ => None,
    }
}

fn signed(n: &serde_json::Number, flags: &Flags) -> Option<String> {
    match value::whole(n) {
        Some(n) => integer('d', n, flags),
        None => Some(format!("{:+}", n.as_f64()?)),
    }
}

fn integer(verb: char, n: i128, flags: &Flags) -> Option<String> {
    let (prefix, digits) = match verb {
        'd' => ("", n.unsigned_abs().to_string()),
        'b' => (if flags.sharp { "0b" } else { "" }, format!("{:b}", n.unsigned_abs())),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{:o}", n.unsigned_abs())),
        'O' => ("0o", format!("{:o}", n.unsigned_abs())),
        'x' => (if flags.sharp { "0x" } else { "" }, format!("{:x}", n.unsigned_abs())),
        'X' => (if flags.sharp { "0X" } else { "" }, format!("{:X}", n.unsigned_abs())),
        'c' => return char::from_u32(u32::try_from(n).ok()?).map(String::from),
        'q' => return char::from_u32(u32::try_from(n).ok()?).map(|c| format!("'{c}'")),
        'U' => return Some(format!("U+{n:04X}")),
        _ => return None,
    };
    let sign = sign(n < 0, flags);
    let digits = match flags.precision {
        Some(least) => format!("{digits:0>least$}"),
        None => digits,
    };
    Some(zero_fill(sign, prefix, digits, flags))
}

fn float(verb: char, f: f64, flags: &Flags) -> String {
    let magnitude = f.abs();
    let digits = match (verb, flags.precision) {
        ('e', precision) => value::exponent(&format!("{magnitude:.*e}", precision.unwrap_or(6))),
        ('E', precision) => value::exponent(&format!("{magnitude:.*E}", precision.unwrap_or(6))),
        ('f' | 'F', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
        (_, None) => value::float(magnitude),
        (_, Some(precision)) => general(magnitude, precision.max(1)),
    };
    zero_fill(sign(f.is_sign_negative(), flags), "", digits, flags)
}

/// `%.{precision}g`.
fn general(f: f64, precision: usize) -> String {
    let scientific = format!("{f:.*e}", precision - 1);
    let exp: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exp < -4 || exp >= precision as i32 {
        let (mantissa, exp) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return value::exponent(&format!("{}e{exp}", trim(mantissa)));
    }
    trim(&format!("{f:.*}", (precision as i32 - 1 - exp).max(0) as usize))
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

fn zero_fill(sign: &str, prefix: &str, digits: String, flags: &Flags) -> String {
    let width = match flags.zero && !flags.minus && flags.precision.is_none() {
        true => flags.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len()),
        false => 0,
    };
    format!("{sign}{prefix}{digits:0>width$}")
}

fn cut(text: &str, flags: &Flags) -> String {
    text.chars().take(flags.precision.unwrap_or(usize::MAX)).collect()
}

/// strconv.Quote.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

fn pad(text: String, flags: &Flags) -> String {
    let width = flags.width.unwrap_or(0);
    match flags.minus {
        true => format!("{text:<width$}"),
        false => format!("{text:>width$}"),
    }
}
