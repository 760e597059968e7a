//! Walking the sources of a COPY.

use super::mode::ModeChange;
use super::place::Places;
use super::sink::{Content, Sink};
use super::{Item, Request, Tree, untar};
use crate::build::glob::Glob;
use crate::build::ignore::{Ignore, clean};
use crate::build::lint::nearest;
use crate::error::{Context, Error, Result};
use crate::image::diff::{attributes, owner};
use crate::image::tar::{Entry, Kind, Time};
use crate::runtime::user;
use crate::sys::rooted;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Directories may nest this deep; each level costs descriptors.
const MAX_DEPTH: usize = 500;

/// Most paths that patterns may match.
const MAX_MATCHES: usize = 1 << 20;
/// Names that are compared with one that is missing.
const MAX_SIMILAR: usize = 10_000;

pub(super) struct Copier<'a, S> {
    request: &'a Request,
    pub places: Places,
    source: Option<OwnedFd>,
    /// `--chown`.
    pub owner: Option<(u32, u32)>,
    mode: Option<ModeChange>,
    exclude: Ignore,
    ignore: Ignore,
    pub sink: &'a mut S,
    /// First path of each file with several names.
    links: HashMap<(u64, u64), Vec<u8>>,
}

/// A directory whose entry waits until something in it is copied.
struct Pending {
    path: PathBuf,
    entry: Option<Entry>,
}

impl<'a, S: Sink> Copier<'a, S> {
    pub fn new(
        request: &'a Request,
        target: Option<OwnedFd>,
        source: Option<OwnedFd>,
        sink: &'a mut S,
    ) -> Result<Copier<'a, S>> {
        let places = Places::new(target, !request.link);
        let owner = request.chown.as_deref().map(|text| ids(places.root(), text)).transpose()?;
        Ok(Copier {
            request,
            places,
            source,
            owner,
            mode: request.chmod.as_deref().map(ModeChange::parse).transpose()?,
            exclude: Ignore::new(request.exclude.iter().map(String::as_str))?,
            ignore: Ignore::new(request.ignore.iter().map(String::as_str))?,
            sink,
            links: HashMap::new(),
        })
    }

    pub fn run(mut self) -> Result<()> {
        let request = self.request;
        let mut all = Vec::new();
        for item in &request.items {
            match item {
                Item::Path(path) => {
                    for found in self.matches(path)? {
                        all.push(Item::Path(found));
                    }
                }
                other => all.push(other.clone()),
            }
        }
        let into_dir = request.dest.ends_with('/');
        if !into_dir && (all.len() > 1 || request.items.len() > 1) && !request.parents {
            let verb = if request.add { "ADD" } else { "COPY" };
            let text = "with more than one source file, the destination must be a directory and end with a /";
            return Err(Error::user(format!("when using {verb} {text}")).hint(format!("{}/", request.dest)));
        }
        for item in &all {
            match item {
                Item::Directory => {
                    let dest = self.places.resolve(Path::new(&request.dest))?;
                    self.directory_at(&dest)?;
                }
                Item::Path(path) => self.path(path, into_dir).with_context(|| format!("copy {path}"))?,
                Item::Text { name, content } => {
                    let place = self.file_place(name, into_dir)?;
                    let size = content.len() as u64;
                    let entry = self.entry(&place, Kind::Regular, 0o644, (0, 0), self.time(0, 0), size);
                    self.sink.put(&entry, Content::Bytes(content.as_bytes()))?;
                }
                Item::File { path, name, mode, mtime } => {
                    let mut file = File::open(path).with_context(|| format!("open {name}"))?;
                    if request.unpack == Some(true) && untar::is_archive(&mut file)? {
                        let dest = self.places.resolve(Path::new(&request.dest))?;
                        self.unpack(file, &dest)?;
                        continue;
                    }
                    let place = self.file_place(name, into_dir)?;
                    let size = file.metadata().context("look at it")?.len();
                    let time = Time { secs: *mtime, nanos: 0 };
                    let entry = self.entry(&place, Kind::Regular, *mode, (0, 0), time, size);
                    self.sink.put(&entry, Content::File(file))?;
                }
            }
        }
        Ok(())
    }

    /// The time of a copy.
    fn time(&self, secs: i64, nanos: u32) -> Time {
        self.request.time.map_or(Time { secs, nanos }, |secs| Time { secs, nanos: 0 })
    }

    fn entry(&self, path: &Path, kind: Kind, mode: u32, owner: (u32, u32), mtime: Time, size: u64) -> Entry {
        let (uid, gid) = self.owner.unwrap_or(owner);
        let mode = match &self.mode {
            Some(change) if kind != Kind::Symlink => change.apply(mode, kind == Kind::Directory),
            _ => mode,
        };
        Entry { path: path.as_os_str().as_bytes().to_vec(), kind, mode, uid, gid, mtime, size, ..Entry::default() }
    }

    /// Where a single file called `name` goes, with the directories above it made.
    fn file_place(&mut self, name: &str, into_dir: bool) -> Result<PathBuf> {
        let dest = self.places.resolve(Path::new(&self.request.dest))?;
        let place = match into_dir || self.places.is_dir(&dest) {
            true => dest.join(name),
            false => dest,
        };
        self.parents_of(&place)?;
        Ok(place)
    }

    /// Makes the directories above `place` that are not there.
    pub fn parents_of(&mut self, place: &Path) -> Result<()> {
        for dir in self.places.missing_above(place) {
            let time = Time { secs: self.request.made, nanos: 0 };
            let mut entry = self.entry(&dir, Kind::Directory, 0o755, (0, 0), time, 0);
            entry.mode = 0o755;
            self.sink.put(&entry, Content::None)?;
        }
        Ok(())
    }

    /// Makes the directory `place` if it is not there.
    pub fn directory_at(&mut self, place: &Path) -> Result<()> {
        self.parents_of(&place.join("x"))
    }

    fn path(&mut self, path: &str, into_dir: bool) -> Result<()> {
        let (parents, relative) = match self.request.parents {
            true => kept(path),
            false => (String::new(), clean(path)),
        };
        let (fd, stat) = self.open(Path::new(&relative))?;
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let dest = self.places.resolve(Path::new(&self.request.dest))?;
        if self.request.parents {
            // The source's own directories come along, with what they are.
            let mut place = dest.clone();
            self.directory_at(&place)?;
            let base = relative.strip_suffix(&parents).unwrap_or_default().trim_end_matches('/').to_string();
            let mut at = PathBuf::from(&base);
            let parts: Vec<&str> = parents.split('/').filter(|p| !p.is_empty()).collect();
            let count = if is_dir { parts.len() } else { parts.len().saturating_sub(1) };
            for part in &parts[..count] {
                at.push(part);
                place = self.places.directory(&place, Path::new(part))?;
                if !self.places.is_dir(&place) {
                    let (_, stat) = self.open(&at)?;
                    let entry = self.stat_entry(&place, Kind::Directory, &stat, None);
                    self.places.made(&place);
                    self.sink.put(&entry, Content::None)?;
                }
            }
            return match is_dir {
                true => self.directory(fd, &place, &relative, &parents, 0, &mut Vec::new()),
                false => {
                    let place = place.join(parts.last().unwrap_or(&""));
                    self.one(fd, &stat, &place)
                }
            };
        }
        if is_dir {
            self.directory_at(&dest)?;
            return self.directory(fd, &dest, &relative, "", 0, &mut Vec::new());
        }
        let name = Path::new(&relative).file_name().and_then(OsStr::to_str).unwrap_or_default().to_string();
        if self.exclude.excludes(&name) {
            return Ok(());
        }
        if self.request.add && self.request.unpack != Some(false) {
            let mut file = File::from(self.open_file(fd.as_fd())?);
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && untar::is_archive(&mut file)? {
                return self.unpack(file, &dest);
            }
        }
        let place = self.file_place(&name, into_dir)?;
        self.one(fd, &stat, &place)
    }

    /// Opens (O_PATH) what is at `path` of the source, symlinks followed inside of it.
    fn open(&self, path: &Path) -> Result<(OwnedFd, Stat)> {
        let source = self.source.as_ref().ok_or_else(|| Error::not_found("there is no context to copy from"))?;
        if self.request.ignore.is_empty() || !self.is_ignored(path) {
            match rooted::open_path(source.as_fd(), path) {
                Ok(fd) => {
                    let stat = fstat(&fd).context("look at it")?;
                    return Ok((fd, stat));
                }
                Err(rustix::io::Errno::NOENT) => {}
                Err(e) => return Err(e).context("open it"),
            }
            let error = Error::not_found(format!("find \"/{}\": not found", path.display()));
            return Err(match self.similar(source.as_fd(), path) {
                Some(near) => error.hint(format!("did you mean {}?", near.display())),
                None => error,
            });
        }
        Err(Error::not_found(format!("find \"/{}\": not found", path.display()))
            .hint("the ignore file leaves it out: see .dockerignore or .containerignore"))
    }

    /// What is there instead of a path that is not: the same with one part written a little otherwise.
    fn similar(&self, source: BorrowedFd<'_>, path: &Path) -> Option<PathBuf> {
        let parts: Vec<&OsStr> = path.iter().collect();
        let missing =
            (1..=parts.len()).find(|n| rooted::open_path(source, &parts[..*n].iter().collect::<PathBuf>()).is_err())?;
        let above: PathBuf = parts[..missing - 1].iter().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(rooted::open_path(source, &above).ok()?, ".", flags, Mode::empty()).ok()?;
        let entries = Dir::new(dir).ok()?.take(MAX_SIMILAR).flatten();
        let names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        let word = parts[missing - 1].to_str()?;
        let names = || names.iter().map(String::as_str).filter(|n| !matches!(*n, "." | ".."));
        let near = names().find(|n| n.eq_ignore_ascii_case(word)).or_else(|| nearest(word, names()))?;
        let found: PathBuf = above.iter().chain([OsStr::new(near)]).chain(parts[missing..].iter().copied()).collect();
        (rooted::open_path(source, &found).is_ok() && !self.is_ignored(&found)).then_some(found)
    }

    fn is_ignored(&self, path: &Path) -> bool {
        let text = path.to_string_lossy();
        !text.is_empty() && self.ignore.excludes(&text) && !self.ignore.may_include_below(&text)
    }

    fn open_file(&self, place: BorrowedFd<'_>) -> Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", place.as_raw_fd());
        rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
            .context("open it")
    }

    /// Anything but a directory. `fd` is an O_PATH descriptor.
    fn one(&mut self, fd: OwnedFd, stat: &Stat, place: &Path) -> Result<()> {
        self.parents_of(place)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = self.open_file(fd.as_fd())?;
                self.file(file, place)
            }
            kind => {
                let target = match kind {
                    FileType::Symlink => readlinkat(&fd, "", Vec::new()).context("read it")?.into_bytes(),
                    _ => Vec::new(),
                };
                self.other(kind, stat, place, target)
            }
        }
    }

    fn stat_entry(&self, place: &Path, kind: Kind, stat: &Stat, fd: Option<BorrowedFd<'_>>) -> Entry {
        // Files of a context are nobody's; those of an image keep what they are.
        let foreign = matches!(self.request.source, Tree::Layers { .. });
        let who = if foreign { owner(stat, fd) } else { (0, 0) };
        let time = self.time(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
        let mut entry = self.entry(place, kind, stat.st_mode & 0o7777, who, time, 0);
        if let Some(fd) = fd.filter(|_| foreign) {
            entry.xattrs = attributes(fd);
        }
        entry
    }

    fn file(&mut self, file: OwnedFd, place: &Path) -> Result<()> {
        let stat = fstat(&file).context("look at it")?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::conflict("it changed while it was read"));
        }
        let foreign = matches!(self.request.source, Tree::Layers { .. });
        let mut entry = self.stat_entry(place, Kind::Regular, &stat, Some(file.as_fd()));
        if foreign && stat.st_nlink > 1 {
            let first = self.links.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| entry.path.clone());
            if *first != entry.path {
                entry.link = first.clone();
                entry.kind = Kind::Link;
                return self.sink.put(&entry, Content::None);
            }
        }
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
        let file = File::from(file);
        self.sink.put(&entry, if foreign { Content::File(file) } else { Content::Known(file, &stat) })
    }

    fn other(&mut self, kind: FileType, stat: &Stat, place: &Path, target: Vec<u8>) -> Result<()> {
        let kind = match kind {
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::Char,
            FileType::BlockDevice => Kind::Block,
            _ => {
                self.sink.note(format!("socket {} is not copied", place.display()));
                return Ok(());
            }
        };
        let mut entry = self.stat_entry(place, kind, stat, None);
        if kind == Kind::Symlink {
            entry.mode = 0o777;
        }
        entry.link = target;
        (entry.major, entry.minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        self.sink.put(&entry, Content::None)
    }

    /// The content of a directory. `relative` is its path in the source, `inner` the one that `--exclude` sees.
    fn directory(
        &mut self,
        dir: OwnedFd,
        place: &Path,
        relative: &str,
        inner: &str,
        depth: usize,
        pending: &mut Vec<Pending>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::user(format!("copy {relative}: nested too deeply")));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let dir = openat(&dir, ".", flags | OFlags::DIRECTORY, Mode::empty()).context("read it")?;
        for name in names(&dir).context("read it")? {
            let text = name.to_string_lossy().into_owned();
            let (relative, inner) = (below(relative, &text), below(inner, &text));
            let what = || format!("copy {relative}");
            let stat = match statat(&dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
                // It was removed since the directory was read.
                Err(rustix::io::Errno::NOENT) => continue,
                other => other.with_context(what)?,
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let out = self.ignore.excludes(&relative) || self.exclude.excludes(&inner);
            let name_path = Path::new(OsStr::from_bytes(name.to_bytes()));
            if kind == FileType::Directory {
                let may = self.ignore.may_include_below(&relative) || self.exclude.may_include_below(&inner);
                if out && !may {
                    continue;
                }
                let child =
                    openat(&dir, name.as_c_str(), flags | OFlags::DIRECTORY, Mode::empty()).with_context(what)?;
                let target = self.places.directory(place, name_path)?;
                let through_link = target != place.join(name_path);
                let entry = self.stat_entry(&target, Kind::Directory, &stat, Some(child.as_fd()));
                pending.push(Pending { path: target.clone(), entry: (!through_link).then_some(entry) });
                if !out {
                    self.flush(pending)?;
                }
                self.directory(child, &target, &relative, &inner, depth + 1, pending)?;
                // Still there: nothing in it was copied.
                if pending.last().is_some_and(|p| p.path == target) {
                    pending.pop();
                }
                continue;
            }
            if out {
                continue;
            }
            self.flush(pending)?;
            let target = place.join(name_path);
            let done = match kind {
                FileType::RegularFile => openat(&dir, name.as_c_str(), flags, Mode::empty())
                    .context("open it")
                    .and_then(|f| self.file(f, &target)),
                FileType::Symlink => readlinkat(&dir, name.as_c_str(), Vec::new())
                    .context("read it")
                    .and_then(|link| self.other(kind, &stat, &target, link.into_bytes())),
                _ => self.other(kind, &stat, &target, Vec::new()),
            };
            done.with_context(what)?;
        }
        Ok(())
    }

    fn flush(&mut self, pending: &mut Vec<Pending>) -> Result<()> {
        for Pending { path, entry } in pending.drain(..) {
            self.places.made(&path);
            if let Some(entry) = entry {
                self.sink.put(&entry, Content::None)?;
            }
        }
        Ok(())
    }

    /// The paths that a source means: itself, or what its pattern matches, sorted.
    fn matches(&self, path: &str) -> Result<Vec<String>> {
        if !Glob::has_meta(path) {
            return Ok(vec![path.to_string()]);
        }
        let (base, pattern) = match path.split_once("/./").filter(|_| self.request.parents) {
            Some((base, rest)) => (format!("{}/./", clean(base)), clean(rest)),
            None => (String::new(), clean(path)),
        };
        let start = base.trim_end_matches("/./").to_string();
        let glob = Glob::new(&pattern, self.request.parents)?;
        // Only with `**` may a match be at any depth.
        let depth = if self.request.parents && pattern.contains("**") { MAX_DEPTH } else { pattern.split('/').count() };
        let prefixes: Vec<Glob> = match depth {
            MAX_DEPTH => Vec::new(),
            _ => {
                let parts: Vec<&str> = pattern.split('/').collect();
                (1..parts.len()).map(|n| Glob::new(&parts[..n].join("/"), false)).collect::<Result<_>>()?
            }
        };
        let mut found = Vec::new();
        let source = self.source.as_ref().ok_or_else(|| Error::not_found("there is no context to copy from"))?;
        let mut open = vec![(String::new(), 0usize)];
        while let Some((dir, level)) = open.pop() {
            let at = below(&start, &dir);
            let Ok(fd) = rooted::open(source.as_fd(), Path::new(&at), OFlags::RDONLY | OFlags::DIRECTORY) else {
                continue;
            };
            for name in names(&fd).with_context(|| format!("read {at}"))? {
                let Ok(name) = name.into_string() else { continue };
                let inner = below(&dir, &name);
                let whole = below(&start, &inner);
                if self.is_ignored(Path::new(&whole)) {
                    continue;
                }
                if glob.matches(&inner) {
                    found.push(format!("{base}{inner}"));
                    if found.len() > MAX_MATCHES {
                        return Err(Error::user(format!("copy {path}: it matches too much")));
                    }
                }
                let goes_on = match depth {
                    MAX_DEPTH => level < MAX_DEPTH,
                    _ => prefixes.get(level).is_some_and(|p| p.matches(&inner)),
                };
                let is_dir = || {
                    statat(&fd, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory)
                };
                if goes_on && is_dir() {
                    open.push((inner, level + 1));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// `a/./b/c` of `--parents`: what is kept of the path, and the whole.
fn kept(path: &str) -> (String, String) {
    let kept = path.split_once("/./").map_or(path, |(_, rest)| rest);
    let kept = kept.strip_prefix("./").unwrap_or(kept);
    (clean(kept), clean(path))
}

fn below(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_string()
    } else if name.is_empty() {
        dir.to_string()
    } else {
        format!("{dir}/{name}")
    }
}

/// The ids of a `--chown`. A number alone is both; a name brings its own group.
fn ids(root: Option<&OwnedFd>, text: &str) -> Result<(u32, u32)> {
    // A group alone is for files of root.
    let whole = if text.starts_with(':') { format!("0{text}") } else { text.to_string() };
    let (who, group) = whole.split_once(':').map_or((&whole[..], None), |(who, group)| (who, Some(group)));
    if let Ok(uid) = who.parse::<u32>() {
        match group.filter(|g| !g.is_empty()).map(str::parse::<u32>) {
            None => return Ok((uid, uid)),
            Some(Ok(gid)) => return Ok((uid, gid)),
            Some(Err(_)) => {}
        }
    }
    let Some(root) = root else {
        return Err(Error::not_found(format!("find --chown={text}: the stage has no /etc/passwd"))
            .hint("use numbers: --chown=1000:1000"));
    };
    let found = user::resolve(root.as_fd(), &whole, &[]).with_context(|| format!("find --chown={text}"))?;
    Ok((found.uid, found.gid))
}

/// The names in a directory, sorted.
fn names(dir: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
