//! `coracle load`.

use super::progress_reading::Reading;
use super::{Cx, Personality, output};
use crate::engine::images::{self, Source};
use crate::error::{Error, Result};
use crate::registry::{Platform, PullOptions};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Load images from an archive.
///
/// Reads docker-archive and oci-archive, compressed or not, from a file or standard input, and OCI layouts from a
/// directory. Manifest lists stay what they are, with all their images that the archive has. Prints the names.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archive or OCI directory; standard input by default
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Load the images for this platform only, OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Don't print the names
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let source = match &args.input {
        Some(path) if path.as_os_str() != "-" => Source::Path(path),
        _ if std::io::stdin().is_terminal() => {
            return Err(Error::user("load from standard input: it is a terminal").hint("use -i FILE, or a pipe"));
        }
        _ => Source::Stdin,
    };
    let options = PullOptions {
        platform: args.platform.as_deref().map(Platform::parse).transpose()?,
        env: super::connection_flags::environment(),
        ..PullOptions::default()
    };
    let bar = Reading::new(args.quiet, images::load_size(source));
    let all = images::load(&cx.engine, source, &options, &|step| bar.step(step));
    bar.end();
    for (loaded, image) in all? {
        if args.quiet {
            continue;
        }
        if loaded.names.is_empty() {
            output::line(&format!("Loaded image: sha256:{}", image.id))?;
        }
        for name in &loaded.names {
            let name = if cx.personality == Personality::Docker { name.familiar() } else { name.canonical() };
            output::line(&format!("Loaded image: {name}"))?;
        }
    }
    Ok(0)
}
