//! `coracle restart`.

use super::select::{self, Selection};
use super::{Cx, output};
use crate::engine::restart::restart;
use crate::error::Result;

/// Stop containers and start them again.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Seconds until SIGKILL (default: the container's own, 10)
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// With --all: only those that run
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    selection: Selection,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let timeout = select::seconds(args.time);
    let mut selection = args.selection;
    selection.all |= args.running && selection.containers.is_empty();
    selection.each(
        cx,
        select::code(cx),
        |c| !args.running || c.active(),
        |id| {
            for warning in restart(&cx.engine, id, timeout)? {
                output::warn(&warning);
            }
            Ok(())
        },
    )
}
