//! `coracle stop`.

use super::Cx;
use super::select::{self, Selection};
use crate::engine::stop::stop;
use crate::error::Result;

/// Stop running containers: their stop signal, then SIGKILL.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Seconds until SIGKILL (default: the container's own, 10)
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    #[command(flatten)]
    selection: Selection,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let timeout = select::seconds(args.time);
    args.selection.each(cx, select::code(cx), |c| c.active(), |id| stop(&cx.engine, id, timeout))
}
