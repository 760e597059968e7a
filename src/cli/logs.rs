//! `coracle logs`.

use super::Cx;
use crate::error::{Error, Result};

/// Show the output of a container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("logs: not built yet"))
}
