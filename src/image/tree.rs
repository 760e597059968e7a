//! The record of an extracted layer's files, by which `system check` finds what changed since.
//!
//! `tree.zst` beside `diff/` has one line for each file in the order of a sorted walk: its facts, a blank, its path
//! below `diff/` with escapes. The facts are those that the extracting process sees (ids are those inside the map), so
//! one layer has one record wherever it is extracted. The content's hash comes from the tar stream: nothing is read
//! again. It is no defence against an attacker, who could as well change the record; xxh3 is as fast as memory.

use crate::error::{Context, Error, Result};
use crate::image::Digest;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Name of the record beside `diff/`.
pub const FILE: &str = "tree.zst";

/// What the extraction knows about the files that it wrote, by inode number.
pub type Contents = HashMap<u64, Content>;

/// One regular file's content. There may be hundreds of thousands: a u128 would need twice the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    hash: [u64; 2],
    hashed: bool,
    attributes: bool,
}

impl Content {
    /// No hash: sparse, and not hashed. `attributes`: it was given extended attributes.
    pub fn new(hash: Option<u128>, attributes: bool) -> Content {
        let bits = hash.unwrap_or_default();
        Content { hash: [(bits >> 64) as u64, bits as u64], hashed: hash.is_some(), attributes }
    }

    fn hash(&self) -> Option<u128> {
        self.hashed.then(|| u128::from(self.hash[0]) << 64 | u128::from(self.hash[1]))
    }
}

/// A hash of a file's content under way.
#[derive(Default)]
pub struct Hasher(Xxh3);

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

/// One file's facts: `TYPE+MODE UID GID SIZE MTIME CONTENT ATTRIBUTES`, `-` for what is unknown or of no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts([String; 7]);

/// What [`Facts::difference`] calls them.
const NAMES: [&str; 7] = ["type or mode", "owner", "group", "size", "modification time", "content", "attributes"];

impl Facts {
    /// From stat data; content and attributes are unknown yet.
    fn of(stat: &Stat) -> Facts {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let letter = match kind {
            FileType::RegularFile => 'f',
            FileType::Directory => 'd',
            FileType::Symlink => 'l',
            FileType::Fifo => 'p',
            FileType::CharacterDevice => 'c',
            FileType::BlockDevice => 'b',
            _ => '?',
        };
        let device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let size = match kind {
            FileType::RegularFile => stat.st_size.to_string(),
            _ if device => format!("{}:{}", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            // Of no meaning elsewhere, and different from one file system to another.
            _ => "-".into(),
        };
        // A link's mode says nothing.
        let mode = if kind == FileType::Symlink { 0 } else { stat.st_mode & 0o7777 };
        Facts([
            format!("{letter}{mode:o}"),
            stat.st_uid.to_string(),
            stat.st_gid.to_string(),
            size,
            format!("{}.{}", stat.st_mtime, stat.st_mtime_nsec),
            "-".into(),
            "-".into(),
        ])
    }

    fn parse(text: &str) -> Option<Facts> {
        let fields: Vec<String> = text.split(' ').map(str::to_string).collect();
        Some(Facts(fields.try_into().ok()?))
    }

    fn text(&self) -> String {
        self.0.join(" ")
    }

    /// A directory that an archive only implied: it is there, and takes after lower layers.
    fn implied() -> Facts {
        Facts(["d", "-", "-", "-", "-", "-", "-"].map(str::to_string))
    }

    /// What of the recorded facts `self` the file now has otherwise; what either does not know is not compared.
    fn difference(&self, now: &Facts) -> Vec<&'static str> {
        let differs = |(a, b): (&String, &String)| a != "-" && b != "-" && a != b;
        let implied = self.0[0] == "d";
        let pairs = self.0.iter().zip(&now.0);
        let mut all: Vec<&str> = pairs.zip(NAMES).filter(|(p, _)| differs(*p)).map(|(_, name)| name).collect();
        if implied && now.0[0].starts_with('d') {
            all.retain(|name| *name != NAMES[0]);
        }
        all
    }
}

/// One file of a walk.
struct Visit<'v> {
    /// Below the root, without a leading slash; empty for the root itself.
    path: &'v [u8],
    /// To look at the file by `name`.
    parent: BorrowedFd<'v>,
    name: &'v [u8],
    stat: Stat,
}

/// Deeper trees can't be extracted.
const MAX_DEPTH: usize = 4096;

/// Visits all files below `root` and itself, directories in sorted order.
fn walk(root: BorrowedFd<'_>, visit: &mut dyn FnMut(&Visit<'_>) -> Result<()>) -> Result<()> {
    let stat = rustix::fs::fstat(root).context("look at the layer's root")?;
    visit(&Visit { path: b"", parent: root, name: b".", stat })?;
    walk_below(root, &mut Vec::new(), visit, 0)
}

fn walk_below(
    dir: BorrowedFd<'_>,
    path: &mut Vec<u8>,
    visit: &mut dyn FnMut(&Visit<'_>) -> Result<()>,
    depth: usize,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::user("walk the layer: its directories are nested too deeply"));
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).context("read a directory")? {
        let entry = entry.context("read a directory")?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    let length = path.len();
    for name in names {
        let Ok(stat) = rustix::fs::statat(dir, &name[..], AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        visit(&Visit { path, parent: dir, name: &name, stat })?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let sub = rustix::fs::openat(dir, &name[..], flags, Mode::empty())
                .with_context(|| format!("open directory {}", path.escape_ascii()))?;
            walk_below(sub.as_fd(), path, visit, depth + 1)?;
        }
        path.truncate(length);
    }
    Ok(())
}

impl Visit<'_> {
    fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }

    /// Opens a regular file or a directory.
    fn open(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(self.parent, self.name, flags, Mode::empty())
            .with_context(|| format!("open {}", self.path.escape_ascii()))
    }

    fn link_hash(&self) -> Result<String> {
        let target = rustix::fs::readlinkat(self.parent, self.name, Vec::new())
            .with_context(|| format!("read link {}", self.path.escape_ascii()))?;
        Ok(format!("{:x}", xxh3_64(target.as_bytes())))
    }

    /// The hash of the extended attributes that belong to a layer.
    fn attributes(&self) -> Result<String> {
        let fd = self.open()?;
        let what = || format!("read the attributes of {}", self.path.escape_ascii());
        let mut names = vec![0u8; 1024];
        let length = loop {
            match rustix::fs::flistxattr(&fd, &mut names[..]) {
                Ok(length) => break length,
                Err(rustix::io::Errno::RANGE) => names.resize(names.len() * 4, 0),
                Err(rustix::io::Errno::OPNOTSUPP) => break 0,
                Err(e) => return Err(e).with_context(what),
            }
        };
        let mut list: Vec<&[u8]> = names[..length].split(|b| *b == 0).filter(|n| of_layers(n)).collect();
        if list.is_empty() {
            return Ok("-".into());
        }
        list.sort_unstable();
        let mut hash = Xxh3::new();
        for name in list {
            let mut value = vec![0u8; 64 << 10];
            let length = rustix::fs::fgetxattr(&fd, name, &mut value[..]).with_context(what)?;
            for part in [name, &value[..length]] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(format!("{:x}", hash.digest()))
    }

    fn content(&self) -> Result<String> {
        let what = || format!("read {}", self.path.escape_ascii());
        let mut file = File::from(self.open()?);
        let mut hash = Hasher::default();
        let mut buffer = vec![0u8; 128 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(format!("{:x}", hash.finish())),
                Ok(n) => hash.update(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).with_context(what),
            }
        }
    }
}

/// A host's security modules add attributes of their own, which are no part of a layer.
fn of_layers(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name == b"security.capability" || name.starts_with(b"system.posix_acl_")
}

/// What a record says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of the lines.
    pub digest: Digest,
    /// Bytes of the allocated blocks of all files, hard links once.
    pub allocated: u64,
}

/// Writes the record of the layer just extracted into `root` to the new file `path`.
pub fn record(root: BorrowedFd<'_>, contents: &Contents, implied: &HashSet<&str>, path: &Path) -> Result<Summary> {
    let what = || format!("write {}", path.display());
    let file = File::create(path).with_context(what)?;
    let mut out = zstd::Encoder::new(std::io::BufWriter::new(file), 1).with_context(what)?;
    let mut digest = Sha256::new();
    let mut allocated = 0;
    let mut links = HashSet::new();
    walk(root, &mut |visit| {
        if visit.stat.st_nlink < 2 || visit.is(FileType::Directory) || links.insert(visit.stat.st_ino) {
            allocated += u64::try_from(visit.stat.st_blocks).unwrap_or(0) * 512;
        }
        let facts = known(visit, contents, implied)?;
        let line = format!("{} {}\n", facts.text(), visit.path.escape_ascii());
        digest.update(&line);
        out.write_all(line.as_bytes()).with_context(what)
    })?;
    let mut out = out.finish().with_context(what)?;
    out.flush().with_context(what)?;
    Ok(Summary { digest: Digest::from_hash(digest), allocated })
}

fn known(visit: &Visit<'_>, contents: &Contents, implied: &HashSet<&str>) -> Result<Facts> {
    if visit.is(FileType::Directory) {
        if std::str::from_utf8(visit.path).is_ok_and(|path| implied.contains(path)) {
            return Ok(Facts::implied());
        }
        let mut facts = Facts::of(&visit.stat);
        facts.0[6] = visit.attributes()?;
        return Ok(facts);
    }
    let mut facts = Facts::of(&visit.stat);
    if visit.is(FileType::Symlink) {
        facts.0[5] = visit.link_hash()?;
    } else if let Some(content) = contents.get(&visit.stat.st_ino).filter(|_| visit.is(FileType::RegularFile)) {
        facts.0[5] = content.hash().map_or("-".into(), |hash| format!("{hash:x}"));
        if content.attributes {
            facts.0[6] = visit.attributes()?;
        }
    }
    Ok(facts)
}

/// What is wrong with a layer's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Damage {
    /// The first [`MAX_LISTED`] files, each with what is wrong with it.
    pub files: Vec<String>,
    /// How many there are.
    pub count: u64,
}

/// Files named in a [`Damage`].
pub const MAX_LISTED: usize = 20;

impl Damage {
    fn add(&mut self, path: &str, what: &str) {
        self.count += 1;
        if self.files.len() < MAX_LISTED {
            let path = if path.is_empty() { "/" } else { path };
            self.files.push(format!("{path}: {what}"));
        }
    }
}

/// Compares the layer below `root` with its record at `path`, whose digest must be `digest`. Without `contents` no
/// file is read: what is told by stat(2) alone.
///
/// # Errors
/// When the record itself can't be read, or is not the one that was written.
pub fn verify(root: BorrowedFd<'_>, path: &Path, digest: &Digest, contents: bool) -> Result<Damage> {
    // The whole is verified first; then it is read beside the walk, which has the same order: neither is kept.
    let mut lines = Lines::open(path)?;
    while lines.next()?.is_some() {}
    if Digest::from_hash(lines.digest) != *digest {
        return Err(Error::user(format!("read {}: it is not what was written", path.display())));
    }
    let mut lines = Lines::open(path)?;
    let mut recorded = lines.next()?;
    let mut damage = Damage::default();
    walk(root, &mut |visit| {
        let path = visit.path.escape_ascii().to_string();
        while let Some(line) = recorded.as_ref().filter(|line| in_walk(&line.raw, visit.path) == Ordering::Less) {
            damage.add(&line.path, "missing");
            recorded = lines.next()?;
        }
        let Some(Line { facts, .. }) = recorded.as_ref().filter(|line| line.raw == visit.path) else {
            damage.add(&path, "it does not belong there");
            return Ok(());
        };
        match now(visit, facts, contents) {
            Ok(now) => match facts.difference(&now).as_slice() {
                [] => {}
                differences => damage.add(&path, &format!("{} changed", differences.join(", "))),
            },
            Err(e) => damage.add(&path, &e.to_string()),
        }
        recorded = lines.next()?;
        Ok(())
    })?;
    while let Some(line) = recorded {
        damage.add(&line.path, "missing");
        recorded = lines.next()?;
    }
    Ok(damage)
}

/// The order of a walk: directories before what is in them, names by their bytes.
fn in_walk(a: &[u8], b: &[u8]) -> Ordering {
    a.split(|b| *b == b'/').cmp(b.split(|b| *b == b'/'))
}

/// The facts of a file as it is, as far as they are asked for.
fn now(visit: &Visit<'_>, recorded: &Facts, contents: bool) -> Result<Facts> {
    let mut facts = Facts::of(&visit.stat);
    if visit.is(FileType::Symlink) {
        facts.0[5] = visit.link_hash()?;
    }
    let same_size = facts.0[3] == recorded.0[3];
    if visit.is(FileType::RegularFile) && contents && same_size && recorded.0[5] != "-" {
        facts.0[5] = visit.content()?;
    }
    let implied = recorded.0[0] == "d";
    if visit.is(FileType::Directory) && !implied || visit.is(FileType::RegularFile) && recorded.0[6] != "-" {
        facts.0[6] = visit.attributes()?;
        // None are left, or there are some where none were.
        if (facts.0[6] == "-") != (recorded.0[6] == "-") {
            facts.0[6] = "changed".into();
            if recorded.0[6] == "-" {
                return Err(Error::user("attributes appeared"));
            }
        }
    }
    Ok(facts)
}

/// One file's line of a record.
struct Line {
    facts: Facts,
    /// As it is written, for messages.
    path: String,
    raw: Vec<u8>,
}

/// The lines of a record.
struct Lines {
    from: String,
    input: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    digest: Sha256,
    line: String,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines> {
        let from = format!("read {}", path.display());
        let file = File::open(path).with_context(|| from.clone())?;
        let decoder = zstd::Decoder::new(file).with_context(|| from.clone())?;
        Ok(Lines { from, input: BufReader::new(decoder), digest: Sha256::new(), line: String::new() })
    }

    fn next(&mut self) -> Result<Option<Line>> {
        self.line.clear();
        // No line of ours is longer: a path has 4095 bytes at most, each of which takes four at most.
        let mut bounded = (&mut self.input).take(64 << 10);
        if bounded.read_line(&mut self.line).with_context(|| self.from.clone())? == 0 {
            return Ok(None);
        }
        self.digest.update(&self.line);
        // The path, which may have blanks, is last; the facts have none.
        let text = self.line.trim_end_matches('\n');
        let at = text.match_indices(' ').nth(6).map(|(at, _)| at);
        let parsed = at.and_then(|at| {
            let path = text[at + 1..].to_string();
            Some(Line { facts: Facts::parse(&text[..at])?, raw: unescaped(&path)?, path })
        });
        parsed.map(Some).ok_or_else(|| Error::user(format!("{}: it is damaged", self.from)))
    }
}

/// The bytes that `escape_ascii` made `text` of.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            quoted => quoted,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    /// A layer with a record, as the extraction makes it.
    fn layer() -> (tempfile::TempDir, Digest) {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let diff = dir.path().join("diff");
        fs::create_dir_all(diff.join("etc/a b")).unwrap();
        fs::write(diff.join("etc/a b/f\n"), "content").unwrap();
        fs::write(diff.join("etc/plain"), "content").unwrap();
        symlink("plain", diff.join("etc/link")).unwrap();
        let mut hash = Hasher::default();
        hash.update(b"content");
        let content = Content::new(Some(hash.finish()), false);
        let files = ["etc/a b/f\n", "etc/plain"];
        let contents = files.map(|f| (fs::metadata(diff.join(f)).unwrap().ino(), content)).into();
        let implied = HashSet::from([""]);
        let summary = record(open(&diff).as_fd(), &contents, &implied, &dir.path().join(FILE)).unwrap();
        (dir, summary.digest)
    }

    fn check(dir: &Path, digest: &Digest, contents: bool) -> Vec<String> {
        verify(open(&dir.join("diff")).as_fd(), &dir.join(FILE), digest, contents).unwrap().files
    }

    #[test]
    fn finds_every_change() {
        let set_time = |path: &Path| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        let cases: Vec<(&str, Box<dyn Fn(&Path)>, bool)> = vec![
            ("", Box::new(|_| {}), true),
            ("etc/plain: missing", Box::new(|d| fs::remove_file(d.join("etc/plain")).unwrap()), true),
            ("etc/new: it does not belong there", Box::new(|d| fs::write(d.join("etc/new"), "").unwrap()), true),
            ("etc/plain: size", Box::new(|d| fs::write(d.join("etc/plain"), "").unwrap()), true),
            ("etc/plain: modification time", Box::new(move |d| set_time(&d.join("etc/plain"))), true),
            (
                "etc/plain: type or mode changed",
                Box::new(|d| fs::set_permissions(d.join("etc/plain"), fs::Permissions::from_mode(0o600)).unwrap()),
                true,
            ),
            (
                "etc/link: ",
                Box::new(|d| {
                    fs::remove_file(d.join("etc/link")).unwrap();
                    symlink("other", d.join("etc/link")).unwrap();
                }),
                true,
            ),
            (
                r"etc/a b/f\n: content changed",
                Box::new(|d| {
                    let path = d.join("etc/a b/f\n");
                    let time = fs::metadata(&path).unwrap().modified().unwrap();
                    fs::write(&path, "c0ntent").unwrap();
                    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
                }),
                false,
            ),
        ];
        for (want, change, quick_too) in cases {
            let (dir, digest) = layer();
            change(&dir.path().join("diff"));
            for contents in [true, false] {
                let found = check(dir.path(), &digest, contents);
                match want {
                    "" => assert!(found.is_empty(), "{found:?}"),
                    _ if contents || quick_too => {
                        assert!(found.iter().any(|f| f.starts_with(want)), "{want}: {found:?}")
                    }
                    _ => assert!(found.is_empty(), "{found:?}"),
                }
            }
        }
    }

    #[test]
    fn records_are_read_in_the_order_of_the_walk() {
        let names = ["", "a", "a/b", "a/b/c", "a b", "a!", "a-b", "a0", "\\x", "\u{e9}", "z\n\t\r\"'"];
        let all_bytes: Vec<u8> = (1..=255).filter(|b| *b != b'/').collect();
        for raw in names.iter().map(|n| n.as_bytes()).chain([&all_bytes[..]]) {
            assert_eq!(unescaped(&raw.escape_ascii().to_string()).unwrap(), raw);
        }
        // Names that sort otherwise as they are written, and a slash that is less than other bytes.
        let dir = tempfile::tempdir().unwrap();
        let diff = dir.path().join("diff");
        fs::create_dir_all(diff.join("a/b")).unwrap();
        for name in &names[2..] {
            let path = diff.join(name);
            if !path.exists() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
        }
        fs::write(diff.join("\u{10ffff}"), "x").unwrap();
        let path = dir.path().join(FILE);
        let summary = record(open(&diff).as_fd(), &Contents::new(), &HashSet::new(), &path).unwrap();
        assert_eq!(check(dir.path(), &summary.digest, true), [""; 0]);
        for name in ["a!", "a/b/c", "\\x", "\u{10ffff}"] {
            fs::rename(diff.join(name), dir.path().join("away")).unwrap();
            let mut found = check(dir.path(), &summary.digest, true);
            // Of its directory, and of the one that was changed before.
            found.retain(|f| !f.ends_with("modification time changed"));
            assert_eq!(found, [format!("{}: missing", name.as_bytes().escape_ascii())]);
            fs::rename(dir.path().join("away"), diff.join(name)).unwrap();
        }
    }

    #[test]
    fn a_damaged_record_is_no_record() {
        let (dir, digest) = layer();
        let diff = open(&dir.path().join("diff"));
        let path = dir.path().join(FILE);
        assert!(verify(diff.as_fd(), &path, &Digest::of(b"x"), true).is_err());
        fs::write(&path, "").unwrap();
        assert!(verify(diff.as_fd(), &path, &digest, true).is_err());
        fs::remove_file(&path).unwrap();
        assert!(verify(diff.as_fd(), &path, &digest, true).is_err());
    }
}
