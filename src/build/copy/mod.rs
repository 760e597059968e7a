//! COPY and ADD: a layer made straight from files, without a mount of the result.
//!
//! A job with mapped ids looks at the stage's root (where the destination's symlinks lead, which directories exist) and
//! walks the sources in place. The same walk gives either a hash of everything that the layer would hold, or the layer
//! itself as a tar: sorted, with given owners and times, so that the same files make the same layer everywhere.

mod mode;
mod place;
mod sink;
mod untar;
mod walk;

use crate::error::{Context, Error, Result};
use crate::image::tar::TarReader;
use crate::image::{Limits, Owners, apply};
use crate::runtime::jobs::{RootFs, mount_root};
use crate::runtime::owned::Layers;
use crate::stage::{Work, WorkNs};
use crate::userns::{IdMap, Level};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use walk::Copier;

/// Name of the job.
pub const JOB: &str = "build-copy";

/// A directory tree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Tree {
    #[default]
    Empty,
    Dir(PathBuf),
    /// Layers, top-most first, to be mounted with the help of an empty directory.
    Layers {
        lowers: Vec<PathBuf>,
        scratch: PathBuf,
    },
}

/// One source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Item {
    /// Nothing: only the destination directory is made.
    Directory,
    /// A path or pattern in the source tree.
    Path(String),
    /// A here-document.
    Text { name: String, content: String },
    /// A file that was fetched: its place, the name it was asked by, mode, and time in seconds since 1970.
    File { path: PathBuf, name: String, mode: u32, mtime: i64 },
}

/// What to copy where.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    pub target: Tree,
    pub source: Tree,
    pub items: Vec<Item>,
    /// Absolute; a final `/` says that it is a directory.
    pub dest: String,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub parents: bool,
    pub exclude: Vec<String>,
    /// The ignore rules of the context.
    pub ignore: Vec<String>,
    /// Unpack archives: `None` as ADD decides by their content.
    pub unpack: Option<bool>,
    pub add: bool,
    /// `--link`: the destination's symlinks are not followed.
    pub link: bool,
    /// Time of the copies, in seconds since 1970; `None` keeps the source's.
    pub time: Option<i64>,
    /// Time of directories that are made on the way.
    pub made: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Form {
    Tar,
    /// With the file of known hashes.
    Digest(PathBuf),
}

/// The tar of a layer on its way.
#[derive(Debug)]
pub struct Packing {
    work: Work,
    stream: File,
}

/// Starts to make the layer. Call it before starting threads, and finish it in the same thread.
pub fn pack(request: &Request, idmap: &IdMap) -> Result<Packing> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
    // Fewer switches between reader and writer; the kernel may refuse.
    let _ = fcntl_setpipe_size(&write, 1 << 20);
    let work = Work::start(JOB, WorkNs::New(idmap), &(request, Form::Tar), &[write.as_fd()])?;
    Ok(Packing { work, stream: File::from(read) })
}

/// The hash of all that the layer would hold; one line for each thing that it would not.
pub fn digest(request: &Request, idmap: &IdMap, hashes: &Path) -> Result<(String, Vec<String>)> {
    let layers = [&request.target, &request.source].iter().any(|tree| matches!(tree, Tree::Layers { .. }));
    // Files of the user's own need no namespaces, whose making takes longer than hashing does mostly. What goes wrong
    // here (a file of another id, too few descriptors) is for the job to try; it is the one that unpacks archives.
    if !layers && !request.add {
        let mut sink = sink::Digest::new(hashes);
        if copy(request, &mut sink).is_ok() {
            return Ok(sink.finish());
        }
    }
    Work::start(JOB, WorkNs::New(idmap), &(request, Form::Digest(hashes.into())), &[])?.finish()
}

impl Packing {
    /// Waits for the end of the job, after the stream's.
    pub fn finish(self) -> Result<()> {
        drop(self.stream);
        self.work.finish::<(String, Vec<String>)>().map(drop)
    }
}

impl Read for Packing {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buf)
    }
}

/// Name of the job that [`extract`] needs.
pub const EXTRACT_JOB: &str = "build-extract";

/// Makes the copy in the empty directory `dir` of the host.
pub fn extract(request: &Request, idmap: &IdMap, dir: &Path) -> Result<()> {
    let packing = pack(request, idmap)?;
    let owners = match idmap.level {
        Level::OneId => Owners::Record,
        Level::Full | Level::Root => Owners::Apply { ids: idmap.container_ids() },
    };
    let extracted = Work::start(EXTRACT_JOB, WorkNs::New(idmap), &(dir, owners), &[packing.stream.as_fd()])
        .and_then(Work::finish::<Value>);
    // The packer's own reason is better than that of its reader.
    packing.finish()?;
    extracted.map(drop)
}

/// The second job's entry.
pub fn extract_job(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let (dir, owners): (PathBuf, Owners) = serde_json::from_value(request).context("decode the job's request")?;
    let input = fds.into_iter().next().ok_or_else(|| Error::bug("extract without a stream"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&dir, flags, Mode::empty()).with_context(|| format!("open {}", dir.display()))?;
    let mut tar = TarReader::new(BufReader::with_capacity(256 << 10, File::from(input)));
    apply(root, &mut tar, owners, Limits::default())?;
    Ok(Value::Null)
}

/// The job's entry for the table in main.rs.
pub fn job(request: Value, fds: Vec<OwnedFd>) -> Result<Value> {
    let (request, form): (Request, Form) = serde_json::from_value(request).context("decode the job's request")?;
    crate::sys::signal::pipe_fails();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, all);
    let answer = match form {
        Form::Tar => {
            let out = fds.into_iter().next().ok_or_else(|| Error::bug("copy without a stream"))?;
            let mut sink = sink::Tar::new(BufWriter::with_capacity(256 << 10, File::from(out)));
            copy(&request, &mut sink)?;
            (String::new(), sink.finish()?)
        }
        Form::Digest(hashes) => {
            let mut sink = sink::Digest::new(&hashes);
            copy(&request, &mut sink)?;
            sink.finish()
        }
    };
    serde_json::to_value(answer).context("encode the answer")
}

fn copy(request: &Request, sink: &mut impl sink::Sink) -> Result<()> {
    let target = open(&request.target)?;
    let source = open(&request.source)?;
    Copier::new(request, target, source, sink)?.run()
}

fn open(tree: &Tree) -> Result<Option<OwnedFd>> {
    match tree {
        Tree::Empty => Ok(None),
        Tree::Dir(dir) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(dir, flags, Mode::empty()).map(Some).with_context(|| format!("open {}", dir.display()))
        }
        Tree::Layers { lowers, scratch } => {
            std::fs::create_dir_all(scratch).with_context(|| format!("make {}", scratch.display()))?;
            let layers = Layers { lowers: lowers.clone(), data: None };
            let root = RootFs { layers, upper: scratch.join("upper"), work: scratch.join("work"), rootfs: None };
            mount_root(&root).map(Some)
        }
    }
}

/// Bytes to a file's end, for sinks.
fn pump(file: &mut File, size: u64, out: &mut dyn Write) -> Result<()> {
    // Exactly as many bytes as announced, even of a file that shrinks or grows meanwhile.
    let mut left = size;
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = file.read(&mut buffer[..want]).context("read it")?;
        if got == 0 {
            return Err(Error::conflict("it became shorter while it was read").hint("build again"));
        }
        out.write_all(&buffer[..got]).context("write the layer")?;
        left -= got as u64;
    }
    Ok(())
}
