//! `coracle exec`.

use super::Cx;
use crate::error::{Error, Result};

/// Run a command in a running container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("exec: not built yet"))
}
