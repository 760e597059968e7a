//! `coracle kill`.

use super::Cx;
use super::select::{self, Selection};
use crate::engine::stop::kill;
use crate::error::Result;
use crate::spec::signal;

/// Send a signal to running containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or number of the signal
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    #[command(flatten)]
    selection: Selection,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let number = signal::parse(&args.signal)?;
    args.selection.each(cx, select::code(cx), |c| c.active(), |id| kill(&cx.engine, id, number))
}
