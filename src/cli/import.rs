//! `coracle import`.

use super::Cx;
use crate::error::{Error, Result};

/// Make an image from a root file system tar.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("import: not built yet"))
}
