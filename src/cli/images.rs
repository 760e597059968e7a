//! `coracle images`.

use super::output::{Column, ListOptions, col, extra, print_list};
use super::{Cx, Personality, docker_config, human, output};
use crate::engine::image_filter::{Filters, name_fits};
use crate::engine::images::{self, Listed};
use crate::error::{Error, Result};
use crate::image::{Reference, Store};
use serde_json::{Value, json};

/// List images.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only images of this name; a pattern may be given
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
    /// Accepted for compatibility: there are no hidden images
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Only images that fit: reference=PATTERN, dangling=BOOL, label=KEY[=VALUE], label!=…, before=IMAGE, since=IMAGE,
    /// until=TIME, id=ID, digest=DIGEST, containers=BOOL, manifest=BOOL
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each image
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print ids and digests in full
    #[arg(long)]
    no_trunc: bool,
    /// Leave out the heading
    #[arg(short, long)]
    noheading: bool,
    /// Show all names of each image
    #[arg(long, conflicts_with = "digests")]
    history: bool,
    /// Order by: created (newest first), id, repository, tag, size, digest
    #[arg(long, value_name = "KEY", default_value = "created")]
    sort: String,
}

/// Fields that no table shows of itself.
const MORE: &[Column] = &[
    extra("Containers", "CONTAINERS"),
    extra("Created", "CREATED"),
    extra("CreatedAt", "CREATED AT"),
    extra("CreatedTime", "CREATED TIME"),
    extra("Dangling", "DANGLING"),
    extra("Id", "IMAGE ID"),
    extra("IsManifestList", "LIST"),
    extra("Labels", "LABELS"),
    extra("Names", "NAMES"),
    extra("ParentId", "PARENT ID"),
    extra("ReadOnly", "R/O"),
    extra("RepoDigests", "REPO DIGESTS"),
    extra("RepoTags", "REPO TAGS"),
    extra("SharedSize", "SHARED SIZE"),
    extra("VirtualSize", "VIRTUAL SIZE"),
];

fn columns(digests: bool, history: bool, docker: bool) -> Vec<Column> {
    let digest = if digests { col("Digest", "DIGEST") } else { extra("Digest", "DIGEST") };
    let history = if history { col("History", "HISTORY") } else { extra("History", "HISTORY") };
    let shown = [
        col("Repository", "REPOSITORY"),
        col("Tag", "TAG"),
        digest,
        col("ID", "IMAGE ID"),
        col("CreatedSince", "CREATED"),
        col("Size", "SIZE"),
        history,
    ];
    let docker_has = ["Containers", "CreatedAt", "Labels", "ReadOnly", "SharedSize"];
    let more = MORE.iter().copied().filter(|c| !docker || docker_has.contains(&c.field));
    shown.into_iter().chain(more).collect()
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut images = images::list(&cx.engine)?;
    let filters = Filters::parse(&args.filter, &Store::open(&cx.engine.paths)?)?;
    images.retain(|listed| filters.pass(listed));
    let docker = cx.personality == Personality::Docker;
    let mut rows = Vec::new();
    for listed in &images {
        rows.extend(names(listed, &args, &filters, docker).into_iter().map(|name| row(listed, name, &args, docker)));
    }
    sort(&mut rows, &args.sort)?;
    if args.quiet {
        let mut seen = std::collections::HashSet::new();
        for row in &rows {
            let id = row["ID"].as_str().unwrap_or_default();
            if seen.insert(id) {
                output::line(id)?;
            }
        }
        return Ok(0);
    }
    if cx.personality == Personality::Podman && args.format.as_deref().map(str::trim) == Some("json") {
        let all: Vec<Value> =
            images.iter().filter(|l| !names(l, &args, &filters, docker).is_empty()).map(podman).collect();
        output::line(&output::pretty(&all))?;
        return Ok(0);
    }
    let configured = docker_config::load(cx).images_format;
    let options = ListOptions { format: args.format.as_deref().or(configured.as_deref()), no_heading: args.noheading };
    print_list(cx, options, &columns(args.digests, args.history, docker), rows)?;
    Ok(0)
}

const NONE: &str = "<none>";

/// Repository, tag and digest of each row of an image; all `<none>` for one without a name.
fn names(listed: &Listed, args: &Args, filters: &Filters, docker: bool) -> Vec<[String; 3]> {
    let image = &listed.image;
    let repository = |r: &Reference| if docker { r.familiar_repository() } else { r.repository() };
    let mut rows = Vec::new();
    for name in &image.names {
        let asked = args.name.as_ref().is_none_or(|p| name_fits(name, std::slice::from_ref(p)));
        if !asked || !filters.shows(name) {
            continue;
        }
        let Ok(reference) = Reference::parse(name) else { continue };
        let source = image.repo_digests.iter().find_map(|d| d.strip_prefix(&format!("{}@", reference.repository())));
        let digest = source.map_or_else(|| image.manifest.to_string(), str::to_string);
        rows.push([repository(&reference), reference.tag.clone().unwrap_or_else(|| NONE.into()), digest]);
    }
    if !image.names.is_empty() {
        return rows;
    }
    // Pulled by digest, or left behind by a name that moved on.
    let source = image.repo_digests.first().and_then(|d| Reference::parse(d).ok());
    let fits = |p: &String| source.as_ref().is_some_and(|s| name_fits(&s.canonical(), std::slice::from_ref(p)));
    if args.name.as_ref().is_some_and(|p| !fits(p)) {
        return rows;
    }
    rows.push([
        source.as_ref().map_or_else(|| NONE.into(), repository),
        NONE.into(),
        source.and_then(|s| s.digest).map_or_else(|| image.manifest.to_string(), |d| d.to_string()),
    ]);
    rows
}

fn row(listed: &Listed, [repository, tag, digest]: [String; 3], args: &Args, docker: bool) -> Value {
    let image = &listed.image;
    let id = if args.no_trunc { format!("sha256:{}", image.id) } else { human::short_id(&image.id).to_string() };
    let labels = &image.config.config.labels;
    let text: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut value = json!({
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": id,
        "CreatedSince": human::ago_text(&image.config.created),
        "CreatedAt": human::created_at(&image.config.created),
        "Size": human::size(listed.size),
        "Containers": listed.containers.to_string(),
        "Labels": text.join(","),
        "ReadOnly": "false",
        "_Label": labels,
        "_Bytes": listed.size,
    });
    value["VirtualSize"] = value["Size"].clone();
    if docker {
        // Which docker works out for `system df` alone.
        value["SharedSize"] = "N/A".into();
        value["UniqueSize"] = "N/A".into();
    } else {
        // Podman's fields.
        value["Created"] = value["CreatedSince"].clone();
        value["CreatedTime"] = value["CreatedAt"].clone();
        value["History"] = image.names.join(", ").into();
        value["Names"] = json!(image.names);
        value["RepoDigests"] = json!(image.repo_digests);
        value["RepoTags"] = json!(image.names);
        // For templates alone: beside `ID` another `Id` would confuse readers of JSON that ignore case (Go).
        if !matches!(args.format.as_deref().map(str::trim), Some("json" | "ndjson")) {
            value["Id"] = image.id.as_str().into();
            value["ParentId"] = "".into();
            value["SharedSize"] = 0.into();
            value["Dangling"] = image.names.is_empty().into();
            value["IsManifestList"] = listed.list.into();
        }
    }
    value
}

/// One image as podman's `--format json` has it, which scripts take apart: numbers are numbers, times seconds.
fn podman(listed: &Listed) -> Value {
    let image = &listed.image;
    let created: jiff::Timestamp = image.config.created.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let labels = &image.config.config.labels;
    let mut value = json!({
        "Id": image.id,
        "ParentId": "",
        "RepoTags": if image.names.is_empty() { Value::Null } else { json!(image.names) },
        "RepoDigests": image.repo_digests,
        "Size": listed.size,
        "SharedSize": 0,
        "VirtualSize": listed.size,
        "Labels": if labels.is_empty() { Value::Null } else { json!(labels) },
        "Containers": listed.containers,
        "Names": image.names,
        "Digest": image.manifest,
        "History": image.names,
        "Created": created.as_second(),
        "CreatedAt": image.config.created,
    });
    for (key, is) in [("Dangling", image.names.is_empty()), ("IsManifestList", listed.list)] {
        if is {
            value[key] = true.into();
        }
    }
    value
}

/// By creation the rows come sorted already.
fn sort(rows: &mut [Value], key: &str) -> Result<()> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_string();
    // The names of the fields will do too.
    match key.to_lowercase().as_str() {
        "created" | "createdat" | "createdsince" | "createdtime" => {}
        "id" => rows.sort_by_key(|r| text(r, "ID")),
        "repository" | "name" | "names" => rows.sort_by_key(|r| (text(r, "Repository"), text(r, "Tag"))),
        "tag" => rows.sort_by_key(|r| text(r, "Tag")),
        "digest" => rows.sort_by_key(|r| text(r, "Digest")),
        "size" | "virtualsize" => rows.sort_by_key(|r| r["_Bytes"].as_u64()),
        _ => {
            return Err(
                Error::user(format!("sort images by '{key}'")).hint("use created, id, repository, tag, size or digest")
            );
        }
    }
    Ok(())
}
