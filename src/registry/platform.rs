//! Platforms (`linux/arm64/v8`) and which of an index's images suits one.
//!
//! Names and fall-backs follow containerd's `platforms` package, as Docker's do.

use crate::error::{Error, Result};
use std::fmt;

/// Operating system, architecture and its variant, in Go's names (`amd64`, not `x86_64`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    /// Empty when there is none.
    pub variant: String,
}

impl Platform {
    /// The platform this binary runs on.
    pub fn host() -> Platform {
        Platform::normalised("linux", std::env::consts::ARCH, "")
    }

    /// Names as registries write them: `x86_64` → `amd64`, `aarch64` → `arm64`, `armhf` → `arm/v7`.
    pub fn normalised(os: &str, architecture: &str, variant: &str) -> Platform {
        let (os, arch, variant) = (os.to_lowercase(), architecture.to_lowercase(), variant.to_lowercase());
        let (arch, variant) = match (arch.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", v) => ("amd64", v),
            ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386", ""),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("aarch64", v) => ("arm64", v),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "") => ("arm", "v7"),
            ("arm", "5" | "6" | "7" | "8") => {
                ("arm", ["v5", "v6", "v7", "v8"][(variant.as_bytes()[0] - b'5') as usize])
            }
            ("powerpc64le" | "ppc64el", v) => ("ppc64le", v),
            ("powerpc64", v) => ("ppc64", v),
            (a, v) => (a, v),
        };
        let os = if os.is_empty() { "linux".to_string() } else { os };
        Platform { os, architecture: arch.to_string(), variant: variant.to_string() }
    }

    /// How BuildKit calls a step that runs on this platform to make something for `target`: `linux/amd64->arm64`.
    pub fn on_the_way_to(&self, target: &Platform) -> String {
        if self == target {
            return self.to_string();
        }
        if self.os != target.os {
            return format!("{self}->{target}");
        }
        match self.architecture == target.architecture && !target.variant.is_empty() {
            true => format!("{self}->/{}", target.variant),
            false => format!("{self}->{}", &target.to_string()[target.os.len() + 1..]),
        }
    }

    /// Parses `OS/ARCH[/VARIANT]`, `OS` or `ARCH`; missing parts are the host's.
    pub fn parse(text: &str) -> Result<Platform> {
        let bad = || {
            Error::user(format!("parse platform '{text}'")).hint("write it as OS/ARCH[/VARIANT], such as linux/arm64")
        };
        let parts: Vec<&str> = text.split('/').collect();
        let clean = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !parts.iter().all(clean) {
            return Err(bad());
        }
        let host = Platform::host();
        match parts[..] {
            [os @ ("linux" | "windows" | "darwin" | "freebsd" | "wasi")] => {
                Ok(Platform::normalised(os, &host.architecture, &host.variant))
            }
            [arch] => Ok(Platform::normalised("linux", arch, "")),
            [os, arch] => Ok(Platform::normalised(os, arch, "")),
            [os, arch, variant] => Ok(Platform::normalised(os, arch, variant)),
            _ => Err(bad()),
        }
    }

    /// `--os`, `--arch` and `--variant`, each over the host's; `None` when none is given.
    pub fn from_parts(os: Option<&str>, arch: Option<&str>, variant: Option<&str>) -> Option<Platform> {
        if os.is_none() && arch.is_none() && variant.is_none() {
            return None;
        }
        let host = Platform::host();
        let host_variant = if arch.is_none() { host.variant.as_str() } else { "" };
        Some(Platform::normalised(
            os.unwrap_or(&host.os),
            arch.unwrap_or(&host.architecture),
            variant.unwrap_or(host_variant),
        ))
    }

    /// How well `offered` runs where `self` is wanted: 0 is exact, higher is worse, `None` is not at all.
    pub fn distance(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        if self.variant == offered.variant {
            return Some(0);
        }
        let level = |v: &str| v.strip_prefix('v').and_then(|n| n.parse::<u32>().ok());
        match self.architecture.as_str() {
            // 32-bit arm runs code of older variants; an image without one was made before variants existed.
            "arm" => match (level(&self.variant), level(&offered.variant)) {
                (Some(want), Some(have)) if (5..=want).contains(&have) => Some(want - have),
                (_, None) if offered.variant.is_empty() => Some(10),
                _ => None,
            },
            // amd64/v2, v3, v4 and arm64/v9 name what newer processors can; plain ones run everywhere.
            "amd64" | "arm64" => match (level(&self.variant), level(&offered.variant)) {
                (_, None) if offered.variant.is_empty() => Some(10),
                (Some(want), Some(have)) if have <= want => Some(want - have),
                _ => None,
            },
            _ if offered.variant.is_empty() || self.variant.is_empty() => Some(10),
            _ => None,
        }
    }

    /// The index of the best of `offered`; the first of equals, as Docker takes it.
    pub fn best(&self, offered: &[Platform]) -> Option<usize> {
        let distances = offered.iter().enumerate().filter_map(|(i, p)| Some((self.distance(p)?, i)));
        distances.min().map(|(_, i)| i)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_called_as_buildkit_calls_them() {
        for (own, target, want) in [
            ("linux/amd64", "linux/amd64", "linux/amd64"),
            ("linux/amd64", "linux/arm64", "linux/amd64->arm64"),
            ("linux/amd64", "linux/arm/v7", "linux/amd64->arm/v7"),
            ("linux/arm/v6", "linux/arm/v7", "linux/arm/v6->/v7"),
            ("linux/amd64", "windows/amd64", "linux/amd64->windows/amd64"),
        ] {
            let parse = |text: &str| Platform::parse(text).unwrap();
            assert_eq!(parse(own).on_the_way_to(&parse(target)), want);
        }
    }

    #[test]
    fn parses_and_normalises() {
        for (text, want) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("Linux/ARM64", "linux/arm64"),
            ("arm64", "linux/arm64"),
            ("i686", "linux/386"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), want, "{text}");
        }
        for bad in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn overrides_apply_to_the_host() {
        assert_eq!(Platform::from_parts(None, None, None), None);
        assert_eq!(Platform::from_parts(None, Some("arm"), Some("v6")).unwrap().to_string(), "linux/arm/v6");
    }

    #[test]
    fn picks_the_nearest_variant() {
        let p = |t: &str| Platform::parse(t).unwrap();
        let index = ["linux/arm/v5", "linux/arm/v7", "linux/arm64/v8", "linux/amd64/v3", "linux/amd64"].map(p);
        for (want, found) in [
            ("linux/amd64", Some(4)),
            ("linux/amd64/v3", Some(3)),
            ("linux/amd64/v2", Some(4)),
            ("linux/arm/v7", Some(1)),
            ("linux/arm/v6", Some(0)),
            ("linux/arm64", Some(2)),
            ("linux/s390x", None),
            ("windows/amd64", None),
        ] {
            assert_eq!(p(want).best(&index), found, "{want}");
        }
    }
}
