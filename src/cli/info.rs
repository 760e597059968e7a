//! `coracle info`.

use super::Cx;
use crate::error::{Error, Result};

/// Show what this host offers and how coracle uses it.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("info: not built yet"))
}
