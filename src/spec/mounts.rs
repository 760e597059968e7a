//! `--mount type=…,source=…,target=…`.

use super::model::{Mount, MountKind};
use super::options::{MountOptions, Target};
use super::units::parse_bool;
use super::volumes::{self, Asked};
use crate::error::{Error, Result};

/// One `--mount` value: comma separated `key[=value]` fields, quoted as in CSV where a value holds a comma.
pub fn parse_mount(text: &str, cwd: &str) -> Result<Asked> {
    let what = format!("--mount '{text}'");
    let bad = |why: String| Error::user(format!("read {what}: {why}"));
    let fields = split_csv(text).ok_or_else(|| bad("a quote is not closed".into()))?;
    let kind = fields.iter().rev().find_map(|f| f.strip_prefix("type=")).unwrap_or("volume");
    let target = match kind {
        "bind" => Target::Bind,
        "volume" => Target::Volume,
        "tmpfs" => Target::Tmpfs,
        "image" | "glob" | "ramfs" | "devpts" | "artifact" | "npipe" | "cluster" => {
            return Err(bad(format!("mounts of type {kind} are not supported")));
        }
        other => return Err(bad(format!("unknown type '{other}'")).hint("bind, volume and tmpfs are known")),
    };
    let mut opts = MountOptions::default();
    let (mut source, mut dest, mut subpath) = (None, None, String::new());
    for field in &fields {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(k, v)| (k, Some(v)));
        let need = || value.filter(|v| !v.is_empty()).ok_or_else(|| bad(format!("'{key}' needs a value")));
        let flag =
            || value.map_or(Ok(true), parse_bool).map_err(|_| bad(format!("'{field}' is neither true nor false")));
        let word = |word: &str, opts: &mut MountOptions| opts.take(word, target, &what);
        match key {
            "type" => {}
            "src" | "source" => source = Some(need()?.to_string()),
            "dst" | "destination" | "target" => dest = Some(need()?.to_string()),
            "ro" | "readonly" => word(if flag()? { "ro" } else { "rw" }, &mut opts)?,
            "rw" => word(if flag()? { "rw" } else { "ro" }, &mut opts)?,
            "chown" | "U" => opts.chown = flag()?,
            "relabel" | "consistency" => {
                need()?;
            }
            "z" | "Z" if value.is_none() => {}
            "bind-propagation" => word(need()?, &mut opts)?,
            "bind-nonrecursive" => opts.recursive = Some(!flag()?),
            "bind-recursive" => match need()? {
                "enabled" | "writable" | "readonly" => opts.recursive = Some(true),
                "disabled" => opts.recursive = Some(false),
                other => return Err(bad(format!("bind-recursive '{other}' is unknown"))),
            },
            "volume-nocopy" => opts.copy = Some(!flag()?),
            "volume-subpath" | "subpath" if target == Target::Volume => {
                subpath = volumes::clean(need()?)[1..].to_string()
            }
            "volume-driver" if value == Some("local") => {}
            "volume-driver" | "volume-opt" => {
                return Err(bad("only local volumes without options are supported".into()));
            }
            "volume-label" => {
                need()?;
            }
            "tmpfs-size" => word(&format!("size={}", need()?), &mut opts)?,
            "tmpfs-mode" => word(&format!("mode={}", need()?), &mut opts)?,
            "size" | "mode" => word(field, &mut opts)?,
            _ => word(field, &mut opts)?,
        }
    }
    let dest = dest.ok_or_else(|| bad("the target is missing".into()))?;
    let destination = volumes::destination(&dest, &what)?;
    let anonymous = target == Target::Volume && source.is_none();
    let kind = match (target, source) {
        (Target::Tmpfs, None) => {
            return Ok(Asked { mount: volumes::tmpfs(destination, opts), may_create: false, anonymous: false });
        }
        (Target::Tmpfs, Some(_)) => return Err(bad("a tmpfs has no source".into())),
        (Target::Bind, Some(source)) => MountKind::Bind { source: volumes::host_path(&source, cwd) },
        (Target::Bind, None) => return Err(bad("the source is missing".into())),
        (Target::Volume, source) => {
            let name = source.unwrap_or_default();
            if !anonymous && !volumes::valid_name(&name) {
                return Err(bad(format!("'{name}' is no volume name")).hint("for a directory say type=bind"));
            }
            MountKind::Volume { name, copy_up: opts.copy != Some(false), subpath }
        }
    };
    Ok(Asked {
        mount: Mount {
            kind,
            destination,
            readonly: opts.readonly == Some(true),
            options: opts.kernel,
            propagation: opts.propagation,
            recursive: opts.recursive != Some(false),
            chown: opts.chown,
        },
        may_create: false,
        anonymous,
    })
}

/// Fields of one CSV record; a field that starts with `"` runs to the closing quote, `""` in it is a quote.
pub fn split_csv(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let last = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if last.is_empty() => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            _ => last.push(c),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let bind =
            parse_mount("type=bind,src=./x,dst=/y,ro,bind-propagation=rshared,bind-nonrecursive", "/cwd").unwrap();
        assert_eq!(bind.mount.kind, MountKind::Bind { source: "/cwd/x".into() });
        assert!(bind.mount.readonly && !bind.mount.recursive && !bind.may_create);
        assert_eq!(bind.mount.propagation, "rshared");
        let volume =
            parse_mount("source=data,target=/y,volume-nocopy=true,readonly=false,volume-subpath=a/../b", "/").unwrap();
        assert_eq!(volume.mount.kind, MountKind::Volume { name: "data".into(), copy_up: false, subpath: "b".into() });
        assert!(!volume.mount.readonly);
        assert!(parse_mount("type=volume,dst=/y", "/").unwrap().anonymous);
        let tmpfs = parse_mount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=700", "/").unwrap();
        assert_eq!(tmpfs.mount.options, ["nosuid", "nodev", "noexec", "size=1048576", "mode=700"]);
        let comma = parse_mount("type=bind,\"src=/a,b\",dst=/y", "/").unwrap();
        assert_eq!(comma.mount.kind, MountKind::Bind { source: "/a,b".into() });
    }

    #[test]
    fn refusals() {
        for bad in [
            "",
            "type=bind,dst=/y",
            "type=bind,src=/x",
            "type=tmpfs,src=/x,dst=/y",
            "type=nope,dst=/y",
            "type=image,src=debian,dst=/y",
            "type=bind,src=/x,dst=y",
            "type=bind,src=/x,dst=/y,nope=1",
            "type=bind,src=/x,dst=/y,ro=maybe",
            "type=bind,src=,dst=/y",
            "type=volume,src=/x,dst=/y",
            "type=bind,\"src=/x,dst=/y",
            "type=bind,src=/x,dst=/y,tmpfs-size=1m",
            "type=volume,dst=/y,volume-driver=nfs",
        ] {
            assert!(parse_mount(bad, "/").is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z=,/\"-]{0,40}") {
            let _ = parse_mount(&text, "/cwd");
        }
    }
}
