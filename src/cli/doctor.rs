//! `coracle doctor`.

use super::Cx;
use crate::error::{Error, Result};

/// Check the host and explain what works and how to fix the rest.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("doctor: not built yet"))
}
