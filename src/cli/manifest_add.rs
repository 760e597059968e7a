//! `coracle manifest add`.

use super::connection_flags::ConnectionFlags;
use super::manifest_flags::NoteFlags;
use super::{Cx, output, progress};
use crate::engine::manifest::{self, AddOptions};
use crate::error::Result;
use crate::registry::Platform;

/// Add images to a manifest list.
///
/// An image is looked for in the store, then at its registry; docker://NAME means the registry, and the other
/// sources of pull are read too. Of a registry's image the layers stay there until the list is pushed.
/// Prints the id of the list.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Of sources that are manifest lists: add all images, not the one for this platform
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    notes: NoteFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Name or id of the list
    #[arg(value_name = "LIST")]
    list: String,
    /// Images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let notes = args.notes.notes()?;
    let platform = Platform::from_parts(notes.os.as_deref(), notes.architecture.as_deref(), notes.variant.as_deref());
    let options = AddOptions { connection: args.connection.options()?, all: args.all, platform, notes };
    let progress = progress::for_stderr(false);
    let list = manifest::add(&cx.engine, &args.list, &args.images, &options, progress.as_ref())?;
    output::line(&list.id)?;
    Ok(0)
}
