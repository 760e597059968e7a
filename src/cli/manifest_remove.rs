//! `coracle manifest remove`.

use super::{Cx, output};
use crate::engine::manifest;
use crate::error::Result;

/// Take images out of a manifest list.
///
/// Prints the id of the list.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the list
    #[arg(value_name = "LIST")]
    list: String,
    /// Digests (or their beginnings) of images in the list, or names in the store
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let list = manifest::remove(&cx.engine, &args.list, &args.images)?;
    output::line(&list.id)?;
    Ok(0)
}
