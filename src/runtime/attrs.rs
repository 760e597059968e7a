//! Mount options as users write them → mount attributes and file system options.

use crate::sys::mount as m;
use serde::{Deserialize, Serialize};
use std::ops::BitOr;

/// What mount_setattr(2) sets and clears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attrs {
    pub set: u64,
    pub clear: u64,
    /// MS_PRIVATE, MS_SHARED, MS_SLAVE or MS_UNBINDABLE; 0 = leave.
    pub propagation: u64,
}

impl Attrs {
    pub const RDONLY: Attrs = Attrs::set(m::ATTR_RDONLY);
    pub const NOSUID: Attrs = Attrs::set(m::ATTR_NOSUID);
    pub const NODEV: Attrs = Attrs::set(m::ATTR_NODEV);
    pub const NOEXEC: Attrs = Attrs::set(m::ATTR_NOEXEC);
    pub const STRICTATIME: Attrs = Attrs::set(m::ATTR_STRICTATIME);

    const fn set(set: u64) -> Attrs {
        Attrs { set, clear: 0, propagation: 0 }
    }
}

impl BitOr for Attrs {
    type Output = Attrs;
    fn bitor(self, other: Attrs) -> Attrs {
        Attrs { set: self.set | other.set, clear: self.clear & !other.set | other.clear, ..self }
    }
}

/// Splits options into attributes and the rest, which is the file system's. The last of two opposites wins.
pub fn parse(options: &[String]) -> (Attrs, Vec<String>) {
    let mut attrs = Attrs::default();
    let mut rest = Vec::new();
    for option in options {
        let (set, clear) = match option.as_str() {
            "ro" | "readonly" => (m::ATTR_RDONLY, 0),
            "rw" => (0, m::ATTR_RDONLY),
            "nosuid" => (m::ATTR_NOSUID, 0),
            "suid" => (0, m::ATTR_NOSUID),
            "nodev" => (m::ATTR_NODEV, 0),
            "dev" => (0, m::ATTR_NODEV),
            "noexec" => (m::ATTR_NOEXEC, 0),
            "exec" => (0, m::ATTR_NOEXEC),
            "noatime" => (m::ATTR_NOATIME, m::ATTR_ATIME),
            "strictatime" => (m::ATTR_STRICTATIME, m::ATTR_ATIME),
            "relatime" | "atime" | "norelatime" | "nostrictatime" => (m::ATTR_RELATIME, m::ATTR_ATIME),
            "nodiratime" => (m::ATTR_NODIRATIME, 0),
            "diratime" => (0, m::ATTR_NODIRATIME),
            "nosymfollow" => (m::ATTR_NOSYMFOLLOW, 0),
            // Words for binds, and defaults.
            "bind" | "rbind" | "defaults" | "z" | "Z" | "U" | "" => (0, 0),
            _ => {
                rest.push(option.clone());
                continue;
            }
        };
        attrs.set = attrs.set & !clear | set;
        attrs.clear = attrs.clear & !set | clear;
    }
    (attrs, rest)
}

/// The MS_ flag of a propagation's name; it is always set for everything below too. Empty means private.
pub fn propagation(name: &str) -> u64 {
    match name.trim_start_matches('r') {
        "shared" => m::SHARED,
        "slave" => m::SLAVE,
        "unbindable" => m::UNBINDABLE,
        _ => m::PRIVATE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_string).collect()
    }

    #[test]
    fn splits_options() {
        let (attrs, rest) = parse(&words("ro,nosuid,size=64m,exec,mode=1777,noatime"));
        assert_eq!(attrs.set, m::ATTR_RDONLY | m::ATTR_NOSUID | m::ATTR_NOATIME);
        assert_eq!(attrs.clear, m::ATTR_NOEXEC | m::ATTR_ATIME);
        assert_eq!(rest, ["size=64m", "mode=1777"]);
    }

    #[test]
    fn last_opposite_wins() {
        let (attrs, _) = parse(&words("ro,rw,suid,nosuid"));
        assert_eq!((attrs.set, attrs.clear), (m::ATTR_NOSUID, m::ATTR_RDONLY));
        assert_eq!((attrs | Attrs::RDONLY).set, m::ATTR_NOSUID | m::ATTR_RDONLY);
        assert_eq!((attrs | Attrs::RDONLY).clear, 0);
    }

    #[test]
    fn propagations() {
        for (name, flag) in [("", m::PRIVATE), ("rprivate", m::PRIVATE), ("rslave", m::SLAVE), ("shared", m::SHARED)] {
            assert_eq!(propagation(name), flag, "{name}");
        }
    }
}
