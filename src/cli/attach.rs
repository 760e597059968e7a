//! `coracle attach`.

use super::Cx;
use crate::error::{Error, Result};

/// Attach to a running container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("attach: not built yet"))
}
