//! `coracle port`.

use super::Cx;
use crate::error::{Error, Result};

/// List the published ports of a container.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("port: not built yet"))
}
