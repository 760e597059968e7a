//! `coracle volume prune`.

use super::{Cx, prune};
use crate::engine;
use crate::engine::volume::filter::Filters;
use crate::error::Result;

/// Remove unused volumes: anonymous ones that no container mounts.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also volumes that have a name
    #[arg(short, long)]
    all: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only volumes that pass (label=, label!=, until=, …)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    // docker: `--filter all=1` is another word for --all.
    let is_all = |f: &String| matches!(f.as_str(), "all=1" | "all=true");
    let all = args.all || args.filter.iter().any(is_all);
    let texts: Vec<String> = args.filter.into_iter().filter(|f| !is_all(f)).collect();
    let filters = Filters::parse(&texts)?.settle(&cx.engine.paths)?;
    let what = match all {
        true => "This removes all volumes that no container mounts, with their data",
        false => "This removes all anonymous volumes that no container mounts, with their data",
    };
    if !args.force && !args.dry_run && !prune::agreed(what)? {
        return Ok(0);
    }
    let pruned = engine::prune::volumes(&cx.engine, all, &filters, args.dry_run)?;
    prune::print(cx, &pruned, args.dry_run)?;
    Ok(0)
}
