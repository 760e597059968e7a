//! `--restart`, `--log-driver`, `--log-opt`, labels.

use super::units::parse_size;
use crate::error::{Error, Result};
use crate::state::container::{LogConfig, Restart};
use std::collections::BTreeMap;

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
pub fn parse_restart(text: &str) -> Result<Restart> {
    let bad =
        || Error::user(format!("read --restart '{text}'")).hint("no, always, unless-stopped or on-failure[:RETRIES]");
    match text.split_once(':').map_or((text, None), |(p, n)| (p, Some(n))) {
        ("" | "no" | "never", None) => Ok(Restart::No),
        ("always", None) => Ok(Restart::Always),
        ("unless-stopped", None) => Ok(Restart::UnlessStopped),
        ("on-failure", None) => Ok(Restart::OnFailure(None)),
        // Docker: 0 means no limit.
        ("on-failure", Some(n)) => n.parse().map(|n: u32| Restart::OnFailure((n > 0).then_some(n))).map_err(|_| bad()),
        _ => Err(bad()),
    }
}

/// The log of a container. Other engines' drivers are refused by name rather than replaced.
pub fn parse_log(driver: Option<&str>, options: &[String]) -> Result<LogConfig> {
    let driver = match driver.unwrap_or("k8s-file") {
        "k8s-file" | "json-file" | "local" => "k8s-file",
        name @ ("none" | "passthrough") => name,
        "" => return Err(Error::user("read --log-driver '': it names no driver")),
        other => {
            return Err(Error::unsupported(format!("use the log driver '{other}': not supported"))
                .hint("k8s-file, json-file, none and passthrough are"));
        }
    };
    let mut log = LogConfig { driver: driver.into(), ..LogConfig::default() };
    for option in options {
        let bad = |why: &str| Error::user(format!("read --log-opt '{option}': {why}"));
        let (key, value) = option.split_once('=').ok_or_else(|| bad("write KEY=VALUE"))?;
        match key {
            "max-size" if value == "-1" => log.max_size = 0,
            "max-size" => log.max_size = parse_size(value).map_err(|_| bad("write a size like 10m"))?,
            "max-file" => {
                let files: u32 = value.parse().map_err(|_| bad("write a number"))?;
                if files == 0 {
                    return Err(bad("at least one file is kept"));
                }
                log.max_file = files;
            }
            "path" => log.path = Some(value.to_string()),
            "tag" => log.tag = Some(value.to_string()),
            // Nothing of ours depends on them, and compose files carry them.
            "compress" | "labels" | "env" | "labels-regex" | "env-regex" | "mode" | "max-buffer-size" => {}
            _ => return Err(bad("unknown option").hint("max-size, max-file, path and tag are known")),
        }
    }
    Ok(log)
}

/// `key=value` or `key` words; the last of a key counts.
pub fn key_values(list: &[String], flag: &str) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for text in list {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            return Err(Error::user(format!("read --{flag} '{text}': its key is empty")));
        }
        out.insert(key.to_string(), value.to_string());
    }
    Ok(out)
}

/// The words of a `--label-file`: lines, `#` comments.
pub fn parse_label_file(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies() {
        assert_eq!(parse_restart("on-failure:3").unwrap(), Restart::OnFailure(Some(3)));
        assert_eq!(parse_restart("on-failure").unwrap(), Restart::OnFailure(None));
        assert_eq!(parse_restart("unless-stopped").unwrap(), Restart::UnlessStopped);
        assert_eq!(parse_restart("no").unwrap(), Restart::No);
        for bad in ["sometimes", "always:3", "on-failure:x", "on-failure:-1"] {
            assert!(parse_restart(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn logs() {
        let log = parse_log(Some("json-file"), &["max-size=10m".into(), "max-file=3".into(), "tag=x".into()]).unwrap();
        assert_eq!((log.driver.as_str(), log.max_size, log.max_file), ("k8s-file", 10 << 20, 3));
        assert!(parse_log(Some("journald"), &[]).unwrap_err().to_string().contains("journald"));
        for bad in ["nope=1", "max-size=x", "max-file=0", "max-size"] {
            assert!(parse_log(None, &[bad.to_string()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels() {
        let got = key_values(&["a=1=2".into(), "b".into(), "a=3".into()], "label").unwrap();
        assert_eq!(got, [("a".to_string(), "3".to_string()), ("b".into(), String::new())].into());
        assert!(key_values(&["=x".into()], "label").is_err());
        assert_eq!(parse_label_file("# n\n\n a=1\nb"), ["a=1", "b"]);
    }
}
