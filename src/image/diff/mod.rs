//! What a writable directory changes in the layers below it: as a list, and as a layer tar.
//!
//! The directories are read as they lie on disk, without a mount: whiteouts and opaque directories in all the forms
//! that overlayfs and fuse-overlayfs give them, a directory that holds a whole copied root, skeleton views of other id
//! maps, and the owners that the one-id mode records. The walk runs as root of the container's user namespace (job
//! `diff`), and only ever opens names in directories that it has open: no path of a container is followed.
//!
//! The tar is deterministic: sorted, explicit whiteouts (layer.md, "Explicit Whiteout"), nothing in it but the content.
//! Reading while the container runs gives each file as it is in that moment.

mod list;
mod meta;
mod pack;
mod stack;
#[cfg(test)]
mod tests;
mod walk;

pub use meta::{attributes, owner};

use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use crate::userns::IdMap;
use pack::Packer;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stack::Stack;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use walk::{How, Walk};

/// Name of the job.
pub const JOB: &str = "diff";

/// A tree and what it is compared with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trees {
    /// The writable directory.
    pub upper: Option<PathBuf>,
    /// The layers below it, top-most first.
    pub lowers: Vec<PathBuf>,
    /// `upper` holds a whole root, not only what changed.
    pub whole: bool,
    /// The directory that `redirect` attributes of the layers lead into.
    pub data: Option<PathBuf>,
    /// Compare with this instead: layers, top-most first. The tree itself is then `upper` over `lowers`.
    pub against: Option<Vec<PathBuf>>,
    /// Leave out the empty mount points that the engine makes, where the layers don't have them.
    pub own: bool,
    /// Further paths (without leading slash) to leave out like that.
    pub stubs: Vec<String>,
}

impl Trees {
    /// The tree as a whole, as if it were all new.
    pub fn flattened(self) -> Trees {
        match self.whole {
            // A whole root stands for its layers.
            true => Trees { lowers: Vec::new(), against: Some(Vec::new()), ..self },
            false => Trees { against: Some(Vec::new()), ..self },
        }
    }
}

/// Paths without their leading slash that the engine may make in a container's writable directory.
const OWN: &[&str] = &[
    "dev",
    "dev/console",
    "dev/mqueue",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "run",
    "run/.containerenv",
    "run/secrets",
    "sys",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    List,
    Tar,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    trees: Trees,
    form: Form,
    newest: Option<i64>,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// `A` added, `C` changed, `D` deleted.
    pub letter: char,
    /// Absolute; any bytes.
    pub path: Vec<u8>,
}

/// A tar on its way.
#[derive(Debug)]
pub struct Packing {
    work: Work,
    stream: File,
}

/// Starts to pack what `trees` change. `newest`: times in the tar are not later than this, in seconds since 1970. Call
/// it before starting threads, and finish it in the same thread.
pub fn pack(trees: &Trees, idmap: &IdMap, newest: Option<i64>) -> Result<Packing> {
    let (work, stream) = start(trees, Form::Tar, idmap, newest)?;
    Ok(Packing { work, stream })
}

impl Packing {
    /// Waits for the end of the job, after the stream's; one line for each thing that is not in the tar.
    pub fn finish(self) -> Result<Vec<String>> {
        // A job that still writes to a stream that nobody reads ends by that.
        drop(self.stream);
        self.work.finish()
    }
}

impl Read for Packing {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buf)
    }
}

/// What `trees` change, sorted by path.
pub fn list(trees: &Trees, idmap: &IdMap) -> Result<Vec<Changed>> {
    let (work, mut stream) = start(trees, Form::List, idmap, None)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).context("read the list of changes")?;
    work.finish::<Vec<String>>()?;
    let records = bytes.split(|b| *b == 0).filter(|r| r.len() > 2);
    Ok(records.map(|r| Changed { letter: char::from(r[0]), path: r[2..].to_vec() }).collect())
}

fn start(trees: &Trees, form: Form, idmap: &IdMap, newest: Option<i64>) -> Result<(Work, File)> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
    // Fewer switches between reader and writer; the kernel may refuse.
    let _ = fcntl_setpipe_size(&write, 1 << 20);
    let request = Request { trees: trees.clone(), form, newest };
    let work = Work::start(JOB, WorkNs::New(idmap), &request, &[write.as_fd()])?;
    Ok((work, File::from(read)))
}

/// The job's entry for the table in main.rs; the answer is a list of notes.
pub fn job(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let request: Request = serde_json::from_value(request).context("decode the job's request")?;
    let out = fds.into_iter().next().ok_or_else(|| Error::bug("compare trees without a stream"))?;
    crate::sys::signal::pipe_fails();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: limit.maximum, ..limit },
    );
    let notes = run(&request, BufWriter::with_capacity(256 << 10, File::from(out)))?;
    serde_json::to_value(notes).context("encode the answer")
}

fn run(request: &Request, mut out: impl Write) -> Result<Vec<String>> {
    let data = request.trees.data.as_ref().map(|dir| {
        rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open {}", dir.display()))
    });
    let data = data.transpose()?;
    match request.form {
        Form::List => {
            let mut list = list::List::default();
            compare(&request.trees, &mut list)?;
            list.write(&mut out)?;
            Ok(Vec::new())
        }
        Form::Tar => {
            let mut packer = Packer::new(&mut out, request.newest, data);
            compare(&request.trees, &mut packer)?;
            packer.out.finish()?;
            let notes = packer.notes;
            out.flush().context("write the layer")?;
            Ok(notes)
        }
    }
}

fn compare(trees: &Trees, sink: &mut impl walk::Sink) -> Result<()> {
    let own = if trees.own { OWN } else { &[] }.iter().map(|p| p.as_bytes().to_vec());
    let own: HashSet<Vec<u8>> = own.chain(trees.stubs.iter().map(|p| p.clone().into_bytes())).collect();
    let upper = trees.upper.as_deref();
    let (new, old, how) = match &trees.against {
        Some(against) => (Stack::open(upper, &trees.lowers)?, Stack::open(None, against)?, How::Whole),
        None if trees.whole => (Stack::open(upper, &[])?, Stack::open(None, &trees.lowers)?, How::Whole),
        None => (Stack::open(upper, &[])?, Stack::open(None, &trees.lowers)?, How::Upper),
    };
    Walk { sink, own: &own }.top(&new, &old, how)
}
