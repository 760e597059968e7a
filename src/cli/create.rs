//! `coracle create`.

use super::Cx;
use crate::error::{Error, Result};

/// Create a container without starting it.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("create: not built yet"))
}
