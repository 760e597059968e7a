//! `coracle volume exists`.

use super::Cx;
use crate::error::{Kind, Result};
use crate::volume;

/// Ask whether a volume exists: exit code 0 yes, 1 no.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    volume: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    match volume::get(&cx.engine.paths, &args.volume) {
        Ok(_) => Ok(0),
        Err(e) if matches!(e.kind, Kind::NotFound | Kind::User) => Ok(1),
        Err(e) => Err(e),
    }
}
