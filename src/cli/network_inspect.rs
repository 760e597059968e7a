//! `coracle network inspect`.

use super::{Cx, Personality, output};
use crate::engine::inspect::{Style, entry, network};
use crate::error::{Kind, Result};

/// Show the details of networks: ranges, members and their traffic.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print json, ndjson, or the result of a Go template for each network
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Docker's: nothing more is known
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// Names or ids of networks
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Exit code 1: no such network (podman's and docker's code).
pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let format = args.format.as_deref();
    let template = format.is_some_and(|f| f.contains("{{"));
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in &args.networks {
        let doc = entry(&cx.engine, name, docker)
            .and_then(|e| network(&cx.engine, &e, Style { docker, size: false, template }, template));
        match doc {
            Ok(doc) => found.push(doc),
            Err(e) => errors.push(e),
        }
    }
    output::print_inspect(format, &found)?;
    let mut code = 0;
    for e in errors {
        eprintln!("coracle: {e}");
        code = if e.kind == Kind::NotFound { code.max(1) } else { 125 };
    }
    Ok(code)
}
