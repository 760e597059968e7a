//! `coracle manifest create`.

use super::connection_flags::ConnectionFlags;
use super::manifest_flags::annotations;
use super::{Cx, Personality, output, progress};
use crate::engine::images::new_name;
use crate::engine::manifest::{self, AddOptions};
use crate::error::Result;

/// Make a manifest list: one name for images of several platforms.
///
/// It is kept in the store, where images shows it, until manifest push sends it to a registry. Prints its id.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Of images that are manifest lists: add all that they list, not the one for this platform
    #[arg(long)]
    all: bool,
    /// Add to the list if there is one of that name already
    #[arg(short, long)]
    amend: bool,
    /// Annotation of the list
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Same as --tls-verify=false
    #[arg(long, hide = true, conflicts_with = "tls_verify")]
    insecure: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Name of the list, as [HOST[:PORT]/]NAME[:TAG]
    #[arg(value_name = "LIST")]
    list: String,
    /// Images to add, as for manifest add
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let name = new_name(&args.list, docker)?;
    let mut options = AddOptions { connection: args.connection.options()?, all: args.all, ..AddOptions::default() };
    if args.insecure {
        options.connection.tls_verify = Some(false);
    }
    let notes = annotations(&args.annotation)?;
    let progress = progress::for_stderr(false);
    let made = manifest::create(&cx.engine, &name, &args.images, &notes, args.amend, &options, progress.as_ref())?;
    match docker {
        true => output::line(&format!("Created manifest list {}", name.canonical()))?,
        false => output::line(&made.id)?,
    }
    Ok(0)
}
