//! Stages: short programs of ours that run on the far side of a namespace border.
//!
//! A stage is this same binary, started with `argv[0] = "coracle-stage"` and the stage's name as `argv[1]`.

mod channel;
pub(crate) mod ids;
pub(crate) mod spawn;
mod work;

pub use channel::{Channel, Heard};
pub use spawn::{Child, Streams, forked, program, set_program, spawn};
pub use work::{Job, Work, WorkNs};

use std::process::ExitCode;

/// argv[0] of every stage: no user can start one by accident.
pub const ARGV0: &str = "coracle-stage";

/// A stage's main function; its arguments are those after the stage's name.
pub type Entry = fn(&[String]) -> ExitCode;

/// What `ps` and `top` show, instead of the "exe" of /proc/self/exe.
fn title(stage: &str) {
    if let Ok(comm) = std::ffi::CString::new(format!("coracle-{stage}")) {
        let _ = rustix::thread::set_name(&comm);
    }
}

/// Runs the stage that argv asks for; `None` when this process is not a stage. `jobs` are what the `work` stage,
/// which lives here, can do.
pub fn dispatch(table: &[(&str, Entry)], jobs: &[(&str, Job)]) -> Option<ExitCode> {
    let mut args = std::env::args();
    if args.next()? != ARGV0 {
        return None;
    }
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    title(&name);
    if name == work::STAGE {
        return Some(work::main(jobs, &rest));
    }
    match table.iter().find(|(n, _)| *n == name) {
        Some((_, entry)) => Some(entry(&rest)),
        None => {
            eprintln!("coracle: unknown stage '{name}'");
            Some(ExitCode::from(125))
        }
    }
}
