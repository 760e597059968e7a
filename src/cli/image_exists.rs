//! `coracle image exists`.

use super::Cx;
use crate::engine::images;
use crate::error::Result;

/// Tell by the exit code whether an image is in the store: 0 yes, 1 no, 125 error.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    Ok(u8::from(!images::exists(&cx.engine, &args.image)?))
}
