//! `coracle wait`.

use super::{Cx, output, select};
use crate::engine::wait::{Condition, wait};
use crate::error::{Error, Kind, Result};

/// Wait until containers end, and print their exit codes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to wait for: not-running (stopped, exited), next-exit, removed, running
    #[arg(long, value_name = "CONDITION", default_value = "not-running")]
    condition: Vec<String>,
    /// Print -1 for containers that don't exist
    #[arg(long)]
    ignore: bool,
    /// Accepted for podman's scripts; coracle is told of the end and does not poll
    #[arg(short, long, value_name = "DURATION", hide = true)]
    interval: Option<String>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let condition = condition(args.condition.last().map_or("not-running", String::as_str))?;
    let mut worst = 0;
    for word in &args.containers {
        match select::id(cx, word).and_then(|id| wait(&cx.engine, &id, condition)) {
            Ok(code) => output::line(&code.to_string())?,
            Err(e) if e.kind == Kind::NotFound && args.ignore => output::line("-1")?,
            Err(e) => {
                eprintln!("coracle: {e}");
                worst = worst.max(select::code(cx)(&e));
            }
        }
    }
    Ok(worst)
}

fn condition(text: &str) -> Result<Condition> {
    match text {
        "not-running" | "stopped" | "exited" => Ok(Condition::NotRunning),
        "next-exit" => Ok(Condition::NextExit),
        "removed" | "removing" => Ok(Condition::Removed),
        "running" => Ok(Condition::Running),
        _ => Err(Error::user(format!("wait for '{text}': unknown condition"))
            .hint("not-running, next-exit, removed or running")),
    }
}
