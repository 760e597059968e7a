//! `--change`: Dockerfile instructions that alter an image's config, for `import` and `commit`.

use crate::error::{Error, Result};
use crate::image::{Empty, Healthcheck, RunConfig};
use crate::spec::units::parse_duration;

/// Applies one instruction (`CMD ["sh"]`, `ENV a=b`); podman's `KEY=value` form is accepted as well.
pub fn apply(config: &mut RunConfig, text: &str) -> Result<()> {
    let bad = |why: &str| Error::user(format!("apply the change '{text}'")).hint(why);
    let at = text.find([' ', '\t', '=']).ok_or_else(|| bad("write INSTRUCTION VALUE"))?;
    let (word, value) = (text[..at].to_ascii_uppercase(), text[at + 1..].trim());
    if value.is_empty() {
        return Err(bad("write INSTRUCTION VALUE"));
    }
    match word.as_str() {
        "CMD" => config.cmd = command(value),
        "ENTRYPOINT" => {
            config.entrypoint = command(value);
        }
        "ENV" => {
            for (key, value) in pairs(value).ok_or_else(|| bad("write ENV KEY=VALUE"))? {
                let prefix = format!("{key}=");
                config.env.retain(|e| !e.starts_with(&prefix));
                config.env.push(format!("{key}={value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(value).ok_or_else(|| bad("write LABEL KEY=VALUE"))?),
        "EXPOSE" => {
            for port in value.split_whitespace() {
                let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                let known = matches!(protocol, "tcp" | "udp" | "sctp");
                if number.parse::<u16>().is_err() || !known {
                    return Err(bad("write EXPOSE PORT[/tcp|/udp]"));
                }
                config.exposed_ports.insert(format!("{number}/{protocol}"), Empty {});
            }
        }
        "VOLUME" => {
            let paths = match serde_json::from_str::<Vec<String>>(value) {
                Ok(paths) => paths,
                Err(_) => value.split_whitespace().map(str::to_string).collect(),
            };
            if paths.iter().any(|p| !p.starts_with('/')) {
                return Err(bad("volumes are absolute paths"));
            }
            config.volumes.extend(paths.into_iter().map(|p| (p, Empty {})));
        }
        "USER" => config.user = value.to_string(),
        "WORKDIR" => {
            if !value.starts_with('/') {
                return Err(bad("the working directory is an absolute path"));
            }
            config.working_dir = value.to_string();
        }
        "STOPSIGNAL" => config.stop_signal = value.to_string(),
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(value).ok_or_else(|| bad(HEALTHCHECK))?),
        "ONBUILD" => config.on_build.push(value.to_string()),
        _ => {
            return Err(bad(
                "known are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR",
            ));
        }
    }
    Ok(())
}

const HEALTHCHECK: &str = "write HEALTHCHECK NONE, or HEALTHCHECK [--interval=30s] [--timeout=30s] [--start-period=0s] \
    [--start-interval=5s] [--retries=3] CMD command";

fn healthcheck(text: &str) -> Option<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut rest = text.trim();
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace)?;
        let (key, value) = option.split_once('=')?;
        let time = || parse_duration(value).ok().and_then(|d| i64::try_from(d.as_nanos()).ok());
        match key {
            "interval" => check.interval = time()?,
            "timeout" => check.timeout = time()?,
            "start-period" => check.start_period = time()?,
            "start-interval" => check.start_interval = time()?,
            "retries" => check.retries = value.parse().ok()?,
            _ => return None,
        }
        rest = after.trim_start();
    }
    let (word, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match word.to_ascii_uppercase().as_str() {
        "NONE" if command.trim().is_empty() => vec!["NONE".into()],
        "CMD" if !command.trim().is_empty() => match serde_json::from_str::<Vec<String>>(command) {
            Ok(words) => [vec!["CMD".to_string()], words].concat(),
            Err(_) => vec!["CMD-SHELL".into(), command.trim().into()],
        },
        _ => return None,
    };
    Some(check)
}

/// A JSON array of strings is the command itself; anything else is for the shell.
fn command(value: &str) -> Vec<String> {
    serde_json::from_str(value).unwrap_or_else(|_| vec!["/bin/sh".into(), "-c".into(), value.into()])
}

/// `KEY=VALUE …` with quotes, or the old form `KEY VALUE`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = shlex::split(text)?;
    if words.first().is_some_and(|w| !w.contains('=')) {
        let (key, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(key.to_string(), value.trim().to_string())]);
    }
    words
        .iter()
        .map(|w| w.split_once('=').filter(|(k, _)| !k.is_empty()).map(|(k, v)| (k.to_string(), v.to_string())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_instructions() {
        let mut c = RunConfig { env: vec!["A=old".into(), "AB=keep".into()], ..RunConfig::default() };
        for text in [
            "CMD [\"sh\", \"-l\"]",
            "ENTRYPOINT echo hi",
            "ENV A=1 B=\"two words\"",
            "env C three words",
            "LABEL x.y=z",
            "EXPOSE 80 53/udp",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "USER 1000:1000",
            "WORKDIR /srv",
            "STOPSIGNAL SIGQUIT",
            "ONBUILD RUN true",
            "HEALTHCHECK --interval=5s --retries=2 CMD curl -f x",
            "CMD=/bin/true",
        ] {
            apply(&mut c, text).unwrap();
        }
        assert_eq!(c.cmd, ["/bin/sh", "-c", "/bin/true"]);
        assert_eq!(c.entrypoint, ["/bin/sh", "-c", "echo hi"]);
        assert_eq!(c.env, ["AB=keep", "A=1", "B=two words", "C=three words"]);
        assert_eq!(c.exposed_ports.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(c.volumes.keys().collect::<Vec<_>>(), ["/a", "/b", "/data"]);
        assert_eq!((c.user.as_str(), c.working_dir.as_str(), c.stop_signal.as_str()), ("1000:1000", "/srv", "SIGQUIT"));
        assert_eq!(c.labels["x.y"], "z");
        let check = c.healthcheck.as_ref().unwrap();
        assert_eq!((check.interval, check.retries, check.test.len()), (5_000_000_000, 2, 2));
        assert_eq!(healthcheck("NONE").unwrap().test, ["NONE"]);
        assert_eq!(healthcheck("CMD [\"a\"]").unwrap().test, ["CMD", "a"]);
        for bad in [
            "",
            "CMD",
            "RUN x",
            "EXPOSE http",
            "EXPOSE 80/x",
            "VOLUME a",
            "WORKDIR a",
            "ENV =x",
            "LABEL 'x",
            "HEALTHCHECK CMD",
        ] {
            assert!(apply(&mut c, bad).is_err(), "{bad}");
        }
    }
}
