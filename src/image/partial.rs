//! Downloads that may break off: `partial/<hex>` holds the first bytes of the blob `sha256:<hex>`, and whoever holds its
//! flock is downloading it. The lock dies with its process; then another one goes on from the last byte.
//!
//! The hash state is not kept: sha2 has no stable form of it, and hashing what is there again goes at 2 GB/s, far above
//! what any line brings. Nor is an ETag: the name is the digest of the whole, which is verified in the end, so what a
//! power cut or another mirror spoiled is noticed whatever validator the server gave.
//!
//! `partial/<hex>.pull` marks a pull under way of the manifest `sha256:<hex>`. Two pulls of one image take turns by its
//! lock, so that the second one finds everything done; and until it ages out its complete blobs are no garbage.

use super::blobs::{BlobWriter, Target};
use super::{Digest, Store};
use crate::error::{Context, IntoError, Result};
use crate::state::{atomic, gcdir};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What the names of pulls under way end with.
pub(super) const PULL: &str = ".pull";

/// Who is to bring a blob.
#[derive(Debug)]
pub enum Claim {
    /// It is in the store.
    Here,
    /// The caller: it goes on where an earlier download stopped. What is there already is still to be hashed
    /// ([`BlobWriter::catch_up`]).
    Mine(BlobWriter),
    /// Another process, just now.
    Other(Watch),
}

/// A blob that another process downloads.
#[derive(Debug)]
pub struct Watch {
    file: File,
    digest: Digest,
    size: u64,
}

/// How a [`Watch`] goes on.
#[derive(Debug)]
pub enum Turn {
    /// The other process is still at it; so many bytes are there.
    Growing(u64, Watch),
    /// The blob is complete and in the store.
    Here,
    /// The other process gave up or died: the caller goes on with the same file.
    Mine(BlobWriter),
    /// What was there has been thrown away: claim the blob anew.
    Gone,
}

/// A pull that this process has to itself. Dropping it leaves the mark for the next attempt.
#[derive(Debug)]
pub struct Pending {
    _lock: OwnedFd,
    path: PathBuf,
}

impl Pending {
    /// The image is complete and listed, or will never be.
    pub fn done(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Store {
    /// Claims the download of a blob of `size` bytes. Nobody else writes it until the [`BlobWriter`] is dropped.
    pub fn claim(&self, digest: &Digest, size: u64) -> Result<Claim> {
        self.lease()?;
        let path = self.partial_path(digest);
        loop {
            if self.has_blob(digest, Some(size)) {
                return Ok(Claim::Here);
            }
            let file = File::from(self.open_partial(&path)?);
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(Claim::Other(Watch { file, digest: digest.clone(), size })),
                Err(Errno::INTR) => continue,
                other => other.with_context(|| format!("lock {}", path.display()))?,
            }
            if let Turn::Mine(writer) = self.turn(file, digest, size)? {
                return Ok(Claim::Mine(writer));
            }
        }
    }

    /// Looks how a download of another process is.
    pub fn watch(&self, watch: Watch) -> Result<Turn> {
        let named = || format!("watch the download of {}", watch.digest);
        match rustix::fs::flock(&watch.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.turn(watch.file, &watch.digest, watch.size),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                let bytes = watch.file.metadata().with_context(named)?.len().min(watch.size);
                Ok(Turn::Growing(bytes, watch))
            }
            Err(e) => Err(e.context(named())),
        }
    }

    /// With the lock of `file`: whether it is still the blob's partial download.
    fn turn(&self, file: File, digest: &Digest, size: u64) -> Result<Turn> {
        let path = self.partial_path(digest);
        let named = || format!("continue {}", path.display());
        let same = same_file(&file, &path);
        if self.has_blob(digest, Some(size)) {
            if same {
                let _ = std::fs::remove_file(&path);
            }
            return Ok(Turn::Here);
        }
        if !same {
            return Ok(Turn::Gone);
        }
        let there = file.metadata().with_context(named)?.len();
        if there > size {
            file.set_len(0).with_context(named)?;
        }
        // It is in use again: no sweeper shall think it old.
        let _ = file.set_modified(std::time::SystemTime::now());
        self.handle(digest);
        Ok(Turn::Mine(BlobWriter::new(self, file, Target { temp: path, keep: true }, Some(digest), Some(size))))
    }

    /// Where the blob grows until it is complete.
    pub(super) fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.paths.partial().join(digest.hex())
    }

    /// Bytes of the blob that an earlier download left, or another process has brought so far.
    pub fn partial_size(&self, digest: &Digest) -> u64 {
        std::fs::metadata(self.partial_path(digest)).map_or(0, |m| m.len())
    }

    /// Begins the pull of an image whose manifest is in the store; `None` while another process is at it.
    pub fn begin_pull(&self, manifest: &Digest) -> Result<Option<Pending>> {
        self.lease()?;
        let path = self.paths.partial().join(format!("{}{PULL}", manifest.hex()));
        loop {
            let lock = self.open_partial(&path)?;
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::INTR) => continue,
                other => other.with_context(|| format!("lock {}", path.display()))?,
            }
            // The one before us may have finished and removed it.
            if same_file(&lock, &path) {
                self.handle(manifest);
                return Ok(Some(Pending { _lock: lock, path }));
            }
        }
    }

    /// Manifests of pulls that are under way or may be continued.
    pub(super) fn pending_pulls(&self) -> Vec<Digest> {
        let entries = std::fs::read_dir(self.paths.partial()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let old = entry.metadata().ok()?.modified().ok()?.elapsed().is_ok_and(|age| age > gcdir::PARTIAL_AGE);
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(PULL).filter(|_| !old).map(|hex| format!("sha256:{hex}"))
        });
        names.filter_map(|text| Digest::parse(&text).ok()).collect()
    }

    /// This process had it in hand: see [`Store::collect`].
    fn handle(&self, digest: &Digest) {
        if let Ok(mut handled) = self.handled.lock() {
            handled.insert(digest.hex().to_string());
        }
    }

    pub(super) fn has_handled(&self, hex: &str) -> bool {
        self.handled.lock().is_ok_and(|handled| handled.contains(hex))
    }

    fn open_partial(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let open = || rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let opened = match open() {
            Err(Errno::NOENT) => {
                atomic::make_dirs(&self.paths.partial())?;
                open()
            }
            other => other,
        };
        opened.with_context(|| format!("open {}", path.display()))
    }
}

fn same_file(fd: impl std::os::fd::AsFd, path: &Path) -> bool {
    match (rustix::fs::fstat(fd), rustix::fs::stat(path)) {
        (Ok(a), Ok(b)) => a.st_dev == b.st_dev && a.st_ino == b.st_ino,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::paths::Paths;
    use std::io::Write;

    const DATA: &[u8] = b"twenty bytes of data";

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::open(&Paths::new(dir.path().join("data"), dir.path().join("run"))).unwrap()
    }

    fn mine(store: &Store) -> BlobWriter {
        match store.claim(&Digest::of(DATA), DATA.len() as u64).unwrap() {
            Claim::Mine(writer) => writer,
            other => panic!("{other:?}"),
        }
    }

    fn files(store: &Store) -> usize {
        std::fs::read_dir(store.paths.partial()).unwrap().count()
    }

    #[test]
    fn a_download_goes_on_in_another_process() {
        let dir = tempfile::tempdir().unwrap();
        mine(&store(&dir)).write_all(&DATA[..7]).unwrap();
        let store = store(&dir);
        assert_eq!(store.partial_size(&Digest::of(DATA)), 7);
        let mut writer = mine(&store);
        assert_eq!(writer.catch_up().unwrap(), 7);
        writer.write_all(&DATA[7..]).unwrap();
        assert_eq!(writer.commit().unwrap(), Digest::of(DATA));
        assert_eq!(files(&store), 0);
        assert!(matches!(store.claim(&Digest::of(DATA), DATA.len() as u64).unwrap(), Claim::Here));
    }

    #[test]
    fn damaged_downloads_are_thrown_away_and_empty_ones_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        std::fs::create_dir_all(store.paths.partial()).unwrap();
        std::fs::write(store.paths.partial().join(Digest::of(DATA).hex()), "twelve").unwrap();
        let mut writer = mine(&store);
        assert_eq!(writer.catch_up().unwrap(), 6);
        writer.write_all(&DATA[6..]).unwrap();
        assert!(writer.commit().is_err());
        assert_eq!(files(&store), 0);
        drop(mine(&store));
        assert_eq!(files(&store), 0);
        // Longer than the blob: nothing of it can be right.
        std::fs::write(store.paths.partial().join(Digest::of(DATA).hex()), [0; 100]).unwrap();
        assert_eq!(mine(&store).catch_up().unwrap(), 0);
    }

    #[test]
    fn a_second_process_watches_and_takes_over() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (store(&dir), store(&dir));
        let mut writer = mine(&first);
        let Claim::Other(watch) = second.claim(&Digest::of(DATA), DATA.len() as u64).unwrap() else { panic!() };
        writer.write_all(&DATA[..5]).unwrap();
        let Turn::Growing(5, watch) = second.watch(watch).unwrap() else { panic!() };
        drop(writer);
        let Turn::Mine(mut writer) = second.watch(watch).unwrap() else { panic!() };
        assert_eq!(writer.catch_up().unwrap(), 5);
        let Claim::Other(watch) = first.claim(&Digest::of(DATA), DATA.len() as u64).unwrap() else { panic!() };
        writer.write_all(&DATA[5..]).unwrap();
        writer.commit().unwrap();
        assert!(matches!(first.watch(watch).unwrap(), Turn::Here));
    }

    #[test]
    fn a_watcher_notices_that_the_data_was_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (store(&dir), store(&dir));
        let mut writer = mine(&first);
        let Claim::Other(watch) = second.claim(&Digest::of(DATA), DATA.len() as u64).unwrap() else { panic!() };
        writer.write_all(&DATA[..5]).unwrap();
        writer.discard();
        assert!(matches!(second.watch(watch).unwrap(), Turn::Gone));
    }

    #[test]
    fn pulls_of_one_image_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (store(&dir), store(&dir));
        let manifest = Digest::of(b"manifest");
        let pending = first.begin_pull(&manifest).unwrap().unwrap();
        assert!(second.begin_pull(&manifest).unwrap().is_none());
        drop(pending);
        assert_eq!(second.pending_pulls(), std::slice::from_ref(&manifest));
        second.begin_pull(&manifest).unwrap().unwrap().done();
        assert!(second.pending_pulls().is_empty());
    }
}
