//! Go's literals: strings, raw strings, characters, numbers.

use serde_json::{Number, Value};

/// A quoted literal at the start of `text`, with its length in bytes.
pub fn quoted(text: &str) -> Result<(Value, usize), &'static str> {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, c)| c).unwrap_or_default();
    if quote == '`' {
        let end = text[1..].find('`').ok_or("unterminated raw quoted string")?;
        return Ok((Value::String(text[1..1 + end].to_string()), end + 2));
    }
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return finish(quote, out, at + 1),
            '\n' => break,
            '\\' => out.push(escape(quote, &mut chars).ok_or("bad escape in quoted string")?),
            c => out.push(c),
        }
    }
    Err(if quote == '\'' { "unterminated character constant" } else { "unterminated quoted string" })
}

fn finish(quote: char, out: String, used: usize) -> Result<(Value, usize), &'static str> {
    if quote == '"' {
        return Ok((Value::String(out), used));
    }
    let mut chars = out.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok((Value::from(c as u32), used)),
        _ => Err("malformed character constant"),
    }
}

fn escape(quote: char, chars: &mut std::str::CharIndices) -> Option<char> {
    let (_, c) = chars.next()?;
    let digits = |chars: &mut std::str::CharIndices, radix: u32, n: usize, first: u32| {
        let mut value = first;
        for _ in 0..n {
            value = value.checked_mul(radix)? + chars.next()?.1.to_digit(radix)?;
        }
        char::from_u32(value)
    };
    Some(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => digits(chars, 16, 2, 0)?,
        'u' => digits(chars, 16, 4, 0)?,
        'U' => digits(chars, 16, 8, 0)?,
        '0'..='7' => digits(chars, 8, 2, c.to_digit(8)?)?,
        _ => return None,
    })
}

/// A number at the start of `text` (decimal, 0x, 0o, 0b, float, with sign and `_`), with its length in bytes.
pub fn number(text: &str) -> Result<(Value, usize), String> {
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    while end < bytes.len() {
        let c = bytes[end];
        let exponent_sign = matches!(c, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E' | b'p' | b'P');
        if !(c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_') || exponent_sign) {
            break;
        }
        // `0x1e+1` is a hexadecimal number and a sign, not an exponent.
        if exponent_sign && text[..end].contains(['x', 'X']) {
            break;
        }
        end += 1;
    }
    let written = &text[..end];
    let plain = written.replace('_', "");
    let (negative, body) = match plain.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = body.to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(p, r)| Some((lower.strip_prefix(p)?, r)));
    let whole = match radix {
        Some((digits, radix)) => i128::from_str_radix(digits, radix).ok(),
        // A leading zero means octal to Go.
        None if lower.len() > 1 && lower.starts_with('0') => i128::from_str_radix(&lower, 8).ok(),
        None => lower.parse().ok(),
    };
    let value = match whole.map(|n| if negative { -n } else { n }) {
        Some(n) => integer(n),
        None => lower.parse::<f64>().ok().and_then(|f| Number::from_f64(if negative { -f } else { f })),
    };
    let starts_like_one = body.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match value {
        Some(n) if starts_like_one => Ok((Value::Number(n), end)),
        _ => Err(format!("bad number syntax: \"{written}\"")),
    }
}

/// A JSON number of an integer, where it fits 64 bits.
pub fn integer(n: i128) -> Option<Number> {
    i64::try_from(n).map(Number::from).or_else(|_| u64::try_from(n).map(Number::from)).ok()
}
