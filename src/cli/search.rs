//! `coracle search`.

use super::connection_flags::ConnectionFlags;
use super::output::{Column, col, extra, print_rows};
use super::{Cx, Personality, human};
use crate::engine::search;
use crate::error::Result;
use crate::registry::{Found, SearchFilter};
use serde_json::json;

/// Search registries for images.
///
/// A term that begins with a registry's name (quay.io/podman) searches there, any other one the registries that
/// registries.conf lists, or else Docker Hub. A registry's name with a slash behind it lists all its repositories.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// At most so many results of each registry
    #[arg(long, value_name = "N", default_value_t = 25)]
    limit: usize,
    /// List the tags of a repository
    #[arg(long)]
    list_tags: bool,
    /// Only what matches: stars=N, is-official=BOOL, is-automated=BOOL (more than once: all)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print long descriptions in full
    #[arg(long)]
    no_trunc: bool,
    /// Print stars and official images too, as docker does
    #[arg(long)]
    compatible: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// [HOST[:PORT]/]TERM, or a repository with --list-tags
    #[arg(value_name = "TERM")]
    term: String,
}

const NATIVE: &[Column] = &[
    col("Name", "NAME"),
    col("Description", "DESCRIPTION"),
    extra("Index", "INDEX"),
    extra("Stars", "STARS"),
    extra("Official", "OFFICIAL"),
    extra("Automated", "AUTOMATED"),
];
const DOCKER: &[Column] = &[
    col("Name", "NAME"),
    col("Description", "DESCRIPTION"),
    col("StarCount", "STARS"),
    col("IsOfficial", "OFFICIAL"),
    extra("IsAutomated", "AUTOMATED"),
];
const TAGS: &[Column] = &[col("Name", "NAME"), col("Tag", "TAG")];

/// Where descriptions end in tables.
const WIDTH: usize = 45;

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let options = args.connection.options()?;
    let limit = if args.limit == 0 { 25 } else { args.limit };
    let format = args.format.as_deref();
    if args.list_tags {
        let (name, tags) = search::tags(&args.term, &options)?;
        let tags: Vec<String> = tags.into_iter().filter(|t| !t.contains(char::is_control)).take(limit).collect();
        // Podman has one object with all tags in JSON, and a line for each tag in tables.
        let rows = match format.map(str::trim) {
            Some("json") => vec![json!({"Name": name, "Tags": tags})],
            _ => tags.iter().map(|tag| json!({"Name": name, "Tag": tag})).collect(),
        };
        return print_rows(cx, format, TAGS, rows).map(|()| 0);
    }
    let mut filter = SearchFilter::default();
    args.filter.iter().try_for_each(|text| filter.add(text))?;
    let warn = |text: &str| super::output::warn(text);
    let found = search::search(&args.term, limit, filter, &options, &warn)?;
    let docker = cx.personality == Personality::Docker || args.compatible;
    let rows = found.iter().map(|f| row(f, args.no_trunc, docker)).collect();
    print_rows(cx, format, if docker { DOCKER } else { NATIVE }, rows)?;
    Ok(0)
}

fn row(found: &Found, full: bool, docker: bool) -> serde_json::Value {
    // Foreign text: no control characters, and no line breaks in a table.
    let clean: String = found.description.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let description = if full { clean } else { human::ellipsis(&clean, WIDTH) };
    let ok = |yes: bool| if yes { "[OK]" } else { "" };
    let name: String = found.name.chars().filter(|c| !c.is_control()).collect();
    if docker {
        let hub = found.index == "docker.io";
        let name = if hub { name } else { format!("{}/{name}", found.index) };
        return json!({"Name": name, "Description": description, "StarCount": found.stars,
            "IsOfficial": ok(found.official), "IsAutomated": ok(found.automated)});
    }
    let official = found.index == "docker.io" && !name.contains('/');
    let name = if official { format!("library/{name}") } else { name };
    json!({"Name": format!("{}/{name}", found.index), "Description": description, "Index": found.index,
        "Stars": found.stars, "Official": ok(found.official), "Automated": ok(found.automated)})
}
