//! `coracle save`.

use super::{Cx, Personality, archive_out};
use crate::engine::images;
use crate::engine::save::{self, SaveOptions};
use crate::error::{Error, Result};
use crate::image::{SaveFormat, SaveLayers};
use crate::registry::Platform;
use std::path::PathBuf;

/// Save images as an archive or a directory.
///
/// `load` reads all of it, and so do docker, podman, skopeo and buildah. The same images give the same bytes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// File or directory to write; standard output by default
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// docker-archive, oci-archive, oci-dir (a directory with an OCI layout), docker-dir (one with a Docker manifest)
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: String,
    /// Of a manifest list only what is for this platform, OS/ARCH[/VARIANT]; can be given several times where the format
    /// holds lists
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<String>,
    /// Compress the layers of a docker-dir
    #[arg(long)]
    compress: bool,
    /// Leave uncompressed layers so in OCI layouts; by default those of images that were made here are compressed
    #[arg(long)]
    uncompressed: bool,
    /// Save several images, where podman takes further words for names of the first
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Accepted: nothing but the archive is printed
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let format = SaveFormat::parse(&args.format)?;
    if args.compress && format != SaveFormat::DockerDir {
        return Err(Error::user(format!("compress the layers of {}", args.format)).hint("use --format docker-dir"));
    }
    let platforms = args.platform.iter().map(|text| Platform::parse(text)).collect::<Result<_>>()?;
    let layers = if args.uncompressed { SaveLayers::AsStored } else { SaveLayers::Packed };
    let how = SaveOptions { format, compress: args.compress, layers, platforms };
    let names_only = cx.personality == Personality::Podman && !args.multi_image_archive;
    let (words, further) = args.images.split_at(if names_only { 1 } else { args.images.len() });
    let further: Vec<_> = further.iter().map(|n| images::new_name(n, false)).collect::<Result<_>>()?;
    if format.is_directory() {
        let target = args.output.as_deref().ok_or_else(|| {
            Error::user(format!("save as {}: where to is not said", args.format)).hint("use -o DIRECTORY")
        })?;
        save::directory(&cx.engine, words, &further, &how, target)?;
        return Ok(0);
    }
    let mut out = archive_out::Output::open(args.output.as_deref())?;
    let place = out.seekable()?;
    save::archive(&cx.engine, words, &further, &how, &mut out, place)?;
    out.finish()?;
    Ok(0)
}
