//! `--mount type=…,source=…,target=…`.

use super::model::{Mount, MountKind, Overlay};
use super::options::{MountOptions, Target};
use super::units::parse_bool;
use super::volumes::{self, Asked, Create};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// What the fields of one `--mount` say.
#[derive(Default)]
struct Fields {
    opts: MountOptions,
    source: Option<String>,
    dest: Option<String>,
    subpath: String,
    create: bool,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
}

/// One `--mount` value: comma separated `key[=value]` fields, quoted as in CSV where a value holds a comma.
pub fn parse_mount(text: &str, cwd: &str) -> Result<Asked> {
    let what = format!("--mount '{text}'");
    let bad = |why: String| Error::user(format!("read {what}: {why}"));
    let fields = split_csv(text).ok_or_else(|| bad("a quote is not closed".into()))?;
    let kind = fields.iter().rev().find_map(|f| f.strip_prefix("type=")).unwrap_or("volume");
    let target = match kind {
        "bind" | "glob" => Target::Bind,
        "volume" => Target::Volume,
        "tmpfs" => Target::Tmpfs,
        "ramfs" => Target::Ramfs,
        "devpts" => Target::Devpts,
        "image" => Target::Image,
        "artifact" | "npipe" | "cluster" => {
            return Err(bad(format!("mounts of type {kind} are not supported")));
        }
        other => {
            return Err(bad(format!("unknown type '{other}'"))
                .hint("bind, volume, tmpfs, image, glob, ramfs and devpts are known"));
        }
    };
    let mut told = Fields::default();
    for field in &fields {
        told.take(field, target, &what)?;
    }
    told.opts.check(&what)?;
    let Fields { mut opts, source, dest, subpath, create, labels, options } = told;
    if kind == "glob" {
        let source = source.ok_or_else(|| bad("the source is missing".into()))?;
        let destination = dest.map(|dest| volumes::destination(&dest, &what)).transpose()?.unwrap_or_default();
        let kind = MountKind::Bind { source: volumes::host_path(&source, cwd) };
        return Ok(Asked { glob: true, ..Asked::of(volumes::mount(kind, destination, opts)) });
    }
    let dest = match dest {
        None if target == Target::Devpts => "/dev/pts".to_string(),
        dest => dest.ok_or_else(|| bad("the target is missing".into()))?,
    };
    let destination = volumes::destination(&dest, &what)?;
    let anonymous = target == Target::Volume && source.is_none();
    let kind = match (target, source) {
        (Target::Tmpfs, None) => return Ok(Asked::of(volumes::tmpfs(destination, opts))),
        (Target::Ramfs, None) => {
            let mount = volumes::tmpfs(destination, opts);
            return Ok(Asked::of(Mount { kind: MountKind::Special { fstype: "ramfs".into() }, ..mount }));
        }
        (Target::Devpts, None) => {
            opts.kernel.extend(["newinstance".into(), "ptmxmode=0666".into()]);
            MountKind::Special { fstype: "devpts".into() }
        }
        (Target::Tmpfs | Target::Ramfs | Target::Devpts, Some(_)) => {
            return Err(bad(format!("a {kind} has no source")));
        }
        (Target::Bind, Some(source)) => MountKind::Bind { source: volumes::host_path(&source, cwd) },
        (Target::Bind | Target::Image, None) => return Err(bad("the source is missing".into())),
        (Target::Image, Some(reference)) => {
            // Podman's images are read-only unless told otherwise; what is written goes to an overlay.
            if opts.readonly == Some(false) {
                opts.overlay = Some(Overlay::default());
            } else {
                opts.readonly = Some(true);
            }
            MountKind::Image { reference, id: String::new(), layers: Vec::new(), subpath }
        }
        (Target::Volume, source) => {
            let name = source.unwrap_or_default();
            if !anonymous && !volumes::valid_name(&name) {
                return Err(bad(format!("'{name}' is no volume name")).hint("for a directory say type=bind"));
            }
            MountKind::Volume { name, copy_up: opts.copy != Some(false), subpath }
        }
    };
    let create = if create { Create::Always } else { Create::Never };
    Ok(Asked { anonymous, create, labels, options, ..Asked::of(volumes::mount(kind, destination, opts)) })
}

impl Fields {
    fn take(&mut self, field: &str, target: Target, what: &str) -> Result<()> {
        let bad = |why: String| Error::user(format!("read {what}: {why}"));
        let (key, value) = field.split_once('=').map_or((field, None), |(k, v)| (k, Some(v)));
        let need = || value.filter(|v| !v.is_empty()).ok_or_else(|| bad(format!("'{key}' needs a value")));
        let flag =
            || value.map_or(Ok(true), parse_bool).map_err(|_| bad(format!("'{field}' is neither true nor false")));
        let outside = || bad(format!("'{field}' leads out of it"));
        let opts = &mut self.opts;
        let has_files = matches!(target, Target::Bind | Target::Volume);
        let is_volume = target == Target::Volume;
        match key {
            "type" => {}
            "src" | "source" => self.source = Some(need()?.to_string()),
            "dst" | "destination" | "target" => self.dest = Some(need()?.to_string()),
            "ro" | "readonly" => opts.take(if flag()? { "ro" } else { "rw" }, target, what)?,
            "rw" | "readwrite" => opts.take(if flag()? { "rw" } else { "ro" }, target, what)?,
            "chown" | "U" => opts.chown = flag()?,
            "relabel" if has_files => match need()? {
                "shared" | "private" => {}
                other => return Err(bad(format!("relabel '{other}' is unknown")).hint("shared or private")),
            },
            "consistency" => {
                need()?;
            }
            "z" | "Z" if value.is_none() && has_files => {}
            "idmap" if value.is_some_and(|v| parse_bool(v) == Ok(false)) => {}
            "bind-propagation" if target == Target::Bind => opts.take(need()?, target, what)?,
            "bind-nonrecursive" if target == Target::Bind => opts.recursive = Some(!flag()?),
            "bind-recursive" if target == Target::Bind => match need()? {
                "enabled" | "readonly" => opts.recursive = Some(true),
                "disabled" => opts.recursive = Some(false),
                "writable" => {
                    return Err(bad("bind-recursive=writable is not supported".into())
                        .hint("a read-only bind is so for all that is mounted below it"));
                }
                other => return Err(bad(format!("bind-recursive '{other}' is unknown"))),
            },
            "bind-create" | "bind-create-src" | "create" if target == Target::Bind => self.create = flag()?,
            "volume-nocopy" if is_volume => opts.copy = Some(!flag()?),
            "volume-subpath" | "subpath" if is_volume => self.subpath = below(need()?).ok_or_else(outside)?,
            "image-subpath" | "subpath" if target == Target::Image => {
                self.subpath = below(need()?).ok_or_else(outside)?;
            }
            "volume-driver" if is_volume => {
                if value != Some("local") {
                    return Err(bad("there is no volume driver but local".into()));
                }
            }
            "volume-opt" | "volume-label" if is_volume => {
                let (name, value) = need()?.split_once('=').unwrap_or((need()?, ""));
                let map = if key == "volume-opt" { &mut self.options } else { &mut self.labels };
                map.insert(name.to_string(), value.to_string());
            }
            "tmpfs-size" | "tmpfs-mode" => opts.take(&format!("{}={}", &key[6..], need()?), target, what)?,
            _ => opts.take(field, target, what)?,
        }
        Ok(())
    }
}

/// The sources of `--mount type=glob` and `type=image` values, which have to be looked up: (images, patterns). What is
/// wrong with the others is no matter here.
pub fn lookups(mounts: &[String], cwd: &str) -> (Vec<String>, Vec<String>) {
    let (mut images, mut patterns) = (Vec::new(), Vec::new());
    for asked in mounts.iter().filter_map(|text| parse_mount(text, cwd).ok()) {
        match asked.mount.kind {
            MountKind::Image { reference, .. } => images.push(reference),
            MountKind::Bind { source } if asked.glob => patterns.push(source),
            _ => {}
        }
    }
    (images, patterns)
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

/// A path below a directory, without the way there; `None` for one that leads out of it.
fn below(path: &str) -> Option<String> {
    let mut depth = 0i32;
    for part in path.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return None;
        }
    }
    Some(volumes::clean(path)[1..].to_string())
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
        assert!(bind.mount.readonly && !bind.mount.recursive && bind.create == Create::Never);
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
        let image = parse_mount("type=image,source=debian,target=/i,subpath=/etc", "/").unwrap().mount;
        assert!(
            matches!(&image.kind, MountKind::Image { reference, subpath, .. } if reference == "debian" && subpath == "etc")
        );
        assert!(image.readonly && image.overlay.is_none());
        let image = parse_mount("type=image,source=debian,target=/i,rw=true", "/").unwrap().mount;
        assert!(!image.readonly && image.overlay.is_some());
        let glob = parse_mount("type=glob,src=/usr/lib/lib*,ro", "/").unwrap();
        assert!(glob.glob && glob.mount.readonly && glob.mount.destination.is_empty());
        let volume =
            parse_mount("type=volume,src=v,dst=/y,volume-label=a=b,\"volume-opt=o=size=1m,mode=700\"", "/").unwrap();
        assert_eq!((volume.labels["a"].as_str(), volume.options["o"].as_str()), ("b", "size=1m,mode=700"));
        assert_eq!(parse_mount("type=bind,src=/x,dst=/y,bind-create", "/").unwrap().create, Create::Always);
        let pts = parse_mount("type=devpts,uid=5,max=9,mode=620", "/").unwrap().mount;
        assert_eq!((pts.destination.as_str(), pts.options[1].as_str()), ("/dev/pts", "max=9"));
        let over = parse_mount("type=bind,src=/x,dst=/y,O=true", "/");
        assert!(over.is_err());
    }

    #[test]
    fn refusals() {
        for bad in [
            "",
            "type=bind,dst=/y",
            "type=bind,src=/x",
            "type=tmpfs,src=/x,dst=/y",
            "type=nope,dst=/y",
            "type=image,dst=/y",
            "type=image,src=debian,dst=/y,bind-propagation=shared",
            "type=ramfs,dst=/y,size=1m",
            "type=ramfs,src=/x,dst=/y",
            "type=glob,dst=/y",
            "type=tmpfs,dst=/y,bind-nonrecursive",
            "type=tmpfs,dst=/y,volume-nocopy",
            "type=volume,dst=/y,bind-propagation=shared",
            "type=bind,src=/x,dst=/y,volume-label=a=b",
            "type=bind,src=/x,dst=/y,relabel=yes",
            "type=bind,src=/x,dst=/y,ro,bind-recursive=writable",
            "type=bind,src=/x,dst=/y,idmap",
            "type=devpts,dst=/dev/pts,size=1m",
            "type=bind,src=/x,dst=y",
            "type=bind,src=/x,dst=/y,nope=1",
            "type=bind,src=/x,dst=/y,ro=maybe",
            "type=bind,src=,dst=/y",
            "type=volume,src=/x,dst=/y",
            "type=bind,\"src=/x,dst=/y",
            "type=bind,src=/x,dst=/y,tmpfs-size=1m",
            "type=volume,dst=/y,volume-driver=nfs",
            "type=volume,src=v,dst=/y,volume-subpath=../..",
            "type=image,src=debian,dst=/y,subpath=/etc/../..",
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
