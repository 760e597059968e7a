//! `--chmod`: octal, or symbolic as in chmod(1).

use crate::error::{Error, Result};

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeChange {
    Exactly(u32),
    Symbolic(Vec<Clause>),
}

/// One of `u=rwX`, `go-w`, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Mask of the classes: `0o700`, `0o070`, `0o007`.
    who: u32,
    operator: char,
    permissions: String,
}

impl ModeChange {
    pub fn parse(text: &str) -> Result<ModeChange> {
        let bad = || Error::user(format!("read --chmod={text}")).hint("755, or symbolic: u=rwX,go=rX");
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|m| *m <= 0o7777).ok_or_else(bad)?;
            return Ok(ModeChange::Exactly(mode));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let at = part.find(['=', '+', '-']).ok_or_else(bad)?;
            let mut who = 0;
            for c in part[..at].chars() {
                who |= match c {
                    'u' => 0o700,
                    'g' => 0o070,
                    'o' => 0o007,
                    'a' => 0o777,
                    _ => return Err(bad()),
                };
            }
            let mut rest = &part[at..];
            while let Some(operator) = rest.chars().next() {
                let end = rest[1..].find(['=', '+', '-']).map_or(rest.len(), |i| i + 1);
                let permissions = &rest[1..end];
                if permissions.contains(|c| !"rwxXst".contains(c)) {
                    return Err(bad());
                }
                let who = if who == 0 { 0o777 } else { who };
                clauses.push(Clause { who, operator, permissions: permissions.into() });
                rest = &rest[end..];
            }
        }
        Ok(ModeChange::Symbolic(clauses))
    }

    /// The new mode of something that has `mode`.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        let clauses = match self {
            ModeChange::Exactly(mode) => return *mode,
            ModeChange::Symbolic(clauses) => clauses,
        };
        clauses.iter().fold(mode, |mode, clause| {
            let mut bits = 0;
            for c in clause.permissions.chars() {
                bits |= match c {
                    'r' => 0o444 & clause.who,
                    'w' => 0o222 & clause.who,
                    'x' => 0o111 & clause.who,
                    'X' if directory || mode & 0o111 != 0 => 0o111 & clause.who,
                    's' => {
                        (if clause.who & 0o700 != 0 { 0o4000 } else { 0 })
                            | if clause.who & 0o070 != 0 { 0o2000 } else { 0 }
                    }
                    't' => 0o1000,
                    _ => 0,
                };
            }
            match clause.operator {
                '+' => mode | bits,
                '-' => mode & !bits,
                _ => (mode & !clause.who) | bits,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_modes_as_chmod_does() {
        for (text, mode, directory, want) in [
            ("755", 0o600, false, 0o755),
            ("0644", 0o777, true, 0o644),
            ("4755", 0, false, 0o4755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("u+s,o=", 0o755, false, 0o4750),
            ("u-w+x", 0o600, false, 0o500),
        ] {
            assert_eq!(ModeChange::parse(text).unwrap().apply(mode, directory), want, "{text} {mode:o}");
        }
        for bad in ["", "999", "77777", "u", "x=r", "u=q"] {
            assert!(ModeChange::parse(bad).is_err(), "{bad}");
        }
    }
}
