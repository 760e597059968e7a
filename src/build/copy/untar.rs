//! ADD of an archive: its members become the layer's, below the destination.

use super::sink::{Content, Sink};
use super::walk::Copier;
use crate::error::{Context, Error, Result};
use crate::image::decompressed;
use crate::image::tar::{Entry, Kind, TarReader};
use std::fs::File;
use std::io::{BufRead, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Whether the file is a tar archive, compressed or not: decided by what is in it. It is read from its start again.
pub(super) fn is_archive(file: &mut File) -> Result<bool> {
    let copy = file.try_clone().context("read it")?;
    let found = decompressed(copy, |input| {
        let mut reader = TarReader::new(input);
        Ok(matches!(reader.next_entry(), Ok(Some(_))))
    });
    file.rewind().context("read it")?;
    // What can't be decompressed is no archive for us, but a file like any other.
    Ok(found.unwrap_or(false))
}

/// The members' paths below the destination; `None` for the archive's own root.
fn inside(path: &[u8]) -> Result<Option<PathBuf>> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                return Err(Error::user(format!("unpack {}: the path leaves the destination", path.display())));
            }
            _ => {}
        }
    }
    Ok(Some(out).filter(|p| !p.as_os_str().is_empty()))
}

impl<S: Sink> Copier<'_, S> {
    /// Unpacks `file` into the directory `dest` (resolved).
    pub(super) fn unpack(&mut self, file: File, dest: &Path) -> Result<()> {
        self.directory_at(dest)?;
        decompressed(file, |input| self.members(input, dest))
    }

    fn members(&mut self, input: &mut dyn BufRead, dest: &Path) -> Result<()> {
        let mut reader = TarReader::new(input);
        while let Some(entry) = reader.next_entry()? {
            let mut entry: Entry = entry.clone();
            let Some(path) = inside(&entry.path)? else { continue };
            if path.file_name().is_some_and(|n| n.as_bytes().starts_with(b".wh.")) {
                return Err(Error::user(format!("unpack {}: layers can't hold such a name", path.display())));
            }
            let parent = path.parent().unwrap_or(Path::new(""));
            let mut place = dest.to_path_buf();
            for part in parent.components() {
                place = self.places.directory(&place, Path::new(part.as_os_str()))?;
            }
            let name = path.file_name().unwrap_or_default();
            let place = match entry.kind {
                Kind::Directory => self.places.directory(&place, Path::new(name))?,
                _ => place.join(name),
            };
            self.parents_of(&place)?;
            if entry.kind == Kind::Link {
                let Some(target) = inside(&entry.link)? else { continue };
                entry.link = dest.join(target).into_os_string().into_vec();
            }
            if let Some((uid, gid)) = self.owner {
                (entry.uid, entry.gid) = (uid, gid);
            }
            if entry.kind == Kind::Directory {
                self.places.made(&place);
            }
            entry.path = place.into_os_string().into_vec();
            self.sink.put(&entry, Content::Member(&mut |to| reader.data(|chunk| to(chunk))))?;
        }
        Ok(())
    }
}
