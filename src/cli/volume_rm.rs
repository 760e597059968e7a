//! `coracle volume rm`.

use super::{Cx, Personality, output};
use crate::engine;
use crate::error::{Kind, Result};
use crate::volume;
use std::time::Duration;

/// Remove volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A volume that does not exist is no error, containers that use it are removed (called as docker: they are not)
    #[arg(short, long)]
    force: bool,
    /// Seconds that a running container gets to end by itself, with --force
    #[arg(short, long, value_name = "SECONDS", default_value_t = 10)]
    time: u64,
    /// All volumes that no container uses
    #[arg(short, long)]
    all: bool,
    /// Names of volumes
    #[arg(required_unless_present = "all", value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Exit code 1: no such volume; 2: a container uses it (podman's codes).
pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut code = 0;
    let names = match args.all {
        true => volume::list(&cx.engine.paths)?.into_iter().map(|v| v.name).collect(),
        false => args.volumes,
    };
    for name in names {
        if args.force && cx.personality != Personality::Docker {
            engine::volume::remove_users(&cx.engine, &name, Duration::from_secs(args.time))?;
        }
        match engine::volume::remove(&cx.engine, &name) {
            Ok(()) => output::line(&name)?,
            Err(e) if e.kind == Kind::NotFound && args.force => {}
            Err(e) if e.kind == Kind::Conflict && args.all => {}
            Err(e) => {
                eprintln!("coracle: {e}");
                code = match e.kind {
                    Kind::NotFound => code.max(1),
                    Kind::Conflict => code.max(2),
                    _ => 125,
                };
            }
        }
    }
    Ok(code)
}
