//! `coracle doctor`.

use super::containers_conf::{self, Networking};
use super::{Cx, output, term};
use crate::engine::doctor::{Environment, Finding, Report, State, doctor};
use crate::error::Result;

/// Check what this host offers to containers, and say how to mend what is missing.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exits with 1 only when no container can run here.")]
pub struct Args {
    /// Print JSON: {"schema": 1, "version", "runs", "checks": [{"check", "state", "detail", "consequence", "fix", "essential"}]}
    #[arg(long)]
    json: bool,
    /// Print json or the result of a Go template
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let report = doctor(&cx.engine, &environment());
    let format = if args.json { Some("json") } else { args.format.as_deref() };
    let coloured = term::is_terminal(std::io::stdout()) && term::colour_allowed();
    output::print_object(format, &report, || text(&report, coloured))?;
    Ok(u8::from(!report.runs))
}

/// PATH and XDG_RUNTIME_DIR.
pub fn environment() -> Environment {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let conf = Networking::read(&containers_conf::files());
    Environment {
        network_settings: conf.map(|conf| conf.ignored).map_err(|e| e.to_string()),
        path: std::env::split_paths(&path).filter(|p| p.is_absolute()).collect(),
        runtime_dir: std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()).map(Into::into),
    }
}

fn text(report: &Report, coloured: bool) -> String {
    let width = report.checks.iter().map(|c| c.check.len()).max().unwrap_or(0);
    let mut out = String::new();
    for check in &report.checks {
        out += &format!("{} {:width$}  {}\n", word(check.state, coloured), check.check, check.detail);
        let mut more = |label: &str, text: &str| {
            if !text.is_empty() {
                out += &format!("{:indent$}{label} {text}\n", "", indent = width + 7);
            }
        };
        if shows_more(check) {
            more("so: ", &check.consequence);
            more("fix:", &check.fix);
        }
    }
    let bad = report.checks.iter().filter(|c| c.state != State::Ok).count();
    out += match (report.runs, bad) {
        (true, 0) => "\nContainers run here, with everything.\n",
        (true, _) => "\nContainers run here. See above for what would work better.\n",
        (false, _) => "\nNo container can run here until what fails above is mended.\n",
    };
    out
}

fn shows_more(check: &Finding) -> bool {
    check.state != State::Ok || !check.consequence.is_empty()
}

fn word(state: State, coloured: bool) -> String {
    let (word, colour) = match state {
        State::Ok => ("ok  ", 32),
        State::Warn => ("warn", 33),
        State::Fail => ("FAIL", 31),
    };
    if coloured { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_string() }
}
