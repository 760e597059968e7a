//! `coracle load`.

use super::Cx;
use crate::error::{Error, Result};

/// Load images from an archive.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("load: not built yet"))
}
