//! Options of the local driver (`volume create -o type=… -o device=… -o o=…`), as docker and podman have them.

use super::Volume;
use crate::error::{Error, Result};
use crate::spec::options::{MountOptions, Target};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a volume's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// In its own directory.
    Own,
    /// In a directory of the host; mount options.
    Bind { device: PathBuf, options: Vec<String> },
    /// In memory, for as long as its container runs; mount options.
    Memory { options: Vec<String> },
}

impl Volume {
    /// What the options say.
    ///
    /// # Errors
    /// `User` for options that make no sense, `Unsupported` for what needs the host's root.
    pub fn backing(&self) -> Result<Backing> {
        backing(&self.options).map_err(|e| e.context(format!("read the options of volume {}", self.name)))
    }
}

fn backing(options: &BTreeMap<String, String>) -> Result<Backing> {
    if let Some(key) = options.keys().find(|key| !matches!(key.as_str(), "type" | "device" | "o")) {
        return Err(Error::user(format!("use option '{key}'")).hint("type, device and o are known"));
    }
    let get = |key: &str| options.get(key).map_or("", String::as_str);
    let (kind, device) = (get("type"), get("device"));
    let words: Vec<&str> = get("o").split(',').filter(|word| !word.is_empty()).collect();
    let is_bind = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
    match kind {
        "tmpfs" => Ok(Backing::Memory { options: mount_options(&words, Target::Tmpfs)? }),
        "" | "none" | "bind" if is_bind || kind == "bind" => {
            if !device.starts_with('/') {
                return Err(Error::user("use device: it is not an absolute path").hint("-o device=/the/directory"));
            }
            let words: Vec<&str> = words.into_iter().filter(|word| !matches!(*word, "bind" | "rbind")).collect();
            Ok(Backing::Bind { device: device.into(), options: mount_options(&words, Target::Bind)? })
        }
        "" if device.is_empty() => match words.iter().find(|word| word.starts_with("size=")) {
            Some(size) => Err(Error::unsupported(format!(
                "use o={size}: only the host's root can set project quotas of a file system"
            ))
            .hint(format!("-o type=tmpfs -o o={size} is bounded, in memory"))),
            None if words.is_empty() => Ok(Backing::Own),
            None => {
                Err(Error::unsupported(format!("use o={}: not for a volume in its own directory", words.join(","))))
            }
        },
        "" | "none" => Err(Error::user("use device: there is no type").hint("-o type=none -o o=bind for a directory")),
        other => Err(Error::unsupported(format!("use type={other}: only the host's root can mount it"))
            .hint("mount it on the host, then -o type=none -o o=bind -o device=/where/it/is (or -v /where/it/is:…)")),
    }
}

fn mount_options(words: &[&str], target: Target) -> Result<Vec<String>> {
    let mut options = MountOptions::default();
    for word in words {
        options.take(word, target, &format!("o={}", words.join(",")))?;
    }
    if options.chown || options.overlay.is_some() || options.copy.is_some() || !options.propagation.is_empty() {
        return Err(Error::user(format!("use o={}: that is an option of a mount", words.join(","))));
    }
    if options.readonly == Some(true) {
        options.kernel.push("ro".into());
    }
    Ok(options.kernel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn of(pairs: &[(&str, &str)]) -> Result<Backing> {
        backing(&pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn forms() {
        assert_eq!(of(&[]).unwrap(), Backing::Own);
        let memory = of(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=700")]).unwrap();
        assert_eq!(memory, Backing::Memory { options: vec!["size=1048576".into(), "mode=700".into()] });
        let bind = Backing::Bind { device: "/x".into(), options: vec!["nosuid".into(), "ro".into()] };
        assert_eq!(of(&[("type", "none"), ("device", "/x"), ("o", "bind,ro,nosuid")]).unwrap(), bind);
        assert_eq!(of(&[("type", "bind"), ("device", "/x"), ("o", "ro,nosuid")]).unwrap(), bind);
    }

    #[test]
    fn refusals() {
        for (pairs, kind) in [
            (&[("nope", "x")][..], Kind::User),
            (&[("type", "nfs"), ("device", ":/x"), ("o", "addr=h")], Kind::Unsupported),
            (&[("o", "size=1g")], Kind::Unsupported),
            (&[("o", "uid=5")], Kind::Unsupported),
            (&[("device", "/x")], Kind::User),
            (&[("type", "bind"), ("device", "x")], Kind::User),
            (&[("type", "tmpfs"), ("o", "size=lots")], Kind::User),
            (&[("type", "bind"), ("device", "/x"), ("o", "O")], Kind::User),
        ] {
            assert_eq!(of(pairs).unwrap_err().kind, kind, "{pairs:?}");
        }
    }
}
