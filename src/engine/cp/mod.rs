//! `cp`: files between the host and containers, running or not, as a tar stream between a packing and an extracting end.
//!
//! The container's end is a job: in the namespaces of a running container, or in a fresh one that mounts the root of a
//! stopped one (or opens the volume that the path lies in). Paths of containers are resolved inside their root only;
//! what a container sends is extracted below its destination without following a single symlink.

pub(super) mod extract;
mod files;
mod locate;
pub(super) mod pack;

pub use files::Owner;
pub use locate::{copy_in, copy_out};

use self::files::Root;
use self::locate::Located;
use super::Ctx;
use crate::error::{Context, Error, Result};
use crate::stage::Work;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Container {
        name: String,
        path: String,
    },
    Local(String),
    /// A tar stream on stdin or stdout.
    Stream,
}

impl End {
    /// Docker's rules: `-` is the stream, an absolute path or one that begins with `.` is local, `NAME:PATH` is in a
    /// container, anything else is local.
    pub fn parse(text: &str) -> End {
        if text == "-" {
            return End::Stream;
        }
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !text.starts_with(['/', '.']) => {
                End::Container { name: name.into(), path: path.into() }
            }
            _ => End::Local(text.into()),
        }
    }
}

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    pub owner: Owner,
    /// Follow a symlink that is the source itself.
    pub follow: bool,
}

/// Where an extracted tree goes: `cp`'s rules need to know both ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    path: PathBuf,
    /// The destination was written with a slash at its end: it must be a directory.
    slash: bool,
    /// The name that the source gets inside an existing directory.
    base: String,
    /// `SRC/.`: what is in the directory, not the directory.
    contents: bool,
}

/// Copies; returns one line for each thing that could not be copied.
///
/// # Errors
/// Nothing is at the source; the destination's directory is missing; a directory would replace a file or the reverse.
pub fn copy(ctx: &Ctx, from: &End, to: &End, options: CopyOptions) -> Result<Vec<String>> {
    match (from, to) {
        (End::Container { name, path }, End::Stream) => {
            let source = locate::locate(ctx, name, path)?;
            let stdout = rustix::stdio::stdout();
            locate::pack_job(&source, options.follow, true, stdout)?.finish().with_context(|| reading(from))
        }
        (End::Stream, End::Container { name, path }) => {
            let target = locate::locate(ctx, name, path)?;
            locate::extract_job(&target, None, options.owner, rustix::stdio::stdin())?
                .finish()
                .with_context(|| writing(to))
        }
        (End::Container { .. }, End::Container { name, path }) => {
            let target = locate::locate(ctx, name, path)?;
            let (read, write) = pipe()?;
            let place = place(path, from);
            let extract = locate::extract_job(&target, Some(place), options.owner, read.as_fd())?;
            drop(read);
            let pack = source_job(ctx, from, options, write.as_fd())?;
            drop(write);
            both(pack.finish().with_context(|| reading(from)), extract.finish().with_context(|| writing(to)))
        }
        (End::Container { .. }, End::Local(path)) => {
            let (read, write) = pipe()?;
            let pack = source_job(ctx, from, options, write.as_fd())?;
            drop(write);
            let extracted = extract::tree(&Root::Host, &place(path, from), options.owner, File::from(read));
            let extracted = extracted.with_context(|| writing(to));
            if extracted.is_err() {
                // It may be blocked for ever on a pipe that nobody reads.
                drop_if_busy(&pack);
            }
            both(pack.finish().with_context(|| reading(from)), extracted)
        }
        (End::Local(source), End::Container { name, path }) => {
            let target = locate::locate(ctx, name, path)?;
            let (read, write) = pipe()?;
            let extract = locate::extract_job(&target, Some(place(path, from)), options.owner, read.as_fd())?;
            drop(read);
            let packed = pack::pack(&Root::Host, Path::new(source), options.follow, false, File::from(write));
            both(packed.with_context(|| reading(from)), extract.finish().with_context(|| writing(to)))
        }
        _ => Err(Error::user("copy: one side must be a container").hint("write it as NAME:PATH")),
    }
}

fn source_job(ctx: &Ctx, from: &End, options: CopyOptions, out: BorrowedFd<'_>) -> Result<Job> {
    let End::Container { name, path } = from else {
        return Err(Error::bug("pack a source that is no container"));
    };
    let source = locate::locate(ctx, name, path)?;
    let work = locate::pack_job(&source, options.follow, false, out)?;
    Ok(Job { work, _source: source })
}

/// A packing job and what it needs to stay as it is (the lock of a stopped container).
struct Job {
    work: Work,
    _source: Located,
}

impl Job {
    fn finish(self) -> Result<Vec<String>> {
        self.work.finish()
    }
}

fn drop_if_busy(job: &Job) {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::new(&job.work, PollFlags::IN)];
    let soon = rustix::time::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    if poll(&mut fds, Some(&soon)).unwrap_or(0) == 0 {
        job.work.kill();
    }
}

/// The results of both ends: a failed end makes the other fail, by a broken pipe or a cut stream, so the cause is told.
fn both(packed: Result<Vec<String>>, extracted: Result<Vec<String>>) -> Result<Vec<String>> {
    match (packed, extracted) {
        (Ok(mut notes), Ok(more)) => {
            notes.extend(more);
            Ok(notes)
        }
        (Err(e), Ok(_)) => Err(e),
        (Ok(_), Err(e)) => Err(e),
        (Err(packed), Err(extracted)) => {
            Err(if packed.is_errno(libc::EPIPE) || packed.kind == crate::error::Kind::Bug { extracted } else { packed })
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).context("make a pipe")
}

fn reading(end: &End) -> String {
    format!("copy from {}", shown(end))
}

fn writing(end: &End) -> String {
    format!("copy to {}", shown(end))
}

fn shown(end: &End) -> String {
    match end {
        End::Container { name, path } => format!("{name}:{path}"),
        End::Local(path) => path.clone(),
        End::Stream => "the tar stream".into(),
    }
}

/// `SRC/.` or `.`: what is inside.
fn is_contents(path: &str) -> bool {
    let trimmed = path.trim_end_matches('/');
    trimmed.is_empty() || trimmed == "." || trimmed.ends_with("/.")
}

/// The destination `path` for what comes from `from`.
fn place(path: &str, from: &End) -> Place {
    let source = match from {
        End::Container { path, .. } => Path::new(path).to_path_buf(),
        // `..` has a name only after a look at the disk.
        End::Local(path) if path.ends_with("..") => std::fs::canonicalize(path).unwrap_or_else(|_| path.into()),
        End::Local(path) => path.into(),
        End::Stream => PathBuf::new(),
    };
    Place {
        path: if path.is_empty() { "/".into() } else { path.into() },
        slash: path.ends_with('/') || path.ends_with("/."),
        base: source.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        contents: is_contents(&source.to_string_lossy())
            || matches!(from, End::Local(p) | End::Container { path: p, .. } if is_contents(p)),
    }
}

#[cfg(test)]
mod tests;
