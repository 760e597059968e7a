//! `coracle inspect`.

use super::{Cx, Personality, output};
use crate::engine::inspect::{Style, Type, inspect};
use crate::error::{Error, Result};
use std::io::Write;

/// Show the details of containers, images, volumes or networks.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Print json, ndjson, or the result of a Go template for each object
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// What to look for: all, container, image, volume, network
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "all")]
    kind: String,
    /// Count the bytes of containers
    #[arg(short, long)]
    size: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let kind = match args.kind.as_str() {
        "all" | "" => Type::All,
        "container" => Type::Container,
        "image" => Type::Image,
        "volume" => Type::Volume,
        "network" => Type::Network,
        other => {
            return Err(Error::user(format!("inspect objects of type '{other}'"))
                .hint("use container, image, volume, network or all"));
        }
    };
    show(&args.names, kind, args.size, args.format.as_deref(), cx)
}

/// The grouped forms, which look for one type only.
pub fn run_as(kind: Type, args: Args, cx: &Cx) -> Result<u8> {
    show(&args.names, kind, args.size, args.format.as_deref(), cx)
}

/// Prints what was found, then the errors of what was not: a script gets its array in any case.
pub fn show(names: &[String], kind: Type, size: bool, format: Option<&str>, cx: &Cx) -> Result<u8> {
    let template = format.is_some_and(|f| f.contains("{{"));
    let style = Style { docker: cx.personality == Personality::Docker, size, template };
    let mut found = Vec::new();
    let mut code = 0;
    let mut errors = Vec::new();
    for name in names {
        match inspect(&cx.engine, name, kind, style) {
            Ok(doc) => found.push(doc),
            Err(e) => {
                code = if style.docker { 1 } else { e.exit_code() };
                errors.push(e);
            }
        }
    }
    // A template prints nothing for what is missing; JSON prints an array, an empty one too.
    output::print_inspect(format, &found)?;
    for e in errors {
        let _ = writeln!(std::io::stderr(), "coracle: {e}");
    }
    Ok(code)
}
