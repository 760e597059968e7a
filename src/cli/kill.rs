//! `coracle kill`.

use super::Cx;
use crate::error::{Error, Result};

/// Send a signal to containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("kill: not built yet"))
}
