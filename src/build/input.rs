//! Where a build's Dockerfile and files come from.

use super::context;
use super::git;
use super::ignore::Ignore;
use super::scratch::Scratch;
use super::source::{MAX_DOCKERFILE, Source};
use crate::error::{Context, Error, Result};
use crate::image::{Compression, decompressed};
use crate::registry::{PullOptions, download};
use crate::state::{paths::Paths, store};
use crate::userns::IdMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// What the command line names.
pub struct Request<'a> {
    pub context: &'a str,
    pub file: Option<&'a Path>,
    pub ignorefile: Option<&'a Path>,
    /// Docker's habits: no Containerfile.
    pub docker: bool,
    /// `.git` of a git context stays.
    pub keep_git: bool,
    pub registry: &'a PullOptions,
}

/// Everything that a build reads.
pub struct Input {
    pub source: Source,
    pub ignore: Ignore,
    /// None when only a Dockerfile came.
    pub context: Option<PathBuf>,
    /// Holds a fetched context.
    _scratch: Option<Scratch>,
}

/// Opens a directory, `-`, a git repository or an address.
pub fn open(paths: &Paths, request: &Request<'_>) -> Result<Input> {
    let dockerfile_on_stdin = request.file == Some(Path::new("-"));
    if request.context == "-" {
        if dockerfile_on_stdin {
            return Err(Error::user("read both context and Dockerfile from standard input"));
        }
        return from_stdin(paths, request);
    }
    let (dir, scratch) = match git::parse(request.context)? {
        Some(source) => {
            let scratch = scratch(paths)?;
            let dir = git::fetch(&source, scratch.path(), request.keep_git)?;
            (dir, Some(scratch))
        }
        None if request.context.starts_with("http://") || request.context.starts_with("https://") => {
            let scratch = scratch(paths)?;
            let path = scratch.path().join("fetched");
            let named = || format!("create {}", path.display());
            let mut file = File::options().read(true).write(true).create_new(true).open(&path).with_context(named)?;
            download(request.context, request.registry, &mut file)?;
            file.rewind().with_context(named)?;
            return from_stream(file, scratch, request);
        }
        None if request.context.contains("://") => {
            return Err(Error::unsupported(format!("use {} as context: unknown kind of address", request.context)));
        }
        None => (PathBuf::from(request.context), None),
    };
    if !dir.is_dir() {
        return Err(Error::not_found(format!("use {} as context: it is no directory", request.context)));
    }
    let dir = std::path::absolute(&dir).with_context(|| format!("find {}", dir.display()))?;
    in_directory(dir, scratch, request, dockerfile_on_stdin)
}

fn in_directory(dir: PathBuf, scratch: Option<Scratch>, request: &Request<'_>, on_stdin: bool) -> Result<Input> {
    if on_stdin {
        let source = Source::new("-", &bounded(&mut std::io::stdin().lock())?)?;
        let ignore = context::ignore(&dir, None, request.ignorefile)?;
        return Ok(Input { source, ignore, context: Some(dir), _scratch: scratch });
    }
    // A fetched context has its Dockerfile in itself.
    let inside = request.file.map(|f| dir.join(f)).filter(|_| scratch.is_some());
    let path = context::dockerfile(&dir, inside.as_deref().or(request.file), request.docker)?;
    let name = path.strip_prefix(&dir).unwrap_or(&path).display().to_string();
    let ignore = context::ignore(&dir, Some(&path), request.ignorefile)?;
    Ok(Input { source: context::read(&path, &name)?, ignore, context: Some(dir), _scratch: scratch })
}

/// Fetches a tar into `scratch`; the directory with its files.
pub(super) fn archive(url: &str, scratch: &Path, registry: &PullOptions) -> Result<PathBuf> {
    let path = scratch.join("fetched");
    let named = || format!("create {}", path.display());
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).with_context(named)?;
    download(url, registry, &mut file)?;
    file.rewind().with_context(named)?;
    let mut input = BufReader::with_capacity(64 << 10, file);
    if !is_tar(input.fill_buf().with_context(|| format!("read {url}"))?) {
        return Err(Error::unsupported(format!("use {url} as context: it is no tar")));
    }
    let dir = scratch.join("context");
    std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
    decompressed(input, |tar| super::output::unpack(tar, &dir)).with_context(|| format!("read {url}"))?;
    Ok(dir)
}

/// Whether a stream that begins so is a tar, or a compressed one.
fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar") || Compression::of(start) != Compression::None
}

fn from_stdin(paths: &Paths, request: &Request<'_>) -> Result<Input> {
    from_stream(std::io::stdin(), scratch(paths)?, request)
}

/// A tar of a context, or a Dockerfile alone.
fn from_stream(input: impl Read + Send, scratch: Scratch, request: &Request<'_>) -> Result<Input> {
    let mut input = BufReader::with_capacity(64 << 10, input);
    let start = input.fill_buf().context("read the context")?;
    if !is_tar(start) {
        let source = Source::new("-", &bounded(&mut input)?)?;
        return Ok(Input { source, ignore: Ignore::default(), context: None, _scratch: None });
    }
    let dir = scratch.path().join("context");
    std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
    decompressed(input, |tar| super::output::unpack(tar, &dir)).context("read the context")?;
    in_directory(dir, Some(scratch), request, false)
}

fn scratch(paths: &Paths) -> Result<Scratch> {
    store::open(paths)?;
    Scratch::new(paths, &IdMap::detect()?)
}

fn bounded(input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_DOCKERFILE as u64 + 1).read_to_end(&mut bytes).context("read the Dockerfile from standard input")?;
    Ok(bytes)
}
