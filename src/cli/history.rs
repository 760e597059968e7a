//! `coracle history`.

use super::Cx;
use crate::error::{Error, Result};

/// Show the layers of an image.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("history: not built yet"))
}
