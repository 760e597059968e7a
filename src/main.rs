//! Entry point: a stage of an engine process, or the command line.
//!
//! Every namespace crossing is a fork plus an exec of this same binary ("stage"), so the stage test comes first:
//! monitors and PID 1s must not pay for the command line parser.

use coracle::{cli, stage};
use std::process::ExitCode;

/// Which function serves which stage. It stands here so that `stage` itself knows no higher layer.
const STAGES: &[(&str, stage::Entry)] = &[];

fn main() -> ExitCode {
    if let Some(code) = stage::dispatch(STAGES) {
        return code;
    }
    cli::main()
}
