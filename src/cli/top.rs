//! `coracle top`.

use super::Cx;
use crate::error::{Error, Result};

/// List the processes of a container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("top: not built yet"))
}
