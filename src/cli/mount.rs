//! `coracle mount`, `coracle container mount`, `coracle image mount`.

use super::output::{ListOptions, col, print_list};
use super::{Cx, output};
use crate::engine::images;
use crate::engine::mounts::{self, Mounted, Of};
use crate::error::Result;
use crate::image::Store;
use crate::state::containers;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Mount the files of containers read-only, and print where; without arguments list what is mounted.
///
/// Works below 'coracle unshare' only, and ends with it. Use cp or exec to change files. What a running container
/// changes later need not be seen. Owners are told as the ids of 'coracle unshare', also those of a container with
/// --userns keep-id.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Mount all containers
    #[arg(short, long, conflicts_with = "names")]
    all: bool,
    /// Print json, or the result of a Go template for each (of the list)
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

/// Mount the files of images read-only, and print where; without arguments list what is mounted.
///
/// Works below 'coracle unshare' only, and ends with it.
#[derive(clap::Args, Debug)]
pub struct ImageArgs {
    /// Mount all images
    #[arg(short, long, conflicts_with = "names")]
    all: bool,
    /// Print json, or the result of a Go template for each (of the list)
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(value_name = "IMAGE")]
    names: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let names = match args.all {
        true => containers::list(&cx.engine.paths)?.into_iter().map(|c| c.id).collect(),
        false => args.names,
    };
    if names.is_empty() && !args.all {
        let all = containers::list(&cx.engine.paths)?;
        let named = all.into_iter().map(|c| (c.id, vec![c.name])).collect();
        return list(Of::Container, named, args.format.as_deref(), args.no_trunc, cx);
    }
    each(&names, cx, mounts::container)
}

pub fn run_image(args: ImageArgs, cx: &Cx) -> Result<u8> {
    let names = match args.all {
        true => Store::open(&cx.engine.paths)?.list()?.into_iter().map(|i| i.id).collect(),
        false => args.names,
    };
    if names.is_empty() && !args.all {
        let named = images::list(&cx.engine)?.into_iter().map(|l| (l.image.id, l.image.names)).collect();
        return list(Of::Image, named, args.format.as_deref(), false, cx);
    }
    each(&names, cx, mounts::image)
}

/// One path alone is the place; several have what they are of before them.
fn each(names: &[String], cx: &Cx, act: fn(&crate::engine::Ctx, &str) -> Result<Mounted>) -> Result<u8> {
    for name in names {
        let mounted = act(&cx.engine, name)?;
        let path = mounted.path.display();
        output::line(&if names.len() == 1 { path.to_string() } else { format!("{name} {path}") })?;
    }
    Ok(0)
}

fn list(of: Of, named: BTreeMap<String, Vec<String>>, format: Option<&str>, full: bool, cx: &Cx) -> Result<u8> {
    let row = |m: Mounted| -> Value {
        let names = named.get(&m.id).cloned().unwrap_or_default();
        let short = if full { m.id.as_str() } else { super::human::short_id(&m.id) };
        json!({"ID": short, "Names": names.join(","), "Mountpoint": m.path.display().to_string()})
    };
    let rows = mounts::list(&cx.engine, of)?.into_iter().map(row).collect();
    let columns = [col("ID", "ID"), col("Names", "NAMES"), col("Mountpoint", "MOUNTPOINT")];
    print_list(cx, ListOptions { format, no_heading: false }, &columns, rows)?;
    Ok(0)
}
