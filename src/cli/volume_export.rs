//! `coracle volume export`.

use super::{Cx, archive_out, output};
use crate::engine;
use crate::error::Result;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Write the files of a volume as a tar archive.
///
/// Owners, modes, times, extended attributes, hard links and holes are kept; `volume import` brings them back.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    volume: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    // A name that is wrong leaves no empty file behind.
    crate::volume::get(&cx.engine.paths, &args.volume)?;
    let out = archive_out::Output::open(args.output.as_deref())?;
    let notes = engine::volume::export(&cx.engine, &args.volume, out.as_fd())?;
    out.finish()?;
    notes.iter().for_each(|note| output::warn(note));
    Ok(0)
}
