//! `coracle import`.

use super::progress_reading::Reading;
use super::{Cx, Personality, epoch, output};
use crate::engine::images::{self, Source};
use crate::error::Result;
use crate::image::{ImportOptions, RunConfig, host_architecture};
use crate::registry::{Platform, PullOptions};
use std::path::{Path, PathBuf};

/// Make an image of a root file system's tar archive.
///
/// The same archive gives the same image, as old as its newest file, or as SOURCE_DATE_EPOCH says.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The archive (plain, gzip, zstd, xz, bzip2), its http or https address, or - for standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the image
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Comment for the history
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// Platform of the image, as OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Operating system of the image
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Print the image's id only
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let mut config = RunConfig::default();
    for text in &args.change {
        super::change::apply(&mut config, text)?;
    }
    let mut options = ImportOptions {
        name: args.name.as_deref().map(|n| images::new_name(n, docker)).transpose()?,
        config,
        message: args.message,
        created: epoch::asked()?.map(|seconds| epoch::created(Some(seconds))).transpose()?,
        // Where a file lies is no part of what it holds.
        source: if is_address(&args.file) { args.file.clone() } else { String::new() },
        os: "linux".into(),
        architecture: host_architecture().into(),
        variant: String::new(),
    };
    if let Some(text) = &args.platform {
        let platform = Platform::parse(text)?;
        (options.os, options.architecture, options.variant) = (platform.os, platform.architecture, platform.variant);
    }
    options.os = args.os.unwrap_or(options.os);
    options.architecture = args.arch.unwrap_or(options.architecture);
    options.variant = args.variant.unwrap_or(options.variant);
    let path = PathBuf::from(&args.file);
    let connection = PullOptions { env: super::connection_flags::environment(), ..PullOptions::default() };
    let source = match args.file.as_str() {
        "-" => Source::Stdin,
        url if is_address(url) => Source::Url(url, &connection),
        _ => Source::Path(Path::new(&path)),
    };
    let bar = Reading::new(args.quiet, None);
    let id = images::import(&cx.engine, source, &options, &connection.env, &|step| bar.step(step));
    bar.end();
    let id = id?;
    output::line(&if docker { format!("sha256:{id}") } else { id })?;
    Ok(0)
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
