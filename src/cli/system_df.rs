//! `coracle system df`.

use super::output::{Column, col, extra, print_rows};
use super::{Cx, Personality, human, output};
use crate::engine::df::{Df, ImageUsage, Total, df};
use crate::error::Result;
use crate::image::Reference;
use serde_json::{Value, json};

/// Show what the store takes on disk.
///
/// Sizes are those of allocated disk blocks, each counted once: what `du` says.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Each image, container and volume
    #[arg(short, long)]
    verbose: bool,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each line
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    col("Type", "TYPE"),
    col("TotalCount", "TOTAL"),
    col("Active", "ACTIVE"),
    col("Size", "SIZE"),
    col("Reclaimable", "RECLAIMABLE"),
    extra("Total", "TOTAL"),
    extra("RawSize", "SIZE"),
    extra("RawReclaimable", "RECLAIMABLE"),
];
const IMAGES: &[Column] = &[
    col("Repository", "REPOSITORY"),
    col("Tag", "TAG"),
    col("ID", "IMAGE ID"),
    col("CreatedSince", "CREATED"),
    col("Size", "SIZE"),
    col("SharedSize", "SHARED SIZE"),
    col("UniqueSize", "UNIQUE SIZE"),
    col("Containers", "CONTAINERS"),
];
const CONTAINERS: &[Column] = &[
    col("ID", "CONTAINER ID"),
    col("Image", "IMAGE"),
    col("Command", "COMMAND"),
    col("LocalVolumes", "LOCAL VOLUMES"),
    col("Size", "SIZE"),
    col("CreatedSince", "CREATED"),
    col("Status", "STATUS"),
    col("Names", "NAMES"),
];
const VOLUMES: &[Column] = &[col("Name", "VOLUME NAME"), col("Links", "LINKS"), col("Size", "SIZE")];

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let df = df(&cx.engine)?;
    let format = args.format.as_deref();
    if !args.verbose {
        print_rows(cx, format, COLUMNS, summary(&df))?;
        return Ok(0);
    }
    let (images, containers, volumes) = (images(&df, cx), containers(&df), volumes(&df));
    if let Some("json") = format.map(str::trim) {
        let all = json!({"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": []});
        output::line(&output::pretty(&all))?;
        return Ok(0);
    }
    output::line("Images space usage:\n")?;
    print_rows(cx, None, IMAGES, images)?;
    output::line("\nContainers space usage:\n")?;
    print_rows(cx, None, CONTAINERS, containers)?;
    output::line("\nLocal Volumes space usage:\n")?;
    print_rows(cx, None, VOLUMES, volumes)?;
    output::line(&format!("\nBuild cache usage: {}", human::size(df.build_total.size)))?;
    if df.leftovers > 0 {
        output::line(&format!("\nUnder way, or left by dead processes: {}", human::size(df.leftovers)))?;
    }
    Ok(0)
}

fn summary(df: &Df) -> Vec<Value> {
    let leftovers = Total { count: 1, size: df.leftovers, reclaimable: df.leftovers, ..Total::default() };
    let mut lines = vec![
        ("Images", df.image_total),
        ("Containers", df.container_total),
        ("Local Volumes", df.volume_total),
        ("Build Cache", df.build_total),
    ];
    if df.leftovers > 0 {
        lines.push(("Leftovers", leftovers));
    }
    lines.into_iter().map(|(kind, total)| line(kind, &total)).collect()
}

fn line(kind: &str, total: &Total) -> Value {
    let percent = (total.reclaimable * 100).checked_div(total.size).unwrap_or(0);
    json!({
        "Type": kind,
        "TotalCount": total.count.to_string(),
        "Total": total.count,
        "Active": total.active.to_string(),
        "Size": human::size(total.size),
        "Reclaimable": format!("{} ({percent}%)", human::size(total.reclaimable)),
        "RawSize": total.size,
        "RawReclaimable": total.reclaimable,
    })
}

fn images(df: &Df, cx: &Cx) -> Vec<Value> {
    df.images.iter().map(|usage| image(usage, cx.personality == Personality::Docker)).collect()
}

fn image(usage: &ImageUsage, docker: bool) -> Value {
    let name = usage.image.names.first().and_then(|n| Reference::parse(n).ok());
    let repository = name.as_ref().map(|n| if docker { n.familiar_repository() } else { n.repository() });
    json!({
        "Repository": repository.unwrap_or_else(|| "<none>".into()),
        "Tag": name.and_then(|n| n.tag).unwrap_or_else(|| "<none>".into()),
        "ID": human::short_id(&usage.image.id),
        "CreatedSince": human::ago_text(&usage.image.config.created),
        "Size": human::size(usage.size),
        "SharedSize": human::size(usage.shared),
        "UniqueSize": human::size(usage.size - usage.shared),
        "Containers": usage.containers.to_string(),
    })
}

fn containers(df: &Df) -> Vec<Value> {
    let row = |usage: &crate::engine::df::ContainerUsage| {
        let container = &usage.container;
        json!({
            "ID": container.short_id(),
            "Image": container.config.image,
            "Command": human::ellipsis(&container.config.command.join(" "), 20),
            "LocalVolumes": usage.volumes.to_string(),
            "Size": human::size(usage.size),
            "CreatedSince": format!("{} ago", human::since_text(&container.config.created)),
            "Status": container.state.status,
            "Names": container.name,
        })
    };
    df.containers.iter().map(row).collect()
}

fn volumes(df: &Df) -> Vec<Value> {
    let row = |usage: &crate::engine::df::VolumeUsage| {
        json!({
            "Name": usage.volume.name,
            "Links": usage.links.to_string(),
            "Size": human::size(usage.size),
        })
    };
    df.volumes.iter().map(row).collect()
}
