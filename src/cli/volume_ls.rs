//! `coracle volume ls`.

use super::output::{col, extra, print_list};
use super::{Cx, docker_config, output};
use crate::engine;
use crate::engine::volume::filter::Filters;
use crate::error::Result;
use crate::volume::{self, Volume};
use serde_json::json;

/// List volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only those that match: name=, label=, label!=, driver=, opt=, dangling=, anonymous=, scope=, since=, until=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each volume
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print no heading
    #[arg(long, visible_alias = "no-heading")]
    noheading: bool,
    /// Names only
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let paths = &cx.engine.paths;
    let filters = Filters::parse(&args.filter)?.settle(paths)?;
    let users = engine::volume::users(&cx.engine)?;
    let volumes = volume::list(paths)?;
    let shown: Vec<&Volume> = volumes.iter().filter(|v| filters.pass(v, users.contains_key(&v.name))).collect();
    if args.quiet && args.format.is_none() {
        for volume in shown {
            output::line(&volume.name)?;
        }
        return Ok(0);
    }
    let columns = [
        col("Driver", "DRIVER"),
        col("Name", "VOLUME NAME"),
        extra("Scope", "SCOPE"),
        extra("Mountpoint", "MOUNTPOINT"),
        extra("Labels", "LABELS"),
        extra("CreatedAt", "CREATED AT"),
        extra("Links", "LINKS"),
        extra("Size", "SIZE"),
    ];
    let rows = shown
        .iter()
        .map(|v| {
            let labels: Vec<String> = v.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            json!({
                "Driver": "local",
                "Name": v.name,
                "Scope": "local",
                "Mountpoint": v.data(paths),
                "Labels": labels.join(","),
                "_Label": v.labels,
                "CreatedAt": v.created,
                "Links": users.get(&v.name).map_or(0, Vec::len),
                "Size": "N/A",
            })
        })
        .collect();
    let configured = docker_config::load(cx).volumes_format;
    let options =
        output::ListOptions { format: args.format.as_deref().or(configured.as_deref()), no_heading: args.noheading };
    print_list(cx, options, &columns, rows)?;
    Ok(0)
}
