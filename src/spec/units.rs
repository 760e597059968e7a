//! Sizes, durations and moments as people write them.

use crate::error::{Error, Result};
use jiff::{Timestamp, Zoned, civil::Date, civil::DateTime, tz::TimeZone};
use std::time::Duration;

/// A size in bytes: `512`, `64m`, `1.5g`, `2 GiB`. Suffixes are binary and case does not count (docker's RAMInBytes):
/// `b k m g t p`, each optionally followed by `b` or `ib`.
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || Error::user(format!("read size '{text}'")).hint("write a number with b, k, m, g, t or p, like 64m");
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, suffix) = trimmed.split_at(digits);
    let suffix = suffix.trim_start().to_ascii_lowercase();
    let unit = match suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" => {
            // "ib" alone is no unit.
            if suffix == "ib" {
                return Err(bad());
            }
            0
        }
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(bad()),
    };
    if !number.contains('.') {
        let whole: u64 = number.parse().map_err(|_| bad())?;
        return whole.checked_mul(1 << unit).ok_or_else(bad);
    }
    let value: f64 = number.parse().map_err(|_| bad())?;
    let bytes = value * (1u64 << unit) as f64;
    if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(bad()) }
}

/// A Go duration: `300ms`, `1h30m`, `1.5s`; a bare `0` too. Negative ones are refused.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || Error::user(format!("read duration '{text}'")).hint("write it like 90s, 1h30m or 300ms");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(bad());
    }
    let mut nanos: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let value: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanos += value
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return Err(bad()),
            };
        rest = &rest[end..];
    }
    if nanos < u64::MAX as f64 { Ok(Duration::from_nanos(nanos as u64)) } else { Err(bad()) }
}

/// A moment for `--since` and `--until`: RFC 3339, a local date or time without zone, unix seconds with an optional
/// fraction, or a Go duration counted back from `now`.
pub fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp> {
    let bad = || {
        Error::user(format!("read time '{text}'"))
            .hint("write a date (2026-01-31T12:00:00), unix seconds, or an age (10m)")
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(age) = parse_duration(text)
        && text != "0"
    {
        return now.checked_sub(age).map_err(|_| bad());
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = seconds.parse().map_err(|_| bad())?;
        let mut digits: String = fraction.chars().take(9).collect();
        while digits.len() < 9 {
            digits.push('0');
        }
        return Timestamp::new(seconds, digits.parse().map_err(|_| bad())?).map_err(|_| bad());
    }
    let local = |at: DateTime| -> Result<Timestamp> {
        let zoned: Zoned = at.to_zoned(TimeZone::system()).map_err(|_| bad())?;
        Ok(zoned.timestamp())
    };
    if let Ok(at) = text.parse::<DateTime>() {
        return local(at);
    }
    // Docker takes times without seconds too.
    if let Ok(at) = DateTime::strptime("%Y-%m-%dT%H:%M", text) {
        return local(at);
    }
    if let Ok(date) = text.parse::<Date>() {
        return local(date.at(0, 0, 0, 0));
    }
    Err(bad())
}

/// A Go boolean: `1 t true yes on` and their opposites.
pub fn parse_bool(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "no" | "off" => Ok(false),
        _ => Err(Error::user(format!("read '{text}' as true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("512", Some(512)),
            ("512b", Some(512)),
            ("1k", Some(1024)),
            ("1K", Some(1024)),
            ("1kb", Some(1024)),
            ("1KiB", Some(1024)),
            ("64m", Some(64 << 20)),
            ("1.5g", Some(3 << 29)),
            ("2 GB", Some(2 << 30)),
            ("1t", Some(1 << 40)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("1ib", None),
            ("1mm", None),
            ("99999999999p", None),
            (".", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_size(text).ok(), *want, "{text}");
        }
    }

    #[test]
    fn durations() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("300ms", Some(300_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("10µs", Some(10_000)),
            ("5", None),
            ("", None),
            ("-5s", None),
            ("5x", None),
            ("s", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_duration(text).ok().map(|d| d.as_nanos() as u64), *want, "{text}");
        }
    }

    #[test]
    fn moments() {
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        let is = |text: &str, want: &str| {
            assert_eq!(parse_time(text, now).unwrap(), want.parse::<Timestamp>().unwrap(), "{text}");
        };
        is("10m", "2026-05-01T11:50:00Z");
        is("2026-04-30T10:00:00.5+02:00", "2026-04-30T08:00:00.5Z");
        is("1700000000", "2023-11-14T22:13:20Z");
        is("1700000000.25", "2023-11-14T22:13:20.25Z");
        for bad in ["", "yesterday", "2026-13-01", "1.2.3"] {
            assert!(parse_time(bad, now).is_err(), "{bad}");
        }
        for local in ["2026-04-30T10:00:00", "2026-04-30T10:00", "2026-04-30"] {
            assert!(parse_time(local, now).is_ok(), "{local}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse_size(&text);
            let _ = parse_duration(&text);
            let _ = parse_time(&text, Timestamp::UNIX_EPOCH);
        }
        #[test]
        fn whole_sizes_are_exact(n in 0u64..1 << 40) {
            prop_assert_eq!(parse_size(&n.to_string()).unwrap(), n);
            prop_assert_eq!(parse_size(&format!("{}k", n >> 4)).unwrap(), (n >> 4) << 10);
        }
    }
}
