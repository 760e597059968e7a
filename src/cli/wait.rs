//! `coracle wait`.

use super::Cx;
use crate::error::{Error, Result};

/// Wait until containers stop and print their exit codes.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("wait: not built yet"))
}
