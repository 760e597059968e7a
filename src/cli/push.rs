//! `coracle push`.

use super::connection_flags::ConnectionFlags;
use super::{Cx, Personality, output, progress, push_local};
use crate::engine::push::{Request, Sent, push, push_all_tags};
use crate::error::{Error, Result};
use crate::registry::{Compressor, ManifestFormat, Platform};
use std::path::{Path, PathBuf};

/// Push an image to a registry.
///
/// Layers are sent as they are stored, those that are stored uncompressed with gzip. What the registry has already is
/// not sent again. Archives and directories are written too: docker-archive:FILE[:NAME], oci-archive:FILE[:NAME],
/// oci:DIR[:NAME] and dir:DIR.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
    /// Push every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Manifest format: oci or v2s2 (default: as stored)
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Compress layers with gzip or zstd, those too that are compressed otherwise
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// Compression level: 1 to 9 for gzip, 1 to 20 for zstd
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<i32>,
    /// Send layers in the chosen compression even if the registry has them in another
    /// (default: true with --compression-format)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    force_compression: Option<bool>,
    /// Write the digest of the pushed manifest to the file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Push what is for this platform, OS/ARCH[/VARIANT]: of a manifest list its image
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Accepted and ignored (signatures are never pushed)
    #[arg(long, hide = true)]
    remove_signatures: bool,
    /// Accepted and ignored (docker's content trust is not provided)
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Where to push, as HOST[:PORT]/NAME[:TAG] (default: the image's own name)
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    if let Some(local) = args.destination.as_deref().and_then(push_local::parse) {
        let plain =
            args.format.is_none() && args.compression_format.is_none() && args.digestfile.is_none() && !args.all_tags;
        if !plain {
            return Err(Error::unsupported(
                "use --format, --compression-format, --digestfile or -a without a registry",
            )
            .hint("push there as it is stored"));
        }
        return push_local::push(&args.image, local, platform, cx).map(|()| 0);
    }
    let compression = match (&args.compression_format, args.compression_level) {
        (Some(format), level) => Some(Compressor::parse(format, level)?),
        (None, Some(_)) => {
            return Err(Error::user("use --compression-level alone").hint("give --compression-format gzip or zstd too"));
        }
        (None, None) => None,
    };
    let request = Request {
        connection: args.connection.options()?,
        format: args.format.as_deref().map(ManifestFormat::parse).transpose()?,
        compression,
        force_compression: args.force_compression.unwrap_or(compression.is_some()),
        platform,
        by_digest: false,
    };
    let progress = progress::for_push(args.quiet);
    if args.all_tags {
        if args.destination.is_some() {
            return Err(Error::user("push all tags to another name").hint("-a takes the repository alone"));
        }
        let all = push_all_tags(&cx.engine, &args.image, &request, progress.as_ref())?;
        for sent in &all {
            report(sent, args.quiet, cx)?;
        }
        return match (all.last(), &args.digestfile) {
            (Some(last), Some(file)) => write_digest(file, last).map(|()| 0),
            _ => Ok(0),
        };
    }
    let sent = push(&cx.engine, &args.image, args.destination.as_deref(), &request, progress.as_ref())?;
    if let Some(file) = &args.digestfile {
        write_digest(file, &sent)?;
    }
    report(&sent, args.quiet, cx)?;
    Ok(0)
}

pub fn write_digest(file: &Path, sent: &Sent) -> Result<()> {
    std::fs::write(file, sent.pushed.digest.as_str())
        .map_err(|e| crate::error::IntoError::context(e, format!("write {}", file.display())))
}

/// Docker prints a line with the digest (the name alone with -q); podman prints nothing.
pub fn report(sent: &Sent, quiet: bool, cx: &Cx) -> Result<()> {
    let tag = sent.reference.tag.as_deref().unwrap_or("latest");
    match cx.personality {
        Personality::Docker if quiet => output::line(&sent.reference.canonical()),
        Personality::Docker => {
            output::line(&format!("{tag}: digest: {} size: {}", sent.pushed.digest, sent.pushed.size))
        }
        Personality::Coracle => output::line(sent.pushed.digest.as_str()),
        Personality::Podman => Ok(()),
    }
}
