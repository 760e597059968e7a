//! `coracle builder prune`.

use super::{Cx, human, output, prune};
use crate::build;
use crate::error::{Error, Result};
use crate::spec::units::parse_time;
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
    let gone = build::prune::prune(&cx.engine, args.all, until)?;
    for item in &gone {
        output::line(&item.id)?;
    }
    let freed: u64 = gone.iter().filter(|i| !i.shared).map(|i| i.size).sum();
    eprintln!("Total reclaimed space: {}", human::size(freed));
    Ok(0)
}
