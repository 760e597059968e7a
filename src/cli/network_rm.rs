//! `coracle network rm`.

use super::{Cx, Personality, output};
use crate::engine;
use crate::error::{Kind, Result};
use std::time::Duration;

/// Remove networks.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove the containers on it too (as docker: a network that does not exist is no error)
    #[arg(short, long)]
    force: bool,
    /// With --force: seconds until a container is killed
    #[arg(short, long, value_name = "SECONDS", default_value = "10")]
    time: u64,
    /// Names or ids of networks
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Exit code 1: no such network; 2: a container is on it (podman's codes).
pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let force = (args.force && !docker).then(|| Duration::from_secs(args.time));
    let mut code = 0;
    for name in &args.networks {
        match engine::network::remove(&cx.engine, name, force) {
            Ok(_) => output::line(name)?,
            Err(e) if e.kind == Kind::NotFound && args.force => {}
            Err(e) => {
                eprintln!("coracle: {e}");
                code = match e.kind {
                    _ if docker => 1,
                    Kind::NotFound => code.max(1),
                    Kind::Conflict => code.max(2),
                    _ => 125,
                };
            }
        }
    }
    Ok(code)
}
