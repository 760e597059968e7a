//! `coracle image prune`.

use super::{Cx, prune};
use crate::engine;
use crate::engine::image_filter::Filters;
use crate::error::Result;
use crate::image::Store;

/// Remove unused images: those without a name that no container uses.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also images that have a name
    #[arg(short, long)]
    all: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only images that pass (until=, label=, label!=, …)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Accepted: nothing but our own containers uses our images
    #[arg(long, hide = true)]
    external: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    // docker: dangling=false is another word for --all.
    let all = args.all || args.filter.iter().any(|f| f == "dangling=false" || f == "dangling=0");
    let texts: Vec<String> = args.filter.into_iter().filter(|f| !f.starts_with("dangling=")).collect();
    let filters = Filters::parse(&texts, &Store::open(&cx.engine.paths)?)?;
    let what = match all {
        true => "This removes all images that no container uses",
        false => "This removes all images without a name that no container uses",
    };
    if !args.force && !args.dry_run && !prune::agreed(what)? {
        return Ok(0);
    }
    let pruned = engine::prune::images(&cx.engine, all, &filters, args.dry_run)?;
    prune::print(cx, &pruned, args.dry_run)?;
    Ok(0)
}
