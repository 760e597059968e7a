//! `coracle diff`.

use super::{Cx, output};
use crate::engine::diff::{Among, diff};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// Show what a container changed in its files, or an image in those of the image below it.
///
/// A line is a letter and a path: A added, C changed, D deleted. With two names, what the first has and the second has
/// not. What lies in volumes and bind mounts belongs to neither.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names or ids of containers or images
    #[arg(value_name = "NAME", required = true, num_args = 1..=2)]
    names: Vec<String>,
    /// Print json instead of lines
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    run_among(Among::Both, args, cx)
}

/// `container diff` and `image diff`.
pub fn run_among(among: Among, args: Args, cx: &Cx) -> Result<u8> {
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(other) => return Err(Error::user(format!("print in the format '{other}'")).hint("use json")),
    };
    let changes = diff(&cx.engine, &args.names[0], args.names.get(1).map(String::as_str), among)?;
    if !json {
        let lines: Vec<u8> =
            changes.iter().flat_map(|c| [format!("{} ", c.letter).as_bytes(), &c.path, b"\n"].concat()).collect();
        output::raw(&lines)?;
        return Ok(0);
    }
    // Podman's object: lists that are empty are left out.
    let mut object = Map::new();
    for (letter, key) in [('C', "changed"), ('A', "added"), ('D', "deleted")] {
        let paths = changes.iter().filter(|c| c.letter == letter).map(|c| String::from_utf8_lossy(&c.path).into());
        let paths: Vec<Value> = paths.collect();
        if !paths.is_empty() {
            object.insert(key.into(), Value::Array(paths));
        }
    }
    output::line(&output::pretty(&object))?;
    Ok(0)
}
