//! The store's directories: there, ours, closed to others, of a version we know.

use super::{Found, Remedy, damage, leftover, repair};
use crate::engine::Ctx;
use crate::error::{Context, Result};
use crate::state::store;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether there is something to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// There is none, or it can't be looked into.
    Closed,
    Open,
}

/// Checks the directories; with `repairing` their modes are set at once, for nothing behind them can be seen before.
pub(super) fn check(ctx: &Ctx, repairing: bool, found: &mut Vec<Found>) -> Result<Store> {
    let paths = &ctx.paths;
    let data = &paths.data;
    if !data.try_exists().with_context(|| format!("look at {}", data.display()))? {
        return Ok(Store::Closed);
    }
    if !directory(data, repairing, found) {
        return Ok(Store::Closed);
    }
    match store::check(paths) {
        Ok(true) => {}
        Ok(false) if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none()) => {
            return Ok(Store::Closed);
        }
        Ok(false) => found.push(leftover(
            format!("file {}", data.join("version").display()),
            "it is missing or empty, as a power cut at the very first command leaves it",
            "none: the next command that writes makes it",
            "writes it",
            Remedy::MakeFile(data.join("version"), format!("{}\n", store::VERSION).into_bytes()),
        )),
        Err(e) => {
            found.push(damage(
                format!("store {}", data.display()),
                e.to_string(),
                "this coracle can't work with it",
                "nothing; use a newer coracle, or another --root",
                Remedy::None,
            ));
            return Ok(Store::Closed);
        }
    }
    let mut open = true;
    for dir in store::DIRECTORIES.iter().map(|name| data.join(name)).chain([paths.blobs()]) {
        open &= directory(&dir, repairing, found);
    }
    for entry in std::fs::read_dir(data).with_context(|| format!("read {}", data.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = data.join(&name);
        if store::is_temporary(&name) {
            found.push(leftover(
                format!("file {}", file.display()),
                "a process died before it had written it",
                "it takes space",
                "deletes it",
                Remedy::Unlink(file),
            ));
        } else if !store::is_ours(&name) {
            found.push(leftover(
                format!("file {}", file.display()),
                "coracle did not make it",
                "none",
                "leaves it alone",
                Remedy::None,
            ));
        }
    }
    Ok(if open { Store::Open } else { Store::Closed })
}

/// Whether what the directory holds can be seen.
fn directory(dir: &Path, repairing: bool, found: &mut Vec<Found>) -> bool {
    let object = || format!("directory {}", dir.display());
    // A link to another disk is the user's choice; what it leads to counts.
    let meta = match dir.metadata() {
        Ok(meta) => meta,
        // Made when it is needed.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && dir.symlink_metadata().is_err() => return true,
        Err(e) => {
            found.push(damage(
                object(),
                e.to_string(),
                "commands fail",
                "nothing; make it reachable again",
                Remedy::None,
            ));
            return false;
        }
    };
    let readable = meta.mode() & 0o700 == 0o700;
    if !meta.is_dir() {
        found.push(damage(object(), "it is no directory", "commands fail", "nothing; move it away", Remedy::None));
        return false;
    } else if meta.uid() != rustix::process::geteuid().as_raw() {
        found.push(damage(
            object(),
            format!("it belongs to user {}", meta.uid()),
            "commands fail, or another user can change what containers run",
            &format!("nothing; sudo chown {} {}", rustix::process::geteuid().as_raw(), dir.display()),
            Remedy::None,
        ));
    } else if meta.mode() & 0o022 != 0 || meta.mode() & 0o700 != 0o700 {
        found.push(damage(
            object(),
            format!("its mode is {:o}", meta.mode() & 0o7777),
            if meta.mode() & 0o022 == 0 { "commands fail" } else { "others can change what containers run" },
            "sets it to 700",
            Remedy::Mode(dir.to_path_buf(), 0o700),
        ));
        if repairing && !readable {
            let result = repair::set_mode(dir, 0o700);
            let healed = result.is_ok();
            if let Some(last) = found.last_mut() {
                last.finding.outcome = Some(repair::outcome(result));
            }
            return healed;
        }
    }
    readable
}
