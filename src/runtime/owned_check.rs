//! Whether a view of layers (`runtime/owned`) still is what it was made as: it is made once more and compared.

use super::owned::{self, REQUEST, Request};
use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the job that checks one view.
pub const JOB: &str = "check-view";
/// Files that a report names.
const MAX_NAMED: usize = 20;

/// What differs in a view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first of them, each with what is wrong.
    pub files: Vec<String>,
    pub count: u64,
}

impl Difference {
    fn note(&mut self, path: &Path, what: &str) {
        self.count += 1;
        if self.files.len() < MAX_NAMED {
            let path = path.display().to_string();
            self.files.push(format!("{}: {what}", if path.is_empty() { "/" } else { &path }));
        }
    }
}

/// Checks the view at `views/LAYER/as-MAP`. `None` for one of an older version, which does not say what it is made of, and
/// where this process is in a user namespace (`unshare`): its ids can't be had there.
///
/// # Errors
/// What it is made of can't be read, or its id map is not this user's (any more).
pub fn check(view: &Path) -> Result<Option<Difference>> {
    let path = view.join(REQUEST);
    let named = || format!("read {}", path.display());
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(named),
    };
    let request: Request = serde_json::from_slice(&text).with_context(named)?;
    if request.map.is_around() {
        return Ok(None);
    }
    let work = Work::start(JOB, WorkNs::New(&request.map), &view, &[])?;
    work.finish().map(Some)
}

/// The job: as root of the view's map.
pub fn job(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let view: PathBuf = serde_json::from_value(request).context("decode the job's request")?;
    let named = || format!("check {}", view.display());
    let home = view.parent().ok_or_else(|| Error::bug(named()))?;
    let _lock = owned::lock(home)?;
    let request: Request =
        serde_json::from_slice(&fs::read(view.join(REQUEST)).with_context(named)?).with_context(named)?;
    // As the draft of a view, which the next one to make it removes.
    let draft = view.with_extension("draft");
    super::jobs::remove_path(&draft)?;
    fs::create_dir(&draft).with_context(named)?;
    let compared = owned::make(&request, &draft).and_then(|fresh| {
        let kind = fresh.file_name().ok_or_else(|| Error::bug(named()))?;
        // The content of a skeleton's files is never read.
        let mut walk = Walk { contents: request.is_copy(), out: Difference::default() };
        walk.compare(&view.join(kind), &fresh, Path::new(""))?;
        Ok(walk.out)
    });
    super::jobs::remove_path(&draft)?;
    serde_json::to_value(compared?).context("encode the answer")
}

struct Walk {
    /// Compare the contents of files too.
    contents: bool,
    out: Difference,
}

impl Walk {
    fn compare(&mut self, found: &Path, made: &Path, at: &Path) -> Result<()> {
        let out = &mut self.out;
        let is = match found.symlink_metadata() {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                out.note(at, "missing");
                return Ok(());
            }
            Err(e) => return Err(e).with_context(|| format!("look at {}", found.display())),
        };
        let named = || format!("look at {}", made.display());
        let was = made.symlink_metadata().with_context(named)?;
        if is.file_type() != was.file_type() {
            out.note(at, "kind");
            return Ok(());
        }
        let same_size = is.is_dir() || is.len() == was.len();
        let what = [
            ("owner", (is.uid(), is.gid()) == (was.uid(), was.gid())),
            ("mode", is.mode() == was.mode()),
            ("size", same_size),
            ("time", (is.mtime(), is.mtime_nsec()) == (was.mtime(), was.mtime_nsec())),
            ("device", is.rdev() == was.rdev()),
            ("links", is.is_dir() || is.nlink() == was.nlink()),
            ("attributes", attributes(found)? == attributes(made)?),
            ("target", !is.is_symlink() || fs::read_link(found).ok() == fs::read_link(made).ok()),
        ];
        if let Some((what, _)) = what.iter().find(|(_, same)| !same) {
            out.note(at, what);
        } else if self.contents
            && is.is_file()
            && !same_content(found, made).with_context(|| format!("compare {}", found.display()))?
        {
            out.note(at, "content");
        }
        if is.is_dir() {
            let mut names = names(found)?;
            names.append(&mut self::names(made)?);
            for name in names {
                let (found, made, at) = (found.join(&name), made.join(&name), at.join(&name));
                match made.symlink_metadata() {
                    Ok(_) => self.compare(&found, &made, &at)?,
                    Err(_) => self.out.note(&at, "was not there"),
                }
            }
        }
        Ok(())
    }
}

fn names(dir: &Path) -> Result<BTreeSet<OsString>> {
    let named = || format!("read {}", dir.display());
    fs::read_dir(dir).with_context(named)?.map(|e| e.map(|e| e.file_name()).with_context(named)).collect()
}

fn attributes(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let named = || format!("read the attributes of {}", path.display());
    let mut list = vec![0; 64 << 10];
    let n = rustix::fs::llistxattr(path, list.as_mut_slice()).with_context(named)?;
    let mut all = Vec::new();
    for name in list[..n].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let n = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).with_context(named)?;
        value.truncate(n);
        all.push((name.to_vec(), value));
    }
    all.sort();
    Ok(all)
}

fn same_content(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    let (mut a, mut b) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let n = one.read(&mut a)?;
        if n == 0 {
            return Ok(other.read(&mut b)? == 0);
        }
        match other.read_exact(&mut b[..n]) {
            Ok(()) if a[..n] == b[..n] => {}
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}
