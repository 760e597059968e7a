//! `coracle tag`.

use super::Cx;
use crate::error::{Error, Result};

/// Add a name to an image.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("tag: not built yet"))
}
