//! `coracle ps`.

use super::Cx;
use crate::error::{Error, Result};

/// List containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("ps: not built yet"))
}
