//! `coracle export`.

use super::{Cx, archive_out, epoch, output};
use crate::engine::export::export;
use crate::error::Result;
use std::path::PathBuf;

/// Write a container's root file system as a tar archive.
///
/// What lies in volumes and bind mounts is not part of it. `import` makes an image of the archive.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let newest = epoch::asked()?;
    let mut out = archive_out::Output::open(args.output.as_deref())?;
    let notes = export(&cx.engine, &args.container, newest, &mut out)?;
    out.finish()?;
    notes.iter().for_each(|note| output::warn(note));
    Ok(0)
}
