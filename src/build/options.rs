//! The `--flags` of instructions.

use super::lexer::Line;
use super::lint::nearest;
use super::source::Fault;

/// The flags of one line, checked against those that the instruction has.
pub struct Options<'l> {
    line: &'l Line,
    all: Vec<(String, Option<String>)>,
}

impl<'l> Options<'l> {
    pub fn new(line: &'l Line, known: &[&str]) -> Result<Options<'l>, Fault> {
        let mut all: Vec<(String, Option<String>)> = Vec::new();
        for word in &line.flags {
            let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
            if !known.contains(&name) {
                let wrong = Fault::new(line.span, format!("unknown flag: --{name}"));
                return Err(match nearest(name, known.iter().copied()) {
                    Some(near) => wrong.hint(format!("did you mean --{near}?")),
                    None => wrong,
                });
            }
            let repeatable = matches!(name, "mount" | "exclude" | "device");
            if !repeatable && all.iter().any(|(n, _)| n == name) {
                return Err(Fault::new(line.span, format!("duplicate flag specified: --{name}")));
            }
            let boolean = matches!(name, "link" | "parents" | "keep-git-dir" | "unpack");
            if value.is_none() && !boolean {
                return Err(Fault::new(line.span, format!("missing a value on flag: --{name}")));
            }
            all.push((name.to_string(), value.map(str::to_string)));
        }
        Ok(Options { line, all })
    }

    pub fn value(&mut self, name: &str) -> Option<String> {
        self.all.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.clone())
    }

    pub fn values(&mut self, name: &str) -> Vec<String> {
        self.all.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| v.clone()).collect()
    }

    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.all.iter().find(|(n, _)| n == name) {
            None => Ok(None),
            Some((_, value)) => match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None | Some("true") => Ok(Some(true)),
                Some("false") => Ok(Some(false)),
                Some(other) => {
                    Err(Fault::new(self.line.span, format!("expecting boolean value for flag --{name}, not: {other}")))
                }
            },
        }
    }
}

/// A Go duration in nanoseconds: 0, or at least one millisecond.
pub fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut total = 0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|end| *end > 0)?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().take_while(|c| c.is_alphabetic()).collect::<String>();
        total += number
            * match unit.as_str() {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end + unit.len()..];
    }
    (total == 0.0 && !text.is_empty() || (1e6..9e18).contains(&total)).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("1us", None),
            ("-1s", None),
            ("5", None),
            ("s", None),
            ("", None),
            ("9999999999h", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
    }
}
