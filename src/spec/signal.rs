//! Signal names and numbers (signal(7), Linux on x86_64 and aarch64).

use crate::error::{Error, Result};

/// Number → name without `SIG`, 1 to 31.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`.
pub fn parse(text: &str) -> Result<i32> {
    let bad = || Error::user(format!("read signal '{text}'")).hint("write a name like TERM or a number from 1 to 64");
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=RTMAX).contains(&number) { Ok(number) } else { Err(bad()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(index) = NAMES.iter().position(|n| *n == name) {
        return Ok(index as i32 + 1);
    }
    match name {
        "IOT" => return Ok(6),
        "CLD" => return Ok(17),
        "POLL" => return Ok(29),
        _ => {}
    }
    let offset = |digits: &str| -> Option<i32> {
        (digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let number = if name == "RTMIN" {
        Some(RTMIN)
    } else if name == "RTMAX" {
        Some(RTMAX)
    } else if let Some(digits) = name.strip_prefix("RTMIN+") {
        offset(digits).map(|n| RTMIN + n)
    } else if let Some(digits) = name.strip_prefix("RTMAX-") {
        offset(digits).map(|n| RTMAX - n)
    } else {
        None
    };
    number.filter(|n| (RTMIN..=RTMAX).contains(n)).ok_or_else(bad)
}

/// `SIGTERM`; numbers without a name stay numbers.
pub fn name(number: i32) -> String {
    match usize::try_from(number - 1).ok().and_then(|i| NAMES.get(i)) {
        Some(name) => format!("SIG{name}"),
        None if (RTMIN..=RTMAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let cases = [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigkill", Some(9)),
            ("9", Some(9)),
            ("RTMIN+3", Some(37)),
            ("SIGRTMAX-14", Some(50)),
            ("RTMIN", Some(34)),
            ("WINCH", Some(28)),
            ("0", None),
            ("65", None),
            ("-1", None),
            ("NOPE", None),
            ("", None),
            ("RTMIN+99", None),
            ("RTMIN+", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).ok(), want, "{text}");
        }
        for number in (1..=31).chain(34..=64) {
            assert_eq!(parse(&name(number)).unwrap(), number);
        }
    }
}
