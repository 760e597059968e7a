//! `coracle volume unmount`.

use super::volume_mount::as_root;
use super::{Cx, output};
use crate::error::Result;
use crate::volume;

/// The opposite of `volume mount`, which mounts nothing: for scripts.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of volumes
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    as_root("unmount a volume")?;
    for name in args.volumes {
        volume::get(&cx.engine.paths, &name)?;
        output::line(&name)?;
    }
    Ok(0)
}
