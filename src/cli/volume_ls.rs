//! `coracle volume ls`.

use super::Cx;
use crate::error::{Error, Result};

/// List volumes.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("volume ls: not built yet"))
}
