//! `coracle container prune`.

use super::{Cx, prune};
use crate::engine;
use crate::engine::filter::Filters;
use crate::error::Result;

/// Remove all containers that do not run.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only containers that pass (until=, label=, label!=, …)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let filters = Filters::parse(&cx.engine, &args.filter)?;
    if !args.force && !args.dry_run && !prune::agreed("This removes all containers that do not run")? {
        return Ok(0);
    }
    let pruned = engine::prune::containers(&cx.engine, &filters, args.dry_run)?;
    prune::print(cx, &pruned, args.dry_run)?;
    Ok(0)
}
