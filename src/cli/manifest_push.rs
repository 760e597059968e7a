//! `coracle manifest push`.

use super::connection_flags::ConnectionFlags;
use super::{Cx, progress, push, push_local};
use crate::engine::push::Request;
use crate::engine::{images, manifest};
use crate::error::{Error, Result};
use crate::image::Store;
use crate::registry::{Compressor, ManifestFormat};
use std::path::PathBuf;

/// Push a manifest list and its images to a registry.
///
/// What the registry has already is not sent again; layers that are in no store here are fetched from the registry that
/// has them. The list is also written to oci-archive:FILE[:NAME] and oci:DIR[:NAME].
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Push the images too; --all=false sends the list alone, whose images must be there
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
        default_missing_value = "true", hide_possible_values = true, action = clap::ArgAction::Set)]
    all: bool,
    /// Remove the list from the store when it is pushed
    #[arg(short = 'p', long, visible_alias = "purge")]
    rm: bool,
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
    /// Format of the list and its images: oci or v2s2 (default: as stored)
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Compress layers with gzip or zstd, those too that are compressed otherwise
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// Compression level: 1 to 9 for gzip, 1 to 20 for zstd
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<i32>,
    /// Send layers in the chosen compression even if the registry has them in another
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    force_compression: Option<bool>,
    /// Write the digest of the pushed list to the file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Same as --tls-verify=false
    #[arg(long, hide = true, conflicts_with = "tls_verify")]
    insecure: bool,
    /// Accepted and ignored (signatures are never pushed)
    #[arg(long, hide = true)]
    remove_signatures: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Name or id of the list
    #[arg(value_name = "LIST")]
    list: String,
    /// Where to push, as HOST[:PORT]/NAME[:TAG] (default: the list's own name)
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let store = Store::open(&cx.engine.paths)?;
    let list = manifest::find(&store, &args.list)?;
    match args.destination.as_deref().and_then(push_local::parse) {
        Some(local) => {
            if args.format.is_some() || args.compression_format.is_some() || args.digestfile.is_some() || !args.all {
                return Err(Error::unsupported(
                    "use --format, --compression-format, --digestfile or --all=false without a registry",
                )
                .hint("push there as it is stored"));
            }
            push_local::push(&args.list, local, None, cx)?;
        }
        None => to_registry(&args, cx)?,
    }
    if args.rm {
        store.remove_list(&list)?;
        images::collect(&cx.engine, store)?;
    }
    Ok(0)
}

fn to_registry(args: &Args, cx: &Cx) -> Result<()> {
    let compression = match (&args.compression_format, args.compression_level) {
        (Some(format), level) => Some(Compressor::parse(format, level)?),
        (None, Some(_)) => {
            return Err(Error::user("use --compression-level alone").hint("give --compression-format gzip or zstd too"));
        }
        (None, None) => None,
    };
    let mut request = Request {
        connection: args.connection.options()?,
        format: args.format.as_deref().map(ManifestFormat::parse).transpose()?,
        compression,
        force_compression: args.force_compression.unwrap_or(compression.is_some()),
        platform: None,
        by_digest: false,
    };
    if args.insecure {
        request.connection.tls_verify = Some(false);
    }
    let progress = progress::for_push(args.quiet);
    let destination = args.destination.as_deref();
    let sent = manifest::push(&cx.engine, &args.list, destination, !args.all, &request, progress.as_ref())?;
    if let Some(file) = &args.digestfile {
        push::write_digest(file, &sent)?;
    }
    push::report(&sent, args.quiet, cx)
}
