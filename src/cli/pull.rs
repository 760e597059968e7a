//! `coracle pull`.

use super::Cx;
use crate::error::{Error, Result};

/// Pull images from a registry.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("pull: not built yet"))
}
