//! `coracle version`.

use super::Cx;
use crate::error::{Error, Result};

/// Show the version.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("version: not built yet"))
}
