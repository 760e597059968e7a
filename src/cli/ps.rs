//! `coracle ps`.

use super::output::{Column, ListOptions, col, extra, print_list};
use super::{Cx, Personality, docker_config, output, ps_row};
use crate::engine::filter::Filters;
use crate::engine::ps;
use crate::error::{Error, Result};
use crate::state::containers::Container;
use std::collections::HashMap;

/// List containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// Only containers that pass (KEY=VALUE: name, id, label, status, exited, ancestor, …)
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The last N created ones, whatever their state
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// The last created one, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// Don't shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Print the sizes of files
    #[arg(short, long)]
    size: bool,
    /// Order by: created, id, image, names, command, runningfor, size, status
    #[arg(long, value_name = "KEY")]
    sort: Option<String>,
    /// Don't print the header
    #[arg(long, visible_alias = "no-heading")]
    noheading: bool,
    /// Accepted for podman's scripts
    #[arg(long, hide = true)]
    sync: bool,
}

const COLUMNS: &[Column] = &[
    col("ID", "CONTAINER ID"),
    col("Image", "IMAGE"),
    col("Command", "COMMAND"),
    col("RunningFor", "CREATED"),
    col("Status", "STATUS"),
    col("Ports", "PORTS"),
    col("Names", "NAMES"),
    extra("Size", "SIZE"),
    extra("ImageID", "IMAGE ID"),
    extra("CreatedAt", "CREATED AT"),
    extra("State", "STATE"),
    extra("HealthStatus", "HEALTH STATUS"),
    extra("Labels", "LABELS"),
    extra("Mounts", "MOUNTS"),
    extra("Networks", "NETWORKS"),
    extra("Pid", "PID"),
    extra("ExitCode", "EXIT CODE"),
    extra("Restarts", "RESTARTS"),
    extra("LocalVolumes", "LOCAL VOLUMES"),
    extra("Platform", "PLATFORM"),
];

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let filters = Filters::parse(&cx.engine, &args.filter)?;
    let mut found = ps::list(&cx.engine)?;
    let last = if args.latest { Some(1) } else { args.last.filter(|n| *n >= 0) };
    let chosen = args.filter.iter().any(|f| f.starts_with("status=") || f.starts_with("exited="));
    let any = args.all || last.is_some() || chosen;
    found.retain(|c| (any || c.active()) && filters.matches(&cx.engine, c));
    if let Some(last) = last {
        found.truncate(usize::try_from(last).unwrap_or(usize::MAX));
    }
    let key = args.sort.as_deref();
    let configured = docker_config::load(cx).ps_format;
    let format = args.format.as_deref().or(configured.as_deref());
    // A template that shows sizes asks for them, as docker has it.
    let sized = args.size || key == Some("size") || format.is_some_and(|text| text.contains(".Size"));
    let sizes = if sized { ps::sizes(&found)? } else { HashMap::new() };
    sort(&mut found, key, &sizes)?;
    if args.quiet && args.format.is_none() {
        let ids = found.iter().map(|c| if args.no_trunc { c.id.as_str() } else { c.short_id() });
        return output::raw(ids.map(|id| format!("{id}\n")).collect::<String>().as_bytes()).map(|()| 0);
    }
    let need = ps_row::Need { sizes, spec: format.is_some(), full: args.no_trunc };
    if cx.personality == Personality::Podman && args.format.as_deref().map(str::trim) == Some("json") {
        let all: Vec<_> = found.iter().map(|c| ps_row::podman(cx, c, &need)).collect();
        return output::line(&output::pretty(&all)).map(|()| 0);
    }
    let rows = found.iter().map(|c| ps_row::row(cx, c, &need)).collect();
    let mut columns = COLUMNS.to_vec();
    if args.size {
        for column in columns.iter_mut().filter(|c| c.field == "Size") {
            column.shown = true;
        }
    }
    print_list(cx, ListOptions { format, no_heading: args.noheading }, &columns, rows)?;
    Ok(0)
}

fn sort(found: &mut [Container], key: Option<&str>, sizes: &HashMap<String, u64>) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    match key {
        "created" | "runningfor" => found.sort_by(|a, b| a.config.created.cmp(&b.config.created)),
        "id" => found.sort_by(|a, b| a.id.cmp(&b.id)),
        "image" => found.sort_by(|a, b| a.config.image.cmp(&b.config.image)),
        "names" | "name" => found.sort_by(|a, b| a.name.cmp(&b.name)),
        "command" => found.sort_by(|a, b| a.config.command.cmp(&b.config.command)),
        "status" => found.sort_by_key(ps_row::status),
        "size" => found.sort_by_key(|c| sizes.get(&c.id).copied()),
        _ => {
            return Err(Error::user(format!("sort by '{key}': unknown key"))
                .hint("created, id, image, names, command, runningfor, size or status"));
        }
    }
    Ok(())
}
