//! `coracle untag`.

use super::{Cx, Personality};
use crate::engine::images;
use crate::error::Result;

/// Take names away from an image; the image stays.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Names to take away; all by default
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    images::untag(&cx.engine, &args.image, &args.names, cx.personality == Personality::Docker)?;
    Ok(0)
}
