//! Hashes of the context's files, remembered by (device, inode, size, times).

use crate::error::{Context, Result};
use rustix::fs::Stat;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// When the file of hashes is begun anew, in bytes: half a million files.
const MAX_FILE: u64 = 64 << 20;

/// A file that changed within so many seconds may change again without a sign.
const RACY: i64 = 2;

type Identity = (u64, u64, i64, i128, i128);

/// The known hashes.
#[derive(Debug, Default)]
pub struct FileHashes {
    path: PathBuf,
    known: HashMap<Identity, [u8; 32]>,
    news: String,
}

fn identity(stat: &Stat) -> Identity {
    let time = |secs: i64, nanos: i128| i128::from(secs) * 1_000_000_000 + nanos;
    (
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        time(stat.st_mtime, i128::from(stat.st_mtime_nsec)),
        time(stat.st_ctime, i128::from(stat.st_ctime_nsec)),
    )
}

impl FileHashes {
    /// Reads what is known; lines that make no sense are left out.
    pub fn load(path: &Path) -> FileHashes {
        let mut known = HashMap::new();
        let size = std::fs::metadata(path).map_or(0, |m| m.len());
        if size > MAX_FILE {
            let _ = std::fs::remove_file(path);
        } else if let Ok(text) = std::fs::read_to_string(path) {
            known.extend(text.lines().filter_map(parse));
        }
        FileHashes { path: path.into(), known, news: String::new() }
    }

    /// The hash of the file's content.
    pub fn of(&mut self, file: &mut File, stat: &Stat) -> Result<[u8; 32]> {
        let id = identity(stat);
        if let Some(hash) = self.known.get(&id) {
            return Ok(*hash);
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = file.read(&mut buffer).context("read it")?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        let after = rustix::fs::fstat(&*file).context("look at it")?;
        if identity(&after) == id && stat.st_ctime.max(stat.st_mtime) + RACY < now {
            let hex = hash.iter().fold(String::new(), |mut text, b| {
                let _ = write!(text, "{b:02x}");
                text
            });
            let (dev, ino, size, mtime, ctime) = id;
            let _ = writeln!(self.news, "{dev} {ino} {size} {mtime} {ctime} {hex}");
            self.known.insert(id, hash);
        }
        Ok(hash)
    }

    /// Appends what was learnt, in one write. A failure costs time only.
    pub fn save(&self) {
        if self.news.is_empty() {
            return;
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
        let _ = file.and_then(|mut f| f.write_all(self.news.as_bytes()));
    }
}

fn parse(line: &str) -> Option<(Identity, [u8; 32])> {
    let mut words = line.split(' ');
    let id = (
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    );
    let hex = words.next().filter(|h| h.len() == 64 && h.is_ascii())?;
    let mut hash = [0; 32];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some((id, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_once_unless_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, list) = (dir.path().join("f"), dir.path().join("hashes"));
        std::fs::write(&path, "one").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let mut file = File::open(&path).unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let mut hashes = FileHashes::load(&list);
        let hash = hashes.of(&mut file, &stat).unwrap();
        // Its ctime is of this moment, so it is not remembered yet.
        hashes.save();
        assert!(!list.exists());
        let (dev, ino, size, mtime, ctime) = identity(&stat);
        std::fs::write(&list, format!("junk\n{dev} {ino} {size} {mtime} {ctime} {}\n", "ab".repeat(32))).unwrap();
        let mut known = FileHashes::load(&list);
        assert_eq!(known.of(&mut File::open(&path).unwrap(), &stat).unwrap(), [0xab; 32]);
        assert_ne!(hash, [0xab; 32]);
    }
}
