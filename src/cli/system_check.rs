//! `coracle system check`.

use super::registry_flags::RegistryFlags;
use super::{Cx, output, term};
use crate::engine::check::{Finding, Options, Outcome, Report, Severity, check};
use crate::error::Result;

/// Check the store, and repair it.
///
/// Compares blobs with their digests and extracted layers with what was extracted, and looks for whatever else is wrong.
/// With --repair damaged blobs are fetched again from where the image was pulled, damaged layers are extracted again.
/// What containers and volumes hold is never touched.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exits with 0 when nothing is damaged (any more), with 1 otherwise.")]
pub struct Args {
    /// Heal what can be healed
    #[arg(short, long)]
    repair: bool,
    /// Don't read file contents: sizes, owners, modes and times tell
    #[arg(short, long)]
    quick: bool,
    /// Print JSON: {"schema": 1, "store", "quick", "sound", "checked", "containers", "volumes", "findings": [{"severity",
    /// "object", "problem", "details", "consequence", "repair", "outcome"}]}
    #[arg(long)]
    json: bool,
    /// Print json or the result of a Go template
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<String>,
    /// Say nothing: only the exit code tells
    #[arg(long)]
    silent: bool,
    #[command(flatten)]
    registry: RegistryFlags,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let registry = args.registry.options()?;
    let repair = if args.repair { Some(&registry) } else { None };
    let report = check(&cx.engine, Options { quick: args.quick, repair })?;
    let format = if args.json { Some("json") } else { args.format.as_deref() };
    if !args.silent {
        output::print_object(format, &report, || text(&report, args.repair))?;
    }
    Ok(u8::from(!report.sound))
}

fn text(report: &Report, repairs: bool) -> String {
    let coloured = term::is_terminal(std::io::stdout()) && term::colour_allowed();
    let mut out = String::new();
    for finding in &report.findings {
        out += &describe(finding, coloured);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
    let mended = |f: &&Finding| f.outcome == Some(Outcome::Repaired);
    let (damaged, left) = (count(Severity::Damage), count(Severity::Leftover));
    let looked = format!(
        "Looked at {}, {}, {}, {}, {}{}.\n",
        number(report.checked.images, "image"),
        number(report.checked.blobs, "blob"),
        number(report.checked.layers, "layer"),
        number(report.containers, "container"),
        number(report.volumes, "volume"),
        if report.quick { " without reading contents" } else { "" },
    );
    out += &looked;
    out += &match (report.sound, repairs) {
        (true, _) if damaged + left == 0 => "The store is sound.\n".to_string(),
        (true, true) => format!("Repaired {}; the store is sound.\n", report.findings.iter().filter(mended).count()),
        (true, false) => "The store is sound; prune or check --repair removes what was left behind.\n".to_string(),
        (false, false) => format!("{damaged} damaged; repair with: coracle system check --repair\n"),
        (false, true) => "Something could not be repaired, see above.\n".to_string(),
    };
    out
}

fn number(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn describe(finding: &Finding, coloured: bool) -> String {
    let (word, colour) = match finding.severity {
        Severity::Damage => ("DAMAGE", 31),
        Severity::Leftover => ("left  ", 33),
    };
    let word = if coloured { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_string() };
    let mut out = format!("{word}  {}: {}\n", finding.object, finding.problem);
    for detail in &finding.details {
        out += &format!("          {detail}\n");
    }
    out += &format!("        so:     {}\n", finding.consequence);
    out += &match &finding.outcome {
        None => format!("        repair: {}\n", finding.repair),
        Some(Outcome::Repaired) => format!("        done:   {}\n", finding.repair),
        Some(Outcome::Failed(why)) => format!("        failed: {why}\n"),
    };
    out
}
