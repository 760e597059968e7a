//! Stages: short programs of ours that run on the far side of a namespace border.
//!
//! A stage is this same binary, started with `argv[0] = "coracle-stage"` and the stage's name as `argv[1]`.

use std::process::ExitCode;

/// argv[0] of every stage: no user can start one by accident.
pub const ARGV0: &str = "coracle-stage";

/// A stage's main function; its arguments are those after the stage's name.
pub type Entry = fn(&[String]) -> ExitCode;

/// Runs the stage that argv asks for; `None` when this process is not a stage.
pub fn dispatch(table: &[(&str, Entry)]) -> Option<ExitCode> {
    let mut args = std::env::args();
    if args.next()? != ARGV0 {
        return None;
    }
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match table.iter().find(|(n, _)| *n == name) {
        Some((_, entry)) => Some(entry(&rest)),
        None => {
            eprintln!("coracle: unknown stage '{name}'");
            Some(ExitCode::from(125))
        }
    }
}
