//! `coracle generate-docs`: man pages and completions, from the same definitions that parse the command line.

use super::Cx;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Write man pages and shell completions to man/ and completions/ below a directory.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Directory that holds man/ and completions/
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

pub fn run(_args: Args, _cx: &Cx) -> Result<u8> {
    Err(Error::unsupported("generate-docs: not built yet"))
}
