//! `coracle stats`.

use super::output::{Column, ListOptions, col, extra, print_list};
use super::{Cx, Personality, human, output, select, term};
use crate::engine::ps;
use crate::engine::stats::Sample;
use crate::error::{Error, Kind, Result};
use crate::state::containers::Container;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between the two looks that a single answer needs.
const GLANCE: Duration = Duration::from_millis(300);

/// Show what containers use: CPU, memory, network, disks, processes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also containers that don't run
    #[arg(short, long)]
    all: bool,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u64).range(1..=86400))]
    interval: u64,
    /// Print once and end
    #[arg(long)]
    no_stream: bool,
    /// Don't clear the screen
    #[arg(long)]
    no_reset: bool,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Names or ids of containers (default: all that run)
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut before = look(&args, cx)?;
    let columns = columns(cx.personality);
    let options = ListOptions { format: args.format.as_deref(), no_heading: false };
    let clear = !args.no_reset && !args.no_stream && args.format.is_none() && term::is_terminal(std::io::stdout());
    let mut told = false;
    loop {
        std::thread::sleep(if args.no_stream { GLANCE } else { Duration::from_secs(args.interval) });
        let now = look(&args, cx)?;
        if !told && now.iter().any(|(_, s)| s.as_ref().is_some_and(|s| s.estimated)) {
            output::warn("memory is estimated: no cgroup with a memory controller is delegated (see coracle doctor)");
            told = true;
        }
        if clear {
            output::raw(b"\x1b[H\x1b[J")?;
        }
        let old: BTreeMap<&str, &Sample> =
            before.iter().filter_map(|(c, s)| Some((c.id.as_str(), s.as_ref()?))).collect();
        let rows = now.iter().map(|(c, s)| row(&args, c, s.as_ref(), old.get(c.id.as_str()).copied())).collect();
        print_list(cx, options, &columns, rows)?;
        if args.no_stream {
            return Ok(0);
        }
        before = now;
    }
}

/// The containers asked for, and what they use; those that don't run use nothing.
fn look(args: &Args, cx: &Cx) -> Result<Vec<(Container, Option<Sample>)>> {
    let containers = match args.containers.is_empty() {
        true => ps::list(&cx.engine)?.into_iter().filter(|c| args.all || c.active()).collect(),
        false => args.containers.iter().map(|word| select::container(cx, word)).collect::<Result<Vec<_>>>()?,
    };
    let named = !args.containers.is_empty();
    let mut out = Vec::new();
    for container in containers {
        match Sample::take(&container) {
            Ok(sample) => out.push((container, Some(sample))),
            Err(e) if e.kind == Kind::Conflict && (args.all || !named) => out.push((container, None)),
            Err(e) => return Err(Error::context(e, "show what containers use")),
        }
    }
    Ok(out)
}

fn columns(who: Personality) -> Vec<Column> {
    let docker = who == Personality::Docker;
    vec![
        col("ID", if docker { "CONTAINER ID" } else { "ID" }),
        col("Name", "NAME"),
        col("CPUPerc", "CPU %"),
        col("MemUsage", "MEM USAGE / LIMIT"),
        col("MemPerc", "MEM %"),
        col("NetIO", if docker { "NET I/O" } else { "NET IO" }),
        col("BlockIO", if docker { "BLOCK I/O" } else { "BLOCK IO" }),
        col("PIDs", "PIDS"),
        extra("Container", "CONTAINER"),
        extra("MemUsageBytes", "MEM USAGE / LIMIT"),
        extra("CPUNano", "CPU NANO"),
        extra("NetInput", "NET INPUT"),
        extra("NetOutput", "NET OUTPUT"),
        extra("BlockInput", "BLOCK INPUT"),
        extra("BlockOutput", "BLOCK OUTPUT"),
    ]
}

fn row(args: &Args, container: &Container, now: Option<&Sample>, before: Option<&Sample>) -> Value {
    let pair = |a: u64, b: u64| format!("{} / {}", human::size(a), human::size(b));
    let id = if args.no_trunc { container.id.as_str() } else { container.short_id() };
    let Some(now) = now else {
        return json!({
            "ID": id, "Container": id, "Name": container.name, "CPUPerc": "--", "MemUsage": "-- / --",
            "MemUsageBytes": "-- / --", "MemPerc": "--", "NetIO": "-- / --", "BlockIO": "-- / --", "PIDs": "--",
            "CPUNano": 0, "NetInput": 0, "NetOutput": 0, "BlockInput": 0, "BlockOutput": 0,
        });
    };
    json!({
        "ID": id,
        "Container": id,
        "Name": container.name,
        "CPUPerc": format!("{:.2}%", before.map_or(0.0, |b| now.cpu_percent(b))),
        "MemUsage": pair(now.memory, now.memory_limit),
        "MemUsageBytes": format!("{} / {}", human::bytes_size(now.memory), human::bytes_size(now.memory_limit)),
        "MemPerc": format!("{:.2}%", now.memory_percent()),
        "NetIO": pair(now.received, now.sent),
        "BlockIO": pair(now.read, now.written),
        "PIDs": now.pids,
        "CPUNano": now.cpu * 1000,
        "NetInput": now.received,
        "NetOutput": now.sent,
        "BlockInput": now.read,
        "BlockOutput": now.written,
    })
}
