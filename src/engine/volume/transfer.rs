//! `volume export` and `volume import`: the files of a volume as a tar, exactly as containers see them.
//!
//! Both are jobs with the container's ids. An import is extracted in `tmp/` first, so that an archive that turns out to
//! be cut, hostile or too large changes nothing; then its entries are renamed into the volume: all of them (in the way
//! of `runtime::copyup`, which a later start or import completes) if the volume is empty, else one by one.

use super::merge::merge;
use crate::engine::Ctx;
use crate::engine::cp::{extract, pack};
use crate::error::{Context, Error, Result};
use crate::image::Decoder;
use crate::runtime::copyup;
use crate::stage::{Work, WorkNs};
use crate::state::gcdir::Staging;
use crate::state::hook;
use crate::userns::{IdMap, Level};
use crate::volume::{self, Backing};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Names of the jobs.
pub const EXPORT_JOB: &str = "volume-out";
pub const IMPORT_JOB: &str = "volume-in";

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    data: PathBuf,
    /// It is the engine's directory, which an interrupted import may have left to be completed.
    own: bool,
    /// Where to extract, for an import.
    staging: PathBuf,
    one_id: bool,
}

/// Writes the files of volume `name` to `out` as a tar; one line for each thing that a tar can't hold.
pub fn export(ctx: &Ctx, name: &str, out: BorrowedFd<'_>) -> Result<Vec<String>> {
    let volume = volume::get(&ctx.paths, name)?;
    let idmap = IdMap::detect()?;
    let one_id = idmap.level == Level::OneId;
    let own = volume.backing()? == Backing::Own;
    let request = Request { data: super::files(ctx, &volume)?, own, staging: PathBuf::new(), one_id };
    let what = || format!("export volume {name}");
    Work::start(EXPORT_JOB, WorkNs::New(&idmap), &request, &[out]).with_context(what)?.finish().with_context(what)
}

/// Puts the files of the tar in `input` (plain, gzip, zstd, xz, bzip2) into volume `name`, where they replace files of
/// the same name. One line for each thing that could not be made.
///
/// # Errors
/// A bad archive, or one that has a file where the volume has a directory, changes nothing. An error of the disk while
/// the files are moved in leaves some of them there, each of them whole.
pub fn import(ctx: &Ctx, name: &str, input: BorrowedFd<'_>) -> Result<Vec<String>> {
    let volume = volume::get(&ctx.paths, name)?;
    let what = || format!("import into volume {name}");
    if volume.backing()? != Backing::Own {
        return Err(Error::unsupported(format!("{}: its files are not in the store", what()))
            .hint("extract the archive where they are (see `coracle volume inspect`)"));
    }
    let idmap = IdMap::detect()?;
    let staging = Staging::new(&ctx.paths, &format!("volume-import-{}", std::process::id())).with_context(what)?;
    let one_id = idmap.level == Level::OneId;
    let request = Request { data: volume.data(&ctx.paths), own: true, staging: staging.path().into(), one_id };
    let done =
        Work::start(IMPORT_JOB, WorkNs::New(&idmap), &request, &[input]).and_then(Work::finish).with_context(what);
    drop(staging);
    // What is left of it may belong to mapped ids.
    crate::engine::recover::sweep(ctx);
    done
}

fn decode(request: Value, fds: Vec<OwnedFd>) -> Result<(Request, File)> {
    let request = serde_json::from_value(request).context("read the request")?;
    let stream = fds.into_iter().next().ok_or_else(|| Error::bug("move a volume's files without a stream"))?;
    Ok((request, File::from(stream)))
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))
}

/// Job `volume-out`.
pub fn export_job(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let (request, out) = decode(request, fds)?;
    crate::sys::signal::pipe_fails();
    let data = open(&request.data)?;
    if request.own {
        copyup::settle(data.as_fd())?;
    }
    serde_json::to_value(pack::volume(data, request.one_id, out)?).context("write the answer")
}

/// Job `volume-in`.
pub fn import_job(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let (request, input) = decode(request, fds)?;
    let data = open(&request.data)?;
    let staging = open(&request.staging)?;
    let made = request.staging.join("files");
    rustix::fs::mkdir(&made, Mode::RWXU).with_context(|| format!("make {}", made.display()))?;
    let top = open(&made)?;
    // As it is now, unless the archive says something of it.
    copyup::liken(data.as_fd(), top.as_fd())?;
    let unpacked =
        extract::volume(top.try_clone().context("extract the archive")?, request.one_id, Decoder::new(input)?)?;
    hook::dies_at("volume:unpacked");
    rustix::fs::syncfs(&staging).context("write the files to the disk")?;
    if !copyup::adopt(staging.as_fd(), c"files", data.as_fd())? {
        merge(top.as_fd(), data.as_fd(), &unpacked.dirs)?;
    }
    serde_json::to_value(unpacked.notes).context("write the answer")
}
