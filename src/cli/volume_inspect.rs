//! `coracle volume inspect`.

use super::{Cx, output};
use crate::error::{Kind, Result};
use crate::volume;
use serde_json::json;

/// Show the details of volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print json, ndjson, or the result of a Go template for each volume
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
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
            Ok(volume) => found.push(json!({
                "Name": volume.name,
                "Driver": "local",
                "Mountpoint": volume.data(paths),
                "CreatedAt": volume.created,
                "Labels": volume.labels,
                "Scope": "local",
                "Options": volume.options,
                "Anonymous": volume.anonymous,
            })),
            Err(e) => {
                eprintln!("coracle: {e}");
                code = if e.kind == Kind::NotFound { code.max(1) } else { 125 };
            }
        }
    }
    output::print_inspect(args.format.as_deref(), &found)?;
    Ok(code)
}
