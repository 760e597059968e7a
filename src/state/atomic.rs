//! Whole-file replacement by rename: a reader sees the old content or the new, never a mixture.
//!
//! Two classes. *Durable* (config, exit records, refs) survives a power cut: data is synced before the rename and
//! the directory after it. *Volatile* (running state, wishes) only has to survive the death of processes, which the
//! page cache does for free.

use crate::error::{Context, Error, Result};
use rustix::fs::{Mode, OFlags};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How much a write has to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A power cut.
    Durable,
    /// The death of any process.
    Volatile,
}

/// Replaces `path` with `data`, mode 0600.
pub fn write(path: &Path, data: &[u8], class: Class) -> Result<()> {
    let (dir, name) = split(path)?;
    // Writers of one path are serialised by its lock; the pid keeps leftovers of a killed one apart.
    let temp = dir.join(format!(".{name}.{}", std::process::id()));
    let done = (|| {
        let fd = rustix::fs::open(
            &temp,
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::RUSR | Mode::WUSR,
        )
        .with_context(|| format!("create {}", temp.display()))?;
        let mut file = File::from(fd);
        file.write_all(data).with_context(|| format!("write {}", temp.display()))?;
        if class == Class::Durable {
            file.sync_data().with_context(|| format!("sync {}", temp.display()))?;
        }
        rustix::fs::rename(&temp, path).with_context(|| format!("replace {}", path.display()))?;
        if class == Class::Durable { sync_dir(&dir) } else { Ok(()) }
    })();
    if done.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    done
}

/// [`write()`] of the volatile class that also works on a full disk when the new content fits into the block that the
/// file has already. Then a reader may, for an instant, see a mixture: for records that must not be lost.
pub fn write_forced(path: &Path, data: &[u8]) -> Result<()> {
    let Err(full) = write(path, data, Class::Volatile) else { return Ok(()) };
    if !matches!(full.errno, Some(libc::ENOSPC | libc::EDQUOT)) {
        return Err(full);
    }
    let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .with_context(|| format!("open {}", path.display()))?;
    // Written over before it is cut: no block is given back that would have to be asked for again.
    let written = rustix::io::pwrite(&fd, data, 0).with_context(|| format!("write {}", path.display()))?;
    if written < data.len() {
        return Err(full);
    }
    rustix::fs::ftruncate(&fd, data.len() as u64).with_context(|| format!("cut {}", path.display()))
}

/// Replaces `path` with one short word, as the target of a symbolic link: file systems keep that in the inode, so it can
/// be written where no block is left. A full disk must not keep a user from stopping what fills it.
pub fn write_word(path: &Path, word: &str) -> Result<()> {
    let (dir, name) = split(path)?;
    let temp = dir.join(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_file(&temp);
    rustix::fs::symlink(word, &temp).with_context(|| format!("create {}", temp.display()))?;
    rustix::fs::rename(&temp, path).with_context(|| format!("replace {}", path.display()))
}

/// What [`write_word`] wrote; `None` when there is nothing.
pub fn read_word(path: &Path) -> Option<String> {
    rustix::fs::readlink(path, Vec::new()).ok().and_then(|word| word.into_string().ok())
}

/// [`write`] of a value as one line of JSON.
pub fn write_json<T: Serialize>(path: &Path, value: &T, class: Class) -> Result<()> {
    let mut text = serde_json::to_vec(value).with_context(|| format!("encode {}", path.display()))?;
    text.push(b'\n');
    write(path, &text, class)
}

/// Reads a JSON file; a missing file is [`crate::error::Kind::NotFound`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read(path)?;
    serde_json::from_slice(&text)
        .with_context(|| format!("read {}", path.display()))
        .map_err(|e| e.hint("the file is damaged; remove the object it belongs to"))
}

/// Reads a whole file; a missing file is [`crate::error::Kind::NotFound`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        let missing = e.kind() == std::io::ErrorKind::NotFound;
        let error = crate::error::IntoError::context(e, format!("read {}", path.display()));
        if missing { error.kind(crate::error::Kind::NotFound) } else { error }
    })
}

/// Makes renames and new entries of `dir` survive a power cut.
pub fn sync_dir(dir: &Path) -> Result<()> {
    let fd = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", dir.display()))?;
    rustix::fs::fsync(&fd).with_context(|| format!("sync {}", dir.display()))
}

/// Creates `path` and its parents, mode 0700; existing ones are left alone.
pub fn make_dirs(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("create directory {}", path.display()))
}

fn split(path: &Path) -> Result<(PathBuf, String)> {
    match (path.parent(), path.file_name().and_then(|n| n.to_str())) {
        (Some(dir), Some(name)) => Ok((dir.to_path_buf(), name.to_string())),
        _ => Err(Error::bug(format!("write {}: not a file path", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        for class in [Class::Durable, Class::Volatile] {
            write(&path, b"a longer first text", class).unwrap();
            write_json(&path, &vec![1, 2], class).unwrap();
            assert_eq!(read(&path).unwrap(), b"[1,2]\n");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("x.json");
        assert_eq!(read(&missing).unwrap_err().kind, crate::error::Kind::NotFound);
        std::fs::write(&missing, "{").unwrap();
        let e = read_json::<Vec<u8>>(&missing).unwrap_err();
        assert!(e.to_string().contains("x.json"), "{e}");
        assert!(write(&dir.path().join("no/such"), b"", Class::Volatile).is_err());
    }
}
