//! `system check`: finds what is damaged in the store, says what it means, and heals it.
//!
//! Damage makes something fail now or later. Leftovers are what kills and power cuts may leave by design: they cost
//! space only, or go by themselves. Repair never touches what a container or a volume holds.

mod images;
mod layout;
mod objects;
mod repair;

use super::Ctx;
use crate::error::Result;
use crate::image::{BadBlob, BadLayer, Checked, Digest, Store};
use crate::registry::PullOptions;
use crate::state::lock::Flock;
use serde::Serialize;
use std::path::PathBuf;

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'o> {
    /// Don't read the contents of blobs and files: sizes, owners, modes and times tell.
    pub quick: bool,
    /// Heal what can be healed; blobs are fetched with these options.
    pub repair: Option<&'o PullOptions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Damage,
    Leftover,
}

/// What repair did about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Repaired,
    /// Why not.
    Failed(String),
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// `blob sha256:…`, `layer …`, `container …`.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// The particulars, such as a layer's files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What it leads to.
    pub consequence: String,
    /// What `--repair` does, or what the user has to do.
    pub repair: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// What was found, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub store: PathBuf,
    pub quick: bool,
    /// Nothing is damaged (any more).
    pub sound: bool,
    pub checked: Checked,
    pub containers: usize,
    pub volumes: usize,
    /// Damage first.
    pub findings: Vec<Finding>,
}

/// A finding with what would mend it.
#[derive(Debug)]
struct Found {
    finding: Finding,
    remedy: Remedy,
}

#[derive(Debug)]
enum Remedy {
    /// Only the user can do something, or nothing needs to be done.
    None,
    /// Set the mode of a file or directory of ours.
    Mode(PathBuf, u32),
    MakeDir(PathBuf),
    MakeFile(PathBuf, Vec<u8>),
    /// Move it to the trash.
    Discard(PathBuf),
    /// A file that carries nothing.
    Unlink(PathBuf),
    /// A name that leads nowhere, if it still does.
    Unname(String),
    Name {
        name: String,
        id: String,
    },
    /// A container's state was lost: it has ended.
    State(String),
    Reindex,
    Fetch(BadBlob),
    Forget(Digest),
    /// Steps of builds whose result is spoiled.
    Uncache(BadBlob),
    Rebuild(BadLayer),
    /// Whatever `prune` collects.
    Collect,
}

fn damage(
    object: impl Into<String>,
    problem: impl Into<String>,
    consequence: &str,
    repair: &str,
    remedy: Remedy,
) -> Found {
    found(Severity::Damage, object.into(), problem.into(), consequence, repair, remedy)
}

fn leftover(
    object: impl Into<String>,
    problem: impl Into<String>,
    consequence: &str,
    repair: &str,
    remedy: Remedy,
) -> Found {
    found(Severity::Leftover, object.into(), problem.into(), consequence, repair, remedy)
}

/// A file or directory of ours that its owner must have `mode` at least for; `None` if he has, or if it is not there.
fn closed(path: &std::path::Path, mode: u32) -> Option<Found> {
    use std::os::unix::fs::MetadataExt;
    let has = path.symlink_metadata().ok().filter(|meta| !meta.is_symlink())?.mode() & 0o7777;
    let remedy = Remedy::Mode(path.to_path_buf(), mode);
    let (what, problem) = (format!("file {}", path.display()), format!("its mode is {has:o}"));
    (has & mode & 0o700 != mode & 0o700)
        .then(|| damage(what, problem, "commands fail", &format!("sets it to {mode:o}"), remedy))
}

fn found(
    severity: Severity,
    object: String,
    problem: String,
    consequence: &str,
    repair: &str,
    remedy: Remedy,
) -> Found {
    let finding = Finding {
        severity,
        object,
        problem,
        details: Vec::new(),
        consequence: consequence.into(),
        repair: repair.into(),
        outcome: None,
    };
    Found { finding, remedy }
}

/// Checks the store, and repairs it where the options say so.
///
/// # Errors
/// Only when the check itself can't be made; damage is in the report.
pub fn check(ctx: &Ctx, options: Options<'_>) -> Result<Report> {
    let mut report = Report {
        schema: 1,
        store: ctx.paths.data.clone(),
        quick: options.quick,
        sound: true,
        checked: Checked::default(),
        containers: 0,
        volumes: 0,
        findings: Vec::new(),
    };
    let repairing = options.repair.is_some();
    let mut found = look(ctx, options.quick, repairing, &mut report)?;
    if let Some(how) = options.repair {
        repair::all(ctx, &mut found, how);
        // A manifest that came back names blobs that could not be looked at before, and so it is with what was closed.
        for _ in 0..2 {
            let healed =
                found.iter().any(|f| matches!(f.remedy, Remedy::Fetch(_) | Remedy::Reindex | Remedy::Mode(..)));
            if !healed {
                break;
            }
            let mut more = look(ctx, options.quick, repairing, &mut report)?;
            more.retain(|f| !found.iter().any(|old| old.finding.object == f.finding.object));
            if more.is_empty() {
                break;
            }
            repair::all(ctx, &mut more, how);
            found.extend(more);
        }
    }
    report.findings = found.into_iter().map(|f| f.finding).collect();
    report.findings.sort_by_key(|f| f.severity);
    let unmended = |f: &Finding| f.severity == Severity::Damage && f.outcome != Some(Outcome::Repaired);
    report.sound = !report.findings.iter().any(unmended);
    Ok(report)
}

fn look(ctx: &Ctx, quick: bool, repairing: bool, report: &mut Report) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if layout::check(ctx, repairing, &mut found)? == layout::Store::Closed {
        return Ok(found);
    }
    {
        // Nothing may be collected while we look. Without the lock file there was no store to add to yet.
        let path = ctx.paths.store_lock();
        let _lease = if path.exists() { Some(Flock::shared(&path)?) } else { None };
        let store = Store::open(&ctx.paths)?;
        images::check(ctx, &store, quick, report, &mut found)?;
        report.containers = objects::containers(ctx, &mut found)?;
        report.volumes = objects::volumes(ctx, &mut found)?;
        objects::names(ctx, &mut found);
    }
    objects::leftovers(ctx, &mut found);
    Ok(found)
}
