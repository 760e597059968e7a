//! `coracle system prune`.

use super::{Cx, network_filter, prune};
use crate::engine::prune::{Everything, everything};
use crate::engine::volume::filter as volume_filter;
use crate::engine::{filter, image_filter, network};
use crate::error::{Error, Result};
use crate::image::Store;

/// Remove everything that is unused.
///
/// Containers that do not run, networks without containers, images without a name that no container uses, and what dead processes left in the store.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// All images that no container uses, and downloads that broke off
    #[arg(short, long)]
    all: bool,
    /// Anonymous volumes that no container mounts, too
    #[arg(long)]
    volumes: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only what passes: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// The build cache too, as with --all
    #[arg(long)]
    build: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    for text in &args.filter {
        if !["until=", "label=", "label!="].iter().any(|key| text.starts_with(key)) {
            return Err(Error::user(format!("read filter '{text}': unknown key")).hint("until, label or label!"));
        }
    }
    let what = Everything {
        all: args.all,
        volumes: args.volumes,
        build_cache: (args.all || args.build) && args.filter.is_empty(),
        container_filters: filter::Filters::parse(&cx.engine, &args.filter)?,
        image_filters: image_filter::Filters::parse(&args.filter, &Store::open(&cx.engine.paths)?)?,
        volume_filters: volume_filter::Filters::parse(&args.filter)?.settle(&cx.engine.paths)?,
        dry_run: args.dry_run,
    };
    if !args.force && !args.dry_run && !prune::agreed(&question(&args))? {
        return Ok(0);
    }
    let network_filters = network_filter::parse(&args.filter)?;
    let mut pruned = everything(&cx.engine, &what)?;
    pruned.networks =
        network::prune(&cx.engine, &pruned.containers, args.dry_run, &|n| network_filters.match_unused(n))?;
    prune::print_all(cx, &pruned, args.dry_run)?;
    Ok(0)
}

fn question(args: &Args) -> String {
    let images = if args.all { "all images that no container uses" } else { "all images without a name" };
    let volumes = if args.volumes { ", all anonymous volumes that no container mounts" } else { "" };
    let filters = match args.filter.is_empty() {
        true => String::new(),
        false => format!(", of these only what passes {}", args.filter.join(", ")),
    };
    format!(
        "This removes all containers that do not run, all networks without containers{volumes} and {images}{filters}"
    )
}
