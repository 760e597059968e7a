//! `coracle image inspect`.

use super::Cx;
use crate::error::{Error, Result};

/// Show the details of images.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("image inspect: not built yet"))
}
