//! `coracle unshare`.

use super::Cx;
use crate::engine::unshare;
use crate::error::Result;
use std::ffi::OsString;

/// Run a program as root of the user namespace that containers have.
///
/// There it may read and change what belongs to the containers' users, and mount. Its mounts are its own: they end with
/// it. Without a program your shell is run.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Program and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let command = match args.command.is_empty() {
        true => vec![std::env::var_os("SHELL").filter(|s| !s.is_empty()).unwrap_or_else(|| "/bin/sh".into())],
        false => args.command,
    };
    let code = unshare::run(&cx.engine, &command)?;
    Ok(u8::try_from(code).unwrap_or(255))
}
