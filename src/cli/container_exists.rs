//! `coracle container exists`.

use super::Cx;
use crate::error::{Error, Result};

/// Tell by the exit code whether a container exists.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("container exists: not built yet"))
}
