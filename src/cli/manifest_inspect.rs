//! `coracle manifest inspect`.

use super::connection_flags::ConnectionFlags;
use super::{Cx, output};
use crate::engine::manifest;
use crate::error::Result;

/// Show a manifest list of the store, or the manifest that a registry has.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Same as --tls-verify=false
    #[arg(long, hide = true, conflicts_with = "tls_verify")]
    insecure: bool,
    /// Accepted for docker's scripts
    #[arg(short, long, hide = true)]
    verbose: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Name or id of the list, or an image's name; docker://NAME asks the registry at once
    #[arg(value_name = "LIST")]
    list: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut options = args.connection.options()?;
    if args.insecure {
        options.tls_verify = Some(false);
    }
    let value = manifest::inspect(&cx.engine, &args.list, &options)?;
    output::line(&output::pretty(&value))?;
    Ok(0)
}
