//! `coracle rmi`.

use super::Cx;
use crate::error::{Error, Result};

/// Remove images.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("rmi: not built yet"))
}
