//! `coracle completion`.

use super::Cx;
use crate::error::{Error, Result};

/// Print a shell completion script.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("completion: not built yet"))
}
