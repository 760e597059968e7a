//! `coracle network prune`.

use super::{Cx, network_filter, output, prune};
use crate::engine;
use crate::error::Result;

/// Remove all networks that no container is on.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only networks that pass (until=, label=, …)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let filters = network_filter::parse(&args.filter)?;
    if !args.force && !prune::agreed("This removes all networks that no container is on")? {
        return Ok(0);
    }
    for name in engine::network::prune(&cx.engine, &[], false, &|network| filters.match_unused(network))? {
        output::line(&name)?;
    }
    Ok(0)
}
