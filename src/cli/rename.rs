//! `coracle rename`.

use super::{Cx, select};
use crate::engine::rename::rename;
use crate::error::Result;

/// Give a container another name.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Its new name
    #[arg(value_name = "NAME")]
    name: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    rename(&cx.engine, &select::id(cx, &args.container)?, args.name.trim_start_matches('/'))?;
    Ok(0)
}
