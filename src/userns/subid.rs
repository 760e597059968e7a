//! Subordinate ids: subuid(5), subgid(5), and `getsubids` for ranges that live in a directory service.

use std::fs;
use std::process::{Command, Stdio};

/// Ranges `(first, count)` that `file` gives the user, by name or by number, in file order.
pub(super) fn parse(text: &str, name: &str, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let (who, first, count) = (fields.next()?, fields.next()?, fields.next()?);
            let mine = (who == name && !name.is_empty()) || who == number;
            let (first, count) = (first.trim().parse::<u32>().ok()?, count.trim().parse::<u32>().ok()?);
            // A range that wraps is refused by newuidmap as a whole.
            (mine && count > 0 && first.checked_add(count - 1).is_some()).then_some((first, count))
        })
        .collect()
}

/// The user's ranges of one kind: the file first, then `getsubids`, which asks what nsswitch.conf names.
pub(super) fn ranges(file: &str, group: bool, name: &str, uid: u32) -> Vec<(u32, u32)> {
    let local = fs::read_to_string(file).map(|text| parse(&text, name, uid)).unwrap_or_default();
    if !local.is_empty() || !directory_service() {
        return local;
    }
    let mut command = Command::new("getsubids");
    if group {
        command.arg("-g");
    }
    let output = command.arg(name).stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map(|o| parse_getsubids(&String::from_utf8_lossy(&o.stdout))).unwrap_or_default()
}

/// Whether nsswitch.conf has a `subid:` line, without which getsubids reads the same files again.
fn directory_service() -> bool {
    fs::read_to_string("/etc/nsswitch.conf")
        .is_ok_and(|text| text.lines().any(|line| line.trim_start().starts_with("subid:")))
}

/// `0: alice 100000 65536` → (100000, 65536).
fn parse_getsubids(text: &str) -> Vec<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(2);
            let (first, count) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
            (count > 0 && first.checked_add(count - 1).is_some()).then_some((first, count))
        })
        .collect()
}

/// The name of `uid` in /etc/passwd, or empty: users of directory services may be named by number only.
pub(super) fn user_name(uid: u32) -> String {
    let find = |text: String| {
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
        })
    };
    fs::read_to_string("/etc/passwd").ok().and_then(find).unwrap_or_else(|| {
        // Set by login for users that only a directory service knows; newuidmap decides in the end.
        std::env::var("USER").unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ranges_by_name_and_number() {
        let text = "root:1:2\nalice:100000:65536\n# comment\n1000:300000:10\nbob:5:5\nalice:400000:1000\nalice:x:1\nalice:7:0\nalice:4294967295:2\n";
        assert_eq!(parse(text, "alice", 1000), [(100_000, 65536), (300_000, 10), (400_000, 1000)]);
        assert_eq!(parse(text, "", 1000), [(300_000, 10)]);
        assert_eq!(parse(text, "carol", 1), []);
    }

    #[test]
    fn reads_getsubids() {
        assert_eq!(parse_getsubids("0: alice 100000 65536\n1: alice 9 1\nbad\n"), [(100_000, 65536), (9, 1)]);
    }
}
