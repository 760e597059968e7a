//! The flags of commands that choose an image of a registry.

use super::connection_flags::ConnectionFlags;
use crate::error::{Error, Result};
use crate::registry::{Platform, PullOptions};
use std::time::Duration;

/// Flatten into a command's arguments with `#[command(flatten)]`.
#[derive(clap::Args, Debug, Default)]
pub struct RegistryFlags {
    #[command(flatten)]
    pub connection: ConnectionFlags,
    /// Platform of the image: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["arch", "os", "variant"])]
    pub platform: Option<String>,
    /// Architecture of the image, instead of this machine's
    #[arg(long)]
    pub arch: Option<String>,
    /// Operating system of the image
    #[arg(long)]
    pub os: Option<String>,
    /// Variant of the architecture
    #[arg(long)]
    pub variant: Option<String>,
}

impl RegistryFlags {
    /// The flags and the process environment as the engine wants them.
    pub fn options(&self) -> Result<PullOptions> {
        let options = self.connection.options()?;
        let platform = match (&self.platform, options.env.var("DOCKER_DEFAULT_PLATFORM")) {
            (Some(text), _) => Some(Platform::parse(text)?),
            (None, default) => {
                match Platform::from_parts(self.os.as_deref(), self.arch.as_deref(), self.variant.as_deref()) {
                    Some(platform) => Some(platform),
                    None => default.map(Platform::parse).transpose()?,
                }
            }
        };
        Ok(PullOptions { platform, choose: super::prompt::for_registry(), ..options })
    }
}

/// A Go duration of one unit (`500ms`, `2s`, `1m`), or plain seconds.
pub fn delay(text: &str) -> Result<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let per_unit = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(per_unit)) {
        Some(ms) if per_unit > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(Error::user(format!("parse retry delay '{text}'")).hint("write it as 500ms, 2s or 1m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays() {
        for (text, ms) in [("2s", 2000), ("500ms", 500), ("1m", 60_000), ("3", 3000)] {
            assert_eq!(delay(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for bad in ["", "s", "2x", "-1s", "99999999999999999999s"] {
            assert!(delay(bad).is_err(), "{bad}");
        }
    }
}
