//! `coracle cp`.

use super::Cx;
use crate::error::{Error, Result};

/// Copy files between a container and the host.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("cp: not built yet"))
}
