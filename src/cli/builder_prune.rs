//! `coracle builder prune`.

use super::{Cx, human, output, prune};
use crate::build;
use crate::build::prune::Rules;
use crate::error::{Error, Result};
use crate::spec::units::{parse_size, parse_time};
use jiff::Timestamp;
use std::time::SystemTime;

/// Remove results of builds that no image has.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// All results, and cache mounts
    #[arg(short, long)]
    all: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only what was not used since: until=TIME
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Keep what was used last, up to this size
    #[arg(long, value_name = "SIZE", visible_aliases = ["max-used-space", "reserved-space"])]
    keep_storage: Option<String>,
    /// Remove only until the disk has so much free
    #[arg(long, value_name = "SIZE")]
    min_free_space: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut until = None;
    for text in &args.filter {
        let Some(value) = text.strip_prefix("until=") else {
            return Err(Error::user(format!("read filter '{text}': unknown key")).hint("until=TIME"));
        };
        until = Some(SystemTime::from(parse_time(value, Timestamp::now())?));
    }
    let what = match args.all {
        true => "This removes the whole build cache, with all cache mounts",
        false => "This removes all results of builds that no image has",
    };
    if !args.force && !prune::agreed(what)? {
        return Ok(0);
    }
    let size = |text: &Option<String>| text.as_deref().map(parse_size).transpose();
    let rules = Rules { all: args.all, until, keep: size(&args.keep_storage)?, min_free: size(&args.min_free_space)? };
    let gone = build::prune::prune(&cx.engine, &rules)?;
    for item in &gone {
        output::line(&item.id)?;
    }
    let freed: u64 = gone.iter().filter(|i| !i.shared).map(|i| i.size).sum();
    eprintln!("Total reclaimed space: {}", human::size(freed));
    Ok(0)
}
