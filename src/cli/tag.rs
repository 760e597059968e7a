//! `coracle tag`.

use super::Cx;
use crate::engine::images;
use crate::error::Result;

/// Give an image further names.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// New names, as [HOST[:PORT]/]NAME[:TAG]; taken from the images that have them now
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    images::tag(&cx.engine, &args.image, &args.names)?;
    Ok(0)
}
