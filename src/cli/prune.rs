//! What the prune commands have in common: the question, and what they print.

use super::{Cx, Personality, human, output};
use crate::engine::prune::Pruned;
use crate::error::{Error, Result};
use crate::image::Reference;
use std::io::{BufRead, IsTerminal, Write};

/// Asks whether to do `what` (a sentence without its stop). The answer may come through a pipe (`yes | …`).
///
/// # Errors
/// `User` when nobody answers.
pub fn agreed(what: &str) -> Result<bool> {
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        eprint!("{what}. Go on? [y/N] ");
        let _ = std::io::stderr().flush();
    }
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer).unwrap_or(0);
    if !terminal && read == 0 {
        return Err(Error::user("ask whether to go on: nobody answers on stdin").hint("use --force"));
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Prints the names of one kind, and the bytes: on stdout the names alone, or with headings what docker prints there.
pub fn print(cx: &Cx, pruned: &Pruned, dry_run: bool) -> Result<()> {
    if cx.personality == Personality::Docker {
        return print_all(cx, pruned, dry_run);
    }
    for name in pruned.containers.iter().chain(&pruned.volumes) {
        output::line(name)?;
    }
    for id in pruned.images.iter().filter_map(|i| i.deleted.as_ref()) {
        output::line(id)?;
    }
    eprintln!("{}", total(pruned, dry_run));
    Ok(())
}

/// Prints all kinds with headings.
pub fn print_all(cx: &Cx, pruned: &Pruned, dry_run: bool) -> Result<()> {
    let deleted = if dry_run { "Would delete" } else { "Deleted" };
    let section = |kind: &str, lines: Vec<String>| match lines.is_empty() {
        true => Ok(()),
        false => output::line(&format!("{deleted} {kind}:\n{}\n", lines.join("\n"))),
    };
    section("Containers", pruned.containers.clone())?;
    section("Volumes", pruned.volumes.clone())?;
    section("Networks", pruned.networks.clone())?;
    let docker = cx.personality == Personality::Docker;
    let mut images = Vec::new();
    for image in &pruned.images {
        for name in &image.untagged {
            let name = Reference::parse(name).ok().filter(|_| docker).map_or(name.clone(), |r| r.familiar());
            images.push(format!("untagged: {name}"));
        }
        images.extend(image.deleted.iter().map(|id| format!("deleted: {}{id}", if docker { "sha256:" } else { "" })));
    }
    section("Images", images)?;
    output::line(&total(pruned, dry_run))
}

fn total(pruned: &Pruned, dry_run: bool) -> String {
    let what = if dry_run { "Total reclaimable space" } else { "Total reclaimed space" };
    format!("{what}: {}", human::size(pruned.bytes))
}
