//! The option words of `-v`, `--mount` and `--tmpfs`, sorted by what they mean.

use super::model::Overlay;
use crate::error::{Error, Result};

/// What a list of mount options says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    pub readonly: Option<bool>,
    pub propagation: String,
    /// `bind` (false) or `rbind` (true).
    pub recursive: Option<bool>,
    /// `U`.
    pub chown: bool,
    /// `nocopy` (false) or `copy` (true).
    pub copy: Option<bool>,
    /// `nosuid`, `noexec`, `nodev` … and `key=value` ones of tmpfs.
    pub kernel: Vec<String>,
    /// `O`.
    pub overlay: Option<Overlay>,
}

/// Which words are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Bind,
    Volume,
    Tmpfs,
    /// Unlimited memory: no size.
    Ramfs,
    Devpts,
    Image,
}

impl Target {
    /// Made anew for the container.
    fn is_fresh(self) -> bool {
        matches!(self, Target::Tmpfs | Target::Ramfs | Target::Devpts)
    }
}

impl MountOptions {
    /// Takes one word. `what` names the flag and its value for the error.
    pub fn take(&mut self, word: &str, target: Target, what: &str) -> Result<()> {
        let bad = |why: String| Error::user(format!("read {what}: {why}"));
        let twice = |name: &str| bad(format!("option '{word}' contradicts an earlier {name} option"));
        let (key, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
        match (key, value) {
            ("ro" | "readonly" | "rw", None) => {
                let readonly = key != "rw";
                if self.readonly.is_some_and(|had| had != readonly) {
                    return Err(twice("ro/rw"));
                }
                self.readonly = Some(readonly);
            }
            // SELinux labels are applied by privileged engines only; the words are common in compose files and harmless.
            ("z" | "Z", None) if !target.is_fresh() => {}
            // Docker Desktop's consistency words mean nothing on Linux.
            ("consistent" | "cached" | "delegated" | "default", None) => {}
            ("U", None) => self.chown = true,
            (
                "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable",
                None,
            ) if !target.is_fresh() => {
                if !self.propagation.is_empty() && self.propagation != key {
                    return Err(twice("propagation"));
                }
                self.propagation = key.to_string();
            }
            ("bind" | "rbind", None) if matches!(target, Target::Bind | Target::Volume) => {
                let recursive = key == "rbind";
                if self.recursive.is_some_and(|had| had != recursive) {
                    return Err(twice("bind/rbind"));
                }
                self.recursive = Some(recursive);
            }
            ("nocopy" | "copy", None) if target == Target::Volume => self.copy = Some(key == "copy"),
            (
                "suid" | "nosuid" | "dev" | "nodev" | "exec" | "noexec" | "atime" | "noatime" | "relatime"
                | "norelatime" | "strictatime" | "nodiratime" | "diratime",
                None,
            ) => {
                let opposite = key.strip_prefix("no").map_or_else(|| format!("no{key}"), str::to_string);
                if self.kernel.contains(&opposite) {
                    return Err(twice(key));
                }
                if !self.kernel.iter().any(|k| k == key) {
                    self.kernel.push(key.to_string());
                }
            }
            ("size", Some(size)) if target == Target::Tmpfs => {
                // A percentage of memory is tmpfs(5)'s own notation.
                let bytes = match size.strip_suffix('%') {
                    Some(percent) if percent.parse::<u8>().is_ok_and(|p| p <= 100) => size.to_string(),
                    Some(_) => return Err(bad(format!("size '{size}' is no percentage"))),
                    None => super::units::parse_size(size).map_err(|e| bad(e.to_string()))?.to_string(),
                };
                self.kernel.push(format!("size={bytes}"));
            }
            ("mode", Some(mode)) if target.is_fresh() => match u32::from_str_radix(mode.trim_start_matches("0o"), 8) {
                Ok(bits) if bits <= 0o7777 => self.kernel.push(format!("mode={bits:o}")),
                _ => return Err(bad(format!("mode '{mode}' is no octal mode"))),
            },
            ("max", Some(number)) if target == Target::Devpts => match number.parse::<u32>() {
                Ok(_) => self.kernel.push(word.to_string()),
                Err(_) => return Err(bad(format!("max '{number}' is no number"))),
            },
            ("uid" | "gid", Some(number)) if target == Target::Devpts => match number.parse::<u32>() {
                Ok(_) => self.kernel.push(word.to_string()),
                Err(_) => return Err(bad(format!("{key} '{number}' is no number"))),
            },
            ("uid" | "gid" | "nr_inodes" | "nr_blocks", Some(number)) if target == Target::Tmpfs => {
                let digits = number.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G']);
                let suffix_ok = digits.len() == number.len() || key.starts_with("nr_");
                if digits.parse::<u32>().is_err() || !suffix_ok {
                    return Err(bad(format!("{key} '{number}' is no number")));
                }
                self.kernel.push(word.to_string());
            }
            ("tmpcopyup", None) if target == Target::Tmpfs => self.copy = Some(true),
            ("notmpcopyup", None) if target == Target::Tmpfs => self.copy = Some(false),
            ("O", None) if matches!(target, Target::Bind | Target::Volume) => {
                self.overlay.get_or_insert_default();
            }
            ("upperdir" | "workdir", Some(dir)) if matches!(target, Target::Bind | Target::Volume) => {
                if !dir.starts_with('/') {
                    return Err(bad(format!("{key} '{dir}' is not absolute")));
                }
                let overlay = self.overlay.get_or_insert_default();
                let place = if key == "upperdir" { &mut overlay.upper } else { &mut overlay.work };
                *place = Some(dir.to_string());
            }
            ("idmap", _) if matches!(target, Target::Bind | Target::Volume) => {
                return Err(
                    bad("the kernel lets only the host's root make idmapped mounts of the host's files".into())
                        .hint("use U, which gives the files to the container's user, or --userns=keep-id"),
                );
            }
            ("", None) => return Err(bad("an option is empty".into())),
            _ => return Err(bad(format!("unknown option '{word}'"))),
        }
        Ok(())
    }

    /// What only the whole list shows.
    pub fn check(&self, what: &str) -> Result<()> {
        match &self.overlay {
            Some(Overlay { upper: Some(_), work: None } | Overlay { upper: None, work: Some(_) }) => {
                Err(Error::user(format!("read {what}: upperdir and workdir go together")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(words: &str, target: Target) -> Result<MountOptions> {
        let mut options = MountOptions::default();
        for word in words.split(',') {
            options.take(word, target, "-v x")?;
        }
        Ok(options)
    }

    #[test]
    fn words_are_sorted() {
        let got = take("ro,Z,U,rslave,nosuid,noexec,bind", Target::Bind).unwrap();
        assert_eq!(got.readonly, Some(true));
        assert!(got.chown);
        assert_eq!(got.propagation, "rslave");
        assert_eq!(got.kernel, ["nosuid", "noexec"]);
        assert_eq!(got.recursive, Some(false));
        assert_eq!(take("nocopy", Target::Volume).unwrap().copy, Some(false));
        let tmpfs = take("size=64m,mode=01777,uid=5,noexec,size=50%", Target::Tmpfs).unwrap();
        assert_eq!(tmpfs.kernel, ["size=67108864", "mode=1777", "uid=5", "noexec", "size=50%"]);
    }

    #[test]
    fn refusals() {
        for (words, target) in [
            ("ro,rw", Target::Bind),
            ("exec,noexec", Target::Bind),
            ("shared,slave", Target::Bind),
            ("nocopy", Target::Bind),
            ("size=1", Target::Bind),
            ("size=101%", Target::Tmpfs),
            ("mode=9", Target::Tmpfs),
            ("uid=1k", Target::Tmpfs),
            ("nope", Target::Bind),
            ("O", Target::Tmpfs),
            ("upperdir=x", Target::Volume),
            ("size=1m", Target::Ramfs),
            ("idmap", Target::Bind),
            ("", Target::Bind),
        ] {
            assert!(take(words, target).is_err(), "{words}");
        }
    }
}
