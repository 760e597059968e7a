//! `coracle volume inspect`.

use super::Cx;
use crate::error::{Error, Result};

/// Show the details of volumes.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("volume inspect: not built yet"))
}
