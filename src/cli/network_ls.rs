//! `coracle network ls`.

use super::output::{col, extra, print_list};
use super::{Cx, Personality, network_filter, output};
use crate::engine::inspect::entries;
use crate::error::Result;
use crate::net::networks::Subnet;
use serde_json::json;

/// List networks.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only those that match: name=, id=, label=, label!=, driver=, dangling=, type=, until=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each network
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Print no heading
    #[arg(long, visible_alias = "no-heading", short = 'n')]
    noheading: bool,
    /// Names only (as docker: ids)
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let filters = network_filter::parse(&args.filter)?;
    let shown = entries(&cx.engine, docker)?.into_iter().filter(|e| filters.matches(e)).collect::<Vec<_>>();
    let id = |id: &str| if args.no_trunc { id.to_string() } else { id.chars().take(12).collect() };
    if args.quiet && args.format.is_none() {
        for entry in shown {
            output::line(&if docker { id(&entry.network.id) } else { entry.network.name })?;
        }
        return Ok(0);
    }
    let mut columns = vec![col("ID", "NETWORK ID"), col("Name", "NAME"), col("Driver", "DRIVER")];
    columns.push(if docker { col("Scope", "SCOPE") } else { extra("Scope", "SCOPE") });
    columns.extend([
        extra("IPv4", "IPV4"),
        extra("IPv6", "IPV6"),
        extra("Internal", "INTERNAL"),
        extra("Labels", "LABELS"),
        extra("CreatedAt", "CREATED AT"),
        extra("Created", "CREATED"),
        extra("DNSEnabled", "DNS ENABLED"),
        extra("Subnets", "SUBNETS"),
        extra("NetworkInterface", "NETWORK INTERFACE"),
    ]);
    let rows = shown
        .iter()
        .map(|e| {
            let n = &e.network;
            let labels: Vec<String> = n.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let subnets: Vec<String> = n.subnets.iter().map(|s: &Subnet| s.net.to_string()).collect();
            json!({
                "ID": id(&n.id),
                "Name": n.name,
                "Driver": e.driver,
                "Scope": "local",
                "IPv4": n.subnet(false).is_some(),
                "IPv6": n.subnet(true).is_some(),
                "Internal": n.internal,
                "Labels": labels.join(","),
                "_Label": n.labels,
                "CreatedAt": n.created,
                "Created": n.created,
                "DNSEnabled": n.dns,
                "Subnets": subnets.join(","),
                "NetworkInterface": if e.builtin { String::new() } else { n.interface() },
            })
        })
        .collect();
    let options = output::ListOptions { format: args.format.as_deref(), no_heading: args.noheading };
    print_list(cx, options, &columns, rows)?;
    Ok(0)
}
