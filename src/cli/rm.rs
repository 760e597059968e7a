//! `coracle rm`.

use super::Cx;
use crate::error::{Error, Result};

/// Remove containers.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("rm: not built yet"))
}
