//! `coracle system reset`.

use super::{Cx, output, prune};
use crate::engine::reset::{Contents, contents, reset};
use crate::error::Result;

/// Delete all containers, images and volumes, and everything else that coracle has stored.
///
/// Containers that run are killed first. Files that coracle did not make stay, and so do configuration and credentials.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let dirs = directories::BaseDirs::new();
    let home = dirs.as_ref().map(|d| d.home_dir());
    let Some(found) = contents(&cx.engine, home)? else { return Ok(0) };
    if !args.force && !prune::agreed(&question(cx, &found))? {
        return Ok(0);
    }
    for path in reset(&cx.engine, home)? {
        output::warn(&format!("{} was not made by coracle and stays", path.display()));
    }
    Ok(0)
}

fn question(cx: &Cx, found: &Contents) -> String {
    let running = match found.running {
        0 => String::new(),
        n => format!(" ({n} running)"),
    };
    format!(
        "This deletes all of {}: {} containers{running}, {} layers of images, {} volumes with their data",
        cx.engine.paths.data.display(),
        found.containers,
        found.layers,
        found.volumes
    )
}
