//! `coracle image inspect`.

use super::{Cx, inspect};
use crate::engine::inspect::Type;
use crate::error::Result;

/// Show the details of images.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Print json, ndjson, or the result of a Go template for each image
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    inspect::show(&args.images, Type::Image, false, args.format.as_deref(), cx)
}
