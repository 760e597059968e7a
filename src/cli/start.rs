//! `coracle start`.

use super::Cx;
use crate::error::{Error, Result};

/// Start created or stopped containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("start: not built yet"))
}
