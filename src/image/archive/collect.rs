//! Taking an archive apart into blobs, in one pass, whatever the order of its members.
//!
//! Members' names are only ever compared, never used as paths of files.

use super::ReadProgress;
use crate::error::{Context, Error, Result};
use crate::image::tar::{Kind, TarReader};
use crate::image::{Digest, MAX_JSON, Store};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::Path;

/// The members of an archive, stored as blobs by their own digests.
#[derive(Debug, Default)]
pub(super) struct Contents {
    files: BTreeMap<String, Member>,
    /// Links (hard, symbolic) by their cleaned paths.
    links: BTreeMap<String, String>,
    /// The archive's own documents, kept in memory.
    small: BTreeMap<String, Vec<u8>>,
}

/// One stored member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

const DOCUMENTS: [&str; 3] = ["manifest.json", "index.json", "oci-layout"];
/// Leftovers of Docker's first image format.
const LEGACY: [&str; 3] = ["VERSION", "json", "repositories"];
/// Members of one archive; images have at most a few hundred layers.
const MAX_MEMBERS: usize = 100_000;

impl Contents {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty() && self.small.is_empty()
    }

    pub fn of_tar(store: &Store, stream: &mut dyn BufRead, progress: ReadProgress<'_>) -> Result<Contents> {
        let mut contents = Contents::default();
        let mut tar = TarReader::new(stream);
        let mut total = 0;
        while let Some(entry) = tar.next_entry()? {
            let Ok(path) = std::str::from_utf8(&entry.path) else { continue };
            let path = clean(path, "");
            if contents.files.len() + contents.links.len() > MAX_MEMBERS {
                return Err(Error::user(format!("read the archive: it has more than {MAX_MEMBERS} members")));
            }
            let last = path.rsplit('/').next().unwrap_or_default();
            match entry.kind {
                Kind::Regular if DOCUMENTS.contains(&path.as_str()) => {
                    if entry.size > MAX_JSON {
                        return Err(Error::user(format!("read the archive: {path} has more than {MAX_JSON} bytes")));
                    }
                    let mut bytes = Vec::new();
                    while tar.data(|chunk| {
                        bytes.extend_from_slice(chunk);
                        Ok(())
                    })? {}
                    contents.small.insert(path, bytes);
                }
                Kind::Regular if !LEGACY.contains(&last) => {
                    let size = entry.size;
                    let name = || format!("load {path}");
                    let mut writer = store.writer(None, Some(size))?;
                    while tar.data(|chunk| {
                        total += chunk.len() as u64;
                        progress(total);
                        writer.write_all(chunk).with_context(name)
                    })? {}
                    let digest = writer.commit().with_context(name)?;
                    contents.files.insert(path, Member { digest, size });
                }
                Kind::Symlink | Kind::Link => {
                    let Ok(target) = std::str::from_utf8(&entry.link) else { continue };
                    let base = if entry.kind == Kind::Link { "" } else { path.rsplit_once('/').map_or("", |p| p.0) };
                    let target = clean(target, base);
                    contents.links.insert(path, target);
                }
                _ => {}
            }
        }
        Ok(contents)
    }

    /// Reads a directory with an OCI layout: its documents and its blobs, links not followed.
    pub fn of_directory(store: &Store, dir: &Path, progress: ReadProgress<'_>) -> Result<Contents> {
        let mut contents = Contents::default();
        for name in DOCUMENTS {
            let path = dir.join(name);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
            };
            let mut bytes = Vec::new();
            file.take(MAX_JSON).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
            contents.small.insert(name.to_string(), bytes);
        }
        if !contents.small.contains_key("oci-layout") {
            return Err(Error::user(format!("load {}: it holds no OCI layout", dir.display()))
                .hint("a directory needs oci-layout, index.json and blobs/"));
        }
        let mut total = 0;
        let blobs = dir.join("blobs/sha256");
        let entries = std::fs::read_dir(&blobs).with_context(|| format!("read {}", blobs.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("read {}", blobs.display()))?;
            let path = entry.path();
            let Some(Ok(digest)) = entry.file_name().to_str().map(Digest::from_hex) else { continue };
            let meta = entry.metadata().with_context(|| format!("read {}", path.display()))?;
            if !meta.is_file() {
                continue;
            }
            let size = meta.len();
            if !store.has_blob(&digest, Some(size)) {
                let name = || format!("load {}", path.display());
                let mut writer = store.writer(Some(&digest), Some(size))?;
                let mut file = File::open(&path).with_context(name)?;
                let mut buffer = vec![0; 256 << 10];
                loop {
                    let n = file.read(&mut buffer).with_context(name)?;
                    if n == 0 {
                        break;
                    }
                    writer.write_all(&buffer[..n]).with_context(name)?;
                    total += n as u64;
                    progress(total);
                }
                writer.commit().with_context(name)?;
            } else {
                total += size;
                progress(total);
            }
            contents.files.insert(format!("blobs/sha256/{}", digest.hex()), Member { digest, size });
        }
        Ok(contents)
    }

    /// One of the archive's own documents.
    pub fn small(&self, name: &str) -> Option<&[u8]> {
        self.small.get(name).map(Vec::as_slice)
    }

    /// A member by its path, links followed.
    pub fn file(&self, path: &str) -> Result<&Member> {
        let mut at = clean(path, "");
        let mut seen = HashSet::new();
        loop {
            if let Some(file) = self.files.get(&at) {
                return Ok(file);
            }
            match self.links.get(&at) {
                Some(target) if seen.insert(at.clone()) => at = target.clone(),
                _ => return Err(Error::user(format!("read the archive: {path} is missing in it"))),
            }
        }
    }

    /// The blob of this digest, if the archive has it.
    pub fn blob(&self, digest: &Digest) -> Option<&Member> {
        self.files.get(&format!("blobs/sha256/{}", digest.hex()))
    }
}

/// `path`, relative to `base`, without `.`, `..` and doubled slashes; `..` stops at the top.
fn clean(path: &str, base: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let base = if path.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn cleans_member_names() {
        for (path, base, want) in
            [("./a//b", "", "a/b"), ("../c/layer.tar", "a", "c/layer.tar"), ("/a/../../b", "x", "b"), ("", "a", "a")]
        {
            assert_eq!(clean(path, base), want);
        }
    }
}
