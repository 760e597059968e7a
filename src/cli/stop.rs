//! `coracle stop`.

use super::Cx;
use crate::error::{Error, Result};

/// Stop containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("stop: not built yet"))
}
