//! The flags of `coracle build` about platforms.

use crate::error::Result;
use crate::registry::{Env, Platform};

/// Flatten into the command's arguments.
#[derive(clap::Args, Debug)]
pub struct PlatformFlags {
    /// Platforms to build for, as OS/ARCH[/VARIANT] or local; several make an index
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', conflicts_with_all = ["arch", "os", "variant"])]
    platform: Vec<String>,
    /// Architecture of the image, instead of this machine's
    #[arg(long)]
    arch: Option<String>,
    /// Operating system of the image
    #[arg(long)]
    os: Option<String>,
    /// Variant of the architecture
    #[arg(long)]
    variant: Option<String>,
}

impl PlatformFlags {
    /// The platforms, each once, at least one.
    pub fn platforms(&self, env: &Env) -> Result<Vec<Platform>> {
        let parse = |text: &str| match text {
            "local" => Ok(Platform::host()),
            text => Platform::parse(text),
        };
        let mut all: Vec<Platform> = Vec::new();
        for text in self.platform.iter().map(|t| t.trim()).filter(|t| !t.is_empty()) {
            let platform = parse(text)?;
            if !all.contains(&platform) {
                all.push(platform);
            }
        }
        if all.is_empty() {
            let parts = Platform::from_parts(self.os.as_deref(), self.arch.as_deref(), self.variant.as_deref());
            let default = env.var("DOCKER_DEFAULT_PLATFORM").filter(|t| !t.is_empty());
            all.push(match (parts, default) {
                (Some(platform), _) => platform,
                (None, Some(text)) => parse(text)?,
                (None, None) => Platform::host(),
            });
        }
        Ok(all)
    }
}
