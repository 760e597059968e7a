//! `coracle history`.

use super::output::{Column, ListOptions, col, extra, print_list};
use super::{Cx, Personality, human, output};
use crate::engine::{Ctx, images};
use crate::error::Result;
use crate::image::Image;
use serde_json::{Value, json};

/// Show how an image came to be, its latest step first.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Print sizes and times for people (--human=false: bytes and RFC 3339)
    #[arg(short = 'H', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
        default_missing_value = "true", hide_possible_values = true, action = clap::ArgAction::Set)]
    human: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Print long texts and ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    col("ID", "IMAGE"),
    col("CreatedSince", "CREATED"),
    col("CreatedBy", "CREATED BY"),
    col("Size", "SIZE"),
    col("Comment", "COMMENT"),
    extra("CreatedAt", "CREATED AT"),
];

/// The fourth column shows times that are not for people.
const EXACT: &[Column] = &[
    col("ID", "IMAGE"),
    col("CreatedAt", "CREATED AT"),
    col("CreatedBy", "CREATED BY"),
    col("Size", "SIZE"),
    col("Comment", "COMMENT"),
    extra("CreatedSince", "CREATED"),
];

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let image = images::find(&cx.engine, &args.image)?;
    let mut sizes = sizes_of(&cx.engine, &image)?;
    let mut rows = Vec::new();
    for step in &image.config.history {
        // Steps without a layer (ENV, CMD) take no space.
        let size = if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
        let by = step.created_by.replace(['\t', '\n', '\r'], " ");
        rows.push(json!({
            "ID": "<missing>",
            "CreatedSince": human::ago_text(&step.created),
            "CreatedAt": step.created,
            "CreatedBy": if args.no_trunc { by } else { human::ellipsis(&by, 45) },
            "Size": if args.human { human::size(size) } else { size.to_string() },
            "Comment": step.comment,
        }));
    }
    if cx.personality == Personality::Podman && args.format.as_deref().map(str::trim) == Some("json") {
        return output::line(&output::pretty(&podman(&image, sizes_of(&cx.engine, &image)?))).map(|()| 0);
    }
    if rows.is_empty() {
        rows.push(json!({"ID": "", "CreatedSince": human::ago_text(&image.config.created),
            "CreatedAt": image.config.created, "CreatedBy": "", "Comment": "",
            "Size": if args.human { human::size(sizes.sum()) } else { sizes.sum::<u64>().to_string() }}));
    }
    // Only the last step's image is known: those of the steps before are not stored.
    let prefix = if cx.personality == Personality::Docker && args.no_trunc { "sha256:" } else { "" };
    let id = if args.no_trunc { format!("{prefix}{}", image.id) } else { human::short_id(&image.id).to_string() };
    if let Some(last) = rows.last_mut() {
        last["ID"] = json!(id);
    }
    rows.reverse();
    if args.quiet {
        for row in &rows {
            output::line(row["ID"].as_str().unwrap_or_default())?;
        }
        return Ok(0);
    }
    let columns = if args.human { COLUMNS } else { EXACT };
    print_list(cx, ListOptions { format: args.format.as_deref(), ..Default::default() }, columns, rows)?;
    Ok(0)
}

fn sizes_of(ctx: &Ctx, image: &Image) -> Result<std::vec::IntoIter<u64>> {
    Ok(images::layer_sizes(ctx, image)?.into_iter())
}

/// The steps as podman's `--format json` has them, which scripts take apart: sizes are numbers, ids are whole.
fn podman(image: &Image, mut sizes: impl Iterator<Item = u64>) -> Vec<Value> {
    let mut steps: Vec<Value> = Vec::new();
    for step in &image.config.history {
        let size = if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
        let mut value = json!({"id": "<missing>", "created": step.created, "CreatedBy": step.created_by, "size": size});
        if !step.comment.is_empty() {
            value["comment"] = step.comment.as_str().into();
        }
        steps.push(value);
    }
    if let Some(last) = steps.last_mut() {
        last["id"] = image.id.as_str().into();
        if !image.names.is_empty() {
            last["tags"] = json!(image.names);
        }
    }
    steps.reverse();
    steps
}
