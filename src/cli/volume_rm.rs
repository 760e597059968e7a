//! `coracle volume rm`.

use super::{Cx, output};
use crate::engine;
use crate::error::{Kind, Result};
use crate::volume;

/// Remove volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A volume that does not exist is no error
    #[arg(short, long)]
    force: bool,
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
