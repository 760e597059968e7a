//! `coracle volume inspect`.

use super::{Cx, output};
use crate::engine;
use crate::error::{Kind, Result};
use crate::volume;
use serde_json::json;

/// Show the details of volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print json, ndjson, or the result of a Go template for each volume
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Tell the size as well (UsageData)
    #[arg(short, long)]
    size: bool,
    /// All volumes
    #[arg(short, long)]
    all: bool,
    /// Names of volumes
    #[arg(required_unless_present = "all", value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let paths = &cx.engine.paths;
    let mut found = Vec::new();
    let mut code = 0;
    let names = match args.all {
        true => volume::list(paths)?.into_iter().map(|v| v.name).collect(),
        false => args.volumes,
    };
    for name in names {
        match volume::get(paths, &name) {
            Ok(volume) => {
                let mut shown = json!({
                    "Name": volume.name,
                    "Driver": "local",
                    "Mountpoint": volume.data(paths),
                    "CreatedAt": volume.created,
                    "Labels": volume.labels,
                    "Scope": "local",
                    "Options": volume.options,
                    "Anonymous": volume.anonymous,
                });
                if args.size {
                    let size = engine::size::trees(vec![volume.data(paths)])?.first().map_or(0, |usage| usage.bytes);
                    let users = engine::volume::users(&cx.engine)?.get(&name).map_or(0, Vec::len);
                    shown["UsageData"] = json!({ "Size": size, "RefCount": users });
                }
                found.push(shown);
            }
            Err(e) => {
                eprintln!("coracle: {e}");
                code = if e.kind == Kind::NotFound { code.max(1) } else { 125 };
            }
        }
    }
    output::print_inspect(args.format.as_deref(), &found)?;
    Ok(code)
}
