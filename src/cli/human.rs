//! Sizes, durations and times as Docker prints them (docker/go-units), since scripts and eyes are used to them.

use jiff::Timestamp;
use std::time::Duration;

/// Bytes in decimal units with three digits: `0B`, `1.23kB`, `77.9MB` (go-units `HumanSizeWithPrecision(n, 3)`).
pub fn size(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// Bytes in binary units with four digits: `512MiB`, `1.5GiB` (go-units `BytesSize`), for memory.
pub fn bytes_size(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
}

fn scaled(mut value: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let mut text = significant(value, digits);
    // Rounding may reach the base (999.9 → 1000): Go prints `1e+03kB` there, which nobody can want.
    if text.parse::<f64>().is_ok_and(|v| v >= base) && unit + 1 < units.len() {
        unit += 1;
        text = "1".into();
    }
    format!("{text}{}", units[unit])
}

/// `%.{digits}g` for non-negative numbers below 10^digits.
fn significant(value: f64, digits: usize) -> String {
    let whole = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// A span in words: `Less than a second`, `About a minute`, `3 hours`, `2 weeks` (go-units `HumanDuration`).
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let hours = (span.as_secs_f64() / 3600.0 + 0.5) as u64;
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".into(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ => match hours {
            0..=1 => "About an hour".into(),
            2..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", seconds / 3600 / 24 / 365),
        },
    }
}

/// Time since `time` in words with `ago`: `2 hours ago`. A time in the future counts as now.
pub fn ago(time: Timestamp) -> String {
    format!("{} ago", duration(since(time)))
}

/// Time since an RFC 3339 string, in words without `ago` (`Up 2 hours`); empty when it is not a time.
pub fn since_text(rfc3339: &str) -> String {
    rfc3339.parse().map(|t| duration(since(t))).unwrap_or_default()
}

/// [`ago`] for an RFC 3339 string; empty when it is not a time.
pub fn ago_text(rfc3339: &str) -> String {
    rfc3339.parse().map(ago).unwrap_or_default()
}

/// Time passed since `time`, never negative.
pub fn since(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default()
}

/// An RFC 3339 string as `2024-05-01 10:11:12 +0000 UTC`, the form of Go's `time.String` in `{{.CreatedAt}}`.
pub fn created_at(rfc3339: &str) -> String {
    match rfc3339.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => rfc3339.to_string(),
    }
}

/// The first 12 characters of an id, without `sha256:`.
pub fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// At most `width` characters, the last of them `…` when something was cut.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker() {
        for (n, want) in [
            (0, "0B"),
            (7, "7B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.23kB"),
            (77_900_000, "77.9MB"),
            (117_300_000, "117MB"),
            (999_999, "1MB"),
            (1_500_000_000, "1.5GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(n), want, "{n}");
        }
        for (n, want) in [(0, "0B"), (1024, "1KiB"), (1536 * 1024 * 1024, "1.5GiB"), (1_048_575, "1MiB")] {
            assert_eq!(bytes_size(n), want, "{n}");
        }
    }

    #[test]
    fn durations_as_docker() {
        let hour = 3600;
        for (secs, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (hour, "About an hour"),
            (2 * hour, "2 hours"),
            (47 * hour, "47 hours"),
            (48 * hour, "2 days"),
            (13 * 24 * hour, "13 days"),
            (14 * 24 * hour, "2 weeks"),
            (61 * 24 * hour, "2 months"),
            (730 * 24 * hour, "2 years"),
        ] {
            assert_eq!(duration(Duration::from_secs(secs)), want, "{secs}");
        }
    }

    #[test]
    fn times_and_ids() {
        assert_eq!(created_at("2024-05-01T10:11:12.123456789Z"), "2024-05-01 10:11:12 +0000 UTC");
        assert_eq!(created_at("nonsense"), "nonsense");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("abc"), "abc");
        assert_eq!(ellipsis("abcdef", 4), "abc…");
        assert_eq!(ellipsis("äöüß", 4), "äöüß");
        assert_eq!(ago_text("2999-01-01T00:00:00Z"), "Less than a second ago");
    }
}
