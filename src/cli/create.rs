//! `coracle create`.

use super::run_flags::ContainerFlags;
use super::{Cx, run_request};
use crate::engine::create::{self, CreateOutcome, ImageOptions};
use crate::engine::pull::Policy;
use crate::error::{Context, Error, Result};
use crate::spec::request::RunRequest;
use std::io::Write;

/// Create a container without starting it.
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true, override_usage = "coracle create [OPTIONS] IMAGE [COMMAND [ARG...]]")]
pub struct Args {
    #[command(flatten)]
    pub flags: ContainerFlags,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let (request, warnings) = run_request::request(&args.flags, cx, false)?;
    let outcome = make(&args.flags, &request, warnings, cx)?;
    println!("{}", outcome.id);
    Ok(0)
}

/// Creates the container and its cidfile; warnings go to stderr.
pub fn make(flags: &ContainerFlags, request: &RunRequest, warnings: Vec<String>, cx: &Cx) -> Result<CreateOutcome> {
    let policy = Policy::parse(&flags.basic.pull)?;
    if let Some(path) = &request.cidfile
        && std::fs::symlink_metadata(path).is_ok()
    {
        return Err(Error::conflict(format!("write the container's id to {path}: the file exists"))
            .hint("remove it, if its container is gone"));
    }
    let registry = flags.registry.options()?;
    let progress = super::progress::for_stderr(flags.basic.quiet);
    let how = ImageOptions { policy, registry: &registry, progress: progress.as_ref() };
    let outcome = create::create(&cx.engine, request, &how)?;
    for warning in warnings.iter().chain(&outcome.warnings) {
        eprintln!("coracle: warning: {warning}");
    }
    if let Some(path) = &request.cidfile {
        write_cidfile(path, &outcome.id).inspect_err(|_| discard(cx, &outcome.id))?;
    }
    Ok(outcome)
}

/// Docker writes the id without a line feed.
fn write_cidfile(path: &str, id: &str) -> Result<()> {
    let named = || format!("write the container's id to {path}");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).with_context(named)?;
    file.write_all(id.as_bytes()).with_context(named)
}

/// Removes a container that could not be finished.
pub fn discard(cx: &Cx, id: &str) {
    use crate::engine::rm::{RmOptions, rm};
    let _ = rm(&cx.engine, id, RmOptions { force: true, volumes: true, timeout: None });
}
