//! `coracle volume create`.

use super::Cx;
use crate::error::{Error, Result};

/// Create a volume.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("volume create: not built yet"))
}
