//! `coracle run`.

use super::Cx;
use crate::error::{Error, Result};

/// Create and start a container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("run: not built yet"))
}
