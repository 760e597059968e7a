//! `coracle logs`.

use super::{Cx, select};
use crate::engine::logs::{LogOptions, LogSink, logs};
use crate::error::{Context, Error, Result};
use crate::spec::units;
use jiff::Timestamp;
use std::io::Write;

/// Print what a container wrote.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines, or all
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Only what was written after a time (RFC 3339, unix seconds) or within a duration (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was written before a time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Print the time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let now = Timestamp::now();
    let time = |text: &Option<String>| text.as_deref().map(|t| units::parse_time(t, now)).transpose();
    let options = LogOptions {
        follow: args.follow,
        tail: lines(&args.tail)?,
        since: time(&args.since)?,
        until: time(&args.until)?,
        timestamps: args.timestamps,
    };
    let id = select::id(cx, &args.container)?;
    logs(&cx.engine, &id, &options, &mut Standard)?;
    Ok(0)
}

/// Docker takes `all` and any negative number for all lines.
fn lines(text: &str) -> Result<Option<u64>> {
    match text.parse::<i64>() {
        Ok(n) => Ok(u64::try_from(n).ok()),
        Err(_) if text == "all" => Ok(None),
        Err(_) => Err(Error::user(format!("read --tail '{text}': it is no number")).hint("a number of lines, or all")),
    }
}

/// stdout and stderr of the container to ours.
struct Standard;

impl LogSink for Standard {
    fn write(&mut self, stderr: bool, text: &[u8]) -> Result<()> {
        let written = match stderr {
            true => std::io::stderr().lock().write_all(text),
            false => super::output::raw(text).map_err(std::io::Error::from),
        };
        written.context("write to standard output")
    }

    fn gap(&mut self, what: &str) -> Result<()> {
        super::output::warn(what);
        Ok(())
    }
}
