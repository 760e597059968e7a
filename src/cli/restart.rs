//! `coracle restart`.

use super::Cx;
use crate::error::{Error, Result};

/// Restart containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("restart: not built yet"))
}
