//! `coracle manifest exists`.

use super::Cx;
use crate::engine::manifest;
use crate::error::Result;

/// Tell by the exit code whether a manifest list is in the store: 0 yes, 1 no, 125 error.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "LIST")]
    list: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    Ok(u8::from(!manifest::exists(&cx.engine, &args.list)?))
}
