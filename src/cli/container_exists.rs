//! `coracle container exists`.

use super::{Cx, select};
use crate::error::{Kind, Result};

/// Ask whether a container exists: exit code 0 yes, 1 no.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Accepted for podman's scripts
    #[arg(short, long, hide = true)]
    external: bool,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    match select::id(cx, &args.container) {
        Ok(_) => Ok(0),
        Err(e) if e.kind == Kind::NotFound => Ok(1),
        Err(e) => Err(e),
    }
}
