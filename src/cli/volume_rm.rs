//! `coracle volume rm`.

use super::Cx;
use crate::error::{Error, Result};

/// Remove volumes.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("volume rm: not built yet"))
}
