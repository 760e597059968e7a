//! `coracle tag`.

use super::{Cx, Personality};
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
    let docker = cx.personality == Personality::Docker;
    let names: Vec<_> = args.names.iter().map(|n| images::new_name(n, docker)).collect::<Result<_>>()?;
    images::tag(&cx.engine, &args.image, &names)?;
    Ok(0)
}
