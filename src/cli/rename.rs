//! `coracle rename`.

use super::Cx;
use crate::error::{Error, Result};

/// Rename a container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("rename: not built yet"))
}
