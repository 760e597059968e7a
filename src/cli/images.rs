//! `coracle images`.

use super::Cx;
use crate::error::{Error, Result};

/// List images.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("images: not built yet"))
}
