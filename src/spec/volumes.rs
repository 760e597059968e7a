//! `--volume`, `--tmpfs`, `--volumes-from`.

use super::model::{Mount, MountKind};
use super::options::{MountOptions, Target};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A mount as one flag asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub mount: Mount,
    /// What to do about a missing bind source.
    pub create: Create,
    /// A volume without a name: the name is still to be given.
    pub anonymous: bool,
    /// The source is a pattern; each match is mounted in the destination (where it is, without one).
    pub glob: bool,
    /// Of a volume that is to be made.
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

impl Asked {
    pub fn of(mount: Mount) -> Asked {
        let (labels, options) = (BTreeMap::new(), BTreeMap::new());
        Asked { mount, create: Create::Never, anonymous: false, glob: false, labels, options }
    }
}

/// Whether a directory is made where a bind source is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    Never,
    /// `-v`, but not `--mount`.
    AsDocker,
    /// `bind-create`.
    Always,
}

/// A volume to make where it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Of the local driver: `type`, `device`, `o`.
    pub options: BTreeMap<String, String>,
}

/// Names of volumes and containers: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub fn valid_name(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) && name.bytes().all(word) && name.len() <= 255
}

/// An absolute path without `.`, `..`, doubled or trailing slashes. `..` goes up in the text only, as the path is one
/// inside a container, where symlinks are not ours to follow.
pub fn clean(path: &str) -> String {
    let mut out = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out.to_string_lossy().into_owned()
}

/// Checks and cleans a path inside the container.
pub fn destination(path: &str, what: &str) -> Result<String> {
    if !path.starts_with('/') {
        return Err(Error::user(format!("read {what}: container path '{path}' is not absolute")));
    }
    match clean(path).as_str() {
        "/" => Err(Error::user(format!("read {what}: the container's / can't be a mount point"))),
        cleaned => Ok(cleaned.to_string()),
    }
}

/// Splits at colons; `\:` stands for a colon in a path.
fn split_colons(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '\\' if chars.peek() == Some(&':') => {
                chars.next();
                parts[last].push(':');
            }
            ':' => parts.push(String::new()),
            _ => parts[last].push(c),
        }
    }
    parts
}

/// A host path of a bind: relative ones are below `cwd`.
pub fn host_path(source: &str, cwd: &str) -> String {
    if source.starts_with('/') { source.to_string() } else { clean_host(&format!("{cwd}/{source}")) }
}

/// Removes `.` and doubled slashes, but leaves `..` to the kernel: on the host it may follow a symlink.
fn clean_host(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    format!("/{}", parts.join("/"))
}

/// `-v [SOURCE:]DESTINATION[:OPTIONS]`.
pub fn parse_volume(text: &str, cwd: &str) -> Result<Asked> {
    let what = format!("--volume '{text}'");
    let bad = |why: String| Error::user(format!("read {what}: {why}")).hint("write [SOURCE:]DESTINATION[:OPTIONS]");
    let parts = split_colons(text);
    let (source, dest, options) = match parts.as_slice() {
        [dest] => (None, dest, None),
        [source, dest] => (Some(source), dest, None),
        [source, dest, options] => (Some(source), dest, Some(options)),
        _ => return Err(bad("too many colons".into())),
    };
    if source.is_some_and(String::is_empty) {
        return Err(bad("the source is empty".into()));
    }
    let destination = destination(dest, &what)?;
    let bind = source.is_some_and(|s| s.starts_with(['/', '.']));
    let target = if bind { Target::Bind } else { Target::Volume };
    let mut opts = MountOptions::default();
    for word in options.into_iter().flat_map(|o| o.split(',')) {
        opts.take(word, target, &what)?;
    }
    opts.check(&what)?;
    let kind = match source {
        Some(source) if bind => MountKind::Bind { source: host_path(source, cwd) },
        Some(name) if valid_name(name) => {
            MountKind::Volume { name: name.clone(), copy_up: opts.copy != Some(false), subpath: String::new() }
        }
        Some(name) if name.contains('/') => {
            return Err(bad(format!("'{name}' is no volume name")).hint(format!("for a directory write ./{name}")));
        }
        Some(name) => return Err(bad(format!("'{name}' is no volume name"))),
        None => MountKind::Volume { name: String::new(), copy_up: opts.copy != Some(false), subpath: String::new() },
    };
    Ok(Asked {
        create: if bind { Create::AsDocker } else { Create::Never },
        anonymous: source.is_none(),
        ..Asked::of(mount(kind, destination, opts))
    })
}

/// The mount that a list of options makes of `kind`.
pub fn mount(kind: MountKind, destination: String, opts: MountOptions) -> Mount {
    Mount {
        kind,
        destination,
        readonly: opts.readonly == Some(true),
        options: opts.kernel,
        propagation: opts.propagation,
        recursive: opts.recursive != Some(false),
        chown: opts.chown,
        overlay: opts.overlay,
    }
}

/// `--tmpfs DESTINATION[:OPTIONS]`.
pub fn parse_tmpfs(text: &str) -> Result<Mount> {
    let what = format!("--tmpfs '{text}'");
    let (dest, options) = text.split_once(':').map_or((text, ""), |(d, o)| (d, o));
    let destination = destination(dest, &what)?;
    let mut opts = MountOptions::default();
    for word in options.split(',').filter(|w| !w.is_empty()) {
        opts.take(word, Target::Tmpfs, &what)?;
    }
    Ok(tmpfs(destination, opts))
}

/// Docker's tmpfs: noexec, nosuid and nodev unless told otherwise, writable for everybody unless a mode is given.
pub fn tmpfs(destination: String, opts: MountOptions) -> Mount {
    let mut options = Vec::new();
    for (off, on) in [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec")] {
        if !opts.kernel.iter().any(|o| o == off || o == on) {
            options.push(off.to_string());
        }
    }
    options.extend(opts.kernel);
    if let Some(copy) = opts.copy {
        options.push(if copy { "tmpcopyup" } else { "notmpcopyup" }.into());
    }
    Mount {
        kind: MountKind::Tmpfs,
        destination,
        readonly: opts.readonly == Some(true),
        options,
        propagation: opts.propagation,
        recursive: false,
        chown: opts.chown,
        overlay: None,
    }
}

/// `--volumes-from NAME[:OPTIONS]`: the container's name and whether its volumes become read-only.
pub fn parse_volumes_from(text: &str) -> Result<(String, Option<bool>)> {
    let (name, options) = text.split_once(':').map_or((text, ""), |(n, o)| (n, o));
    let mut readonly = None;
    for word in options.split(',').filter(|w| !w.is_empty()) {
        match word {
            "ro" => readonly = Some(true),
            "rw" => readonly = Some(false),
            "z" | "Z" => {}
            _ => return Err(Error::user(format!("read --volumes-from '{text}': unknown option '{word}'"))),
        }
    }
    if name.is_empty() {
        return Err(Error::user(format!("read --volumes-from '{text}': it names no container")));
    }
    Ok((name.to_string(), readonly))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(asked: &Asked) -> String {
        let mount = &asked.mount;
        let source = match &mount.kind {
            MountKind::Bind { source } => format!("bind {source}"),
            MountKind::Volume { name, copy_up, .. } => {
                format!("volume {name}{}", if *copy_up { "" } else { " nocopy" })
            }
            other => format!("{other:?}"),
        };
        format!(
            "{source} > {}{}{}{}",
            mount.destination,
            if mount.readonly { " ro" } else { "" },
            if mount.recursive { "" } else { " flat" },
            if mount.propagation.is_empty() { String::new() } else { format!(" {}", mount.propagation) }
        )
    }

    #[test]
    fn forms() {
        let cases: &[(&str, &str)] = &[
            ("/a:/b", "bind /a > /b"),
            ("/a:/b:ro", "bind /a > /b ro"),
            ("/a:/b/:ro,z", "bind /a > /b ro"),
            ("./a:/b", "bind /cwd/a > /b"),
            (".:/b", "bind /cwd > /b"),
            ("../a:/b", "bind /cwd/../a > /b"),
            ("/a:/b:bind,rslave", "bind /a > /b flat rslave"),
            ("data:/b", "volume data > /b"),
            ("data:/b:nocopy", "volume data nocopy > /b"),
            ("/b", "volume  > /b"),
            ("/x\\:y:/b", "bind /x:y > /b"),
            ("/a:/b/../c//d", "bind /a > /c/d"),
        ];
        for (text, want) in cases {
            assert_eq!(show(&parse_volume(text, "/cwd").unwrap()), *want, "{text}");
        }
        for bad in [
            "",
            ":",
            "/a:b",
            "a/b:/c",
            ":/b",
            "/a:/",
            "/a:/b:nope",
            "/a:/b:ro:rw",
            "-x:/b",
            "/",
            "/a:",
            "/a:/b:ro,rw",
            "/a:/b:O,upperdir=/u",
        ] {
            assert!(parse_volume(bad, "/cwd").is_err(), "{bad}");
        }
        assert!(parse_volume("/b", "/").unwrap().anonymous);
        assert_eq!(parse_volume("/a:/b", "/").unwrap().create, Create::AsDocker);
        let over = parse_volume("/a:/b:O,upperdir=/u,workdir=/w", "/").unwrap().mount.overlay.unwrap();
        assert_eq!((over.upper.as_deref(), over.work.as_deref()), (Some("/u"), Some("/w")));
    }

    #[test]
    fn tmpfs_defaults() {
        let mount = parse_tmpfs("/run:exec,size=1k").unwrap();
        assert_eq!(mount.options, ["nosuid", "nodev", "exec", "size=1024"]);
        assert_eq!(parse_tmpfs("/run").unwrap().options, ["nosuid", "nodev", "noexec"]);
        assert!(parse_tmpfs("run").is_err());
    }

    #[test]
    fn from_others() {
        assert_eq!(parse_volumes_from("web").unwrap(), ("web".into(), None));
        assert_eq!(parse_volumes_from("web:ro,z").unwrap(), ("web".into(), Some(true)));
        assert!(parse_volumes_from("web:x").is_err());
        assert!(parse_volumes_from("").is_err());
    }

    #[test]
    fn names() {
        for good in ["a", "a.b", "A_1-x"] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", &"x".repeat(256)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn destinations_are_clean(text in "(/?[a-z.]{0,3}){0,5}(:(/?[a-z.]{0,3}){0,5})?(:[a-z,]{0,6})?") {
            if let Ok(asked) = parse_volume(&text, "/cwd") {
                let dest = &asked.mount.destination;
                prop_assert!(dest.starts_with('/') && dest.len() > 1 && !dest.ends_with('/'));
                prop_assert!(!dest.split('/').any(|p| p == ".." || p == "."));
            }
        }
    }
}
