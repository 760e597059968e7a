//! `coracle volume import`.

use super::{Cx, output};
use crate::engine;
use crate::error::{Context, Error, Result};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Put the files of a tar archive into a volume.
///
/// They replace those of the same name; other files of the volume stay. An archive that can't be read to its end changes
/// nothing.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name of the volume, which has to exist
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// The archive (plain, gzip, zstd, xz, bzip2); - or none for standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let notes = match args.file.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            engine::volume::import(&cx.engine, &args.volume, file.as_fd())?
        }
        None => {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Error::user("read an archive from standard input: it is a terminal")
                    .hint("name a FILE, or use a pipe"));
            }
            engine::volume::import(&cx.engine, &args.volume, stdin.as_fd())?
        }
    };
    notes.iter().for_each(|note| output::warn(note));
    Ok(0)
}
