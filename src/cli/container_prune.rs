//! `coracle container prune`.

use super::Cx;
use crate::error::{Error, Result};

/// Remove all stopped containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("container prune: not built yet"))
}
