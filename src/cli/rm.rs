//! `coracle rm`.

use super::{Cx, output, select};
use crate::engine::filter::Filters;
use crate::engine::ps;
use crate::engine::rm::{RmOptions, clear_up, rm};
use crate::error::{Error, Kind, Result};
use crate::state::containers;
use std::path::PathBuf;

/// Remove containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Kill running containers first; containers that don't exist are no error
    #[arg(short, long)]
    force: bool,
    /// Remove their anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// With --force: seconds between the stop signal and SIGKILL
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// All containers
    #[arg(short, long)]
    all: bool,
    /// Only containers that pass (KEY=VALUE, see ps)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Read the container's id from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Containers that don't exist are no error
    #[arg(short, long)]
    ignore: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Exit code 1: no such container; 2: it is running (podman's codes).
pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let options = RmOptions { force: args.force, volumes: args.volumes, timeout: select::seconds(args.time) };
    let words = words(&args, cx)?;
    let code = output::each(&words, output::remove_code(cx), |word| {
        containers::resolve(&cx.engine.paths, word).and_then(|id| rm(&cx.engine, &id, options))
    });
    clear_up(&cx.engine);
    code
}

fn words(args: &Args, cx: &Cx) -> Result<Vec<String>> {
    let mut words = args.containers.clone();
    let quiet = args.force || args.ignore;
    for path in &args.cidfile {
        match std::fs::read_to_string(path) {
            Ok(text) => words.push(text.trim().to_string()),
            Err(e) if quiet && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(crate::error::IntoError::context(e, format!("read {}", path.display()))),
        }
    }
    let chosen = args.all || !args.filter.is_empty();
    if chosen && !words.is_empty() {
        return Err(Error::user("combine --all or --filter with names of containers: use one of them"));
    }
    if chosen {
        let filters = Filters::parse(&cx.engine, &args.filter)?;
        let found = ps::list(&cx.engine)?.into_iter().filter(|c| filters.matches(&cx.engine, c));
        return Ok(found.map(|c| c.id).collect());
    }
    if words.is_empty() && args.cidfile.is_empty() {
        return Err(Error::user("choose containers: none is named").hint("name some, or use --all"));
    }
    if quiet {
        words.retain(|w| !matches!(select::id(cx, w), Err(e) if e.kind == Kind::NotFound));
    }
    Ok(words)
}
