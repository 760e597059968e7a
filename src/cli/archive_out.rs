//! Where archives go: a file that appears when it is whole, or standard output.

use crate::error::{Context, Error, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// An archive being written.
pub struct Output {
    file: File,
    /// Where it goes, and what it is called until then, if it has a name. `None`: it is written in place.
    place: Option<(PathBuf, Option<PathBuf>)>,
}

impl Output {
    /// Opens the file, or standard output for none or `-`.
    ///
    /// # Errors
    /// Standard output is a terminal.
    pub fn open(path: Option<&Path>) -> Result<Output> {
        let Some(path) = path.filter(|p| p.as_os_str() != "-") else {
            if std::io::stdout().is_terminal() {
                return Err(
                    Error::user("write an archive to standard output: it is a terminal").hint("use -o FILE, or a pipe")
                );
            }
            // Whoever reads may go; that is an error of ours then, not a silent death.
            crate::sys::signal::pipe_fails();
            let file = std::io::stdout().as_fd().try_clone_to_owned().context("open standard output")?;
            return Ok(Output { file: File::from(file), place: None });
        };
        let named = || format!("write {}", path.display());
        // A pipe, a device, or what a symlink leads to is written in place.
        if path.symlink_metadata().is_ok_and(|m| !m.is_file()) {
            let file = File::options().write(true).truncate(true).open(path).with_context(named)?;
            return Ok(Output { file, place: None });
        }
        // A file without a name vanishes with us, however we end.
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(dir, flags, Mode::from_raw_mode(0o666)) {
            return Ok(Output { file: File::from(fd), place: Some((path.to_path_buf(), None)) });
        }
        let temp = part(path);
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&temp).with_context(named)?;
        Ok(Output { file, place: Some((path.to_path_buf(), Some(temp))) })
    }

    /// The new file, for writing anywhere in it; `None` where bytes can only follow one another.
    pub fn seekable(&self) -> Result<Option<File>> {
        self.place.as_ref().map(|_| self.file.try_clone().context("write the archive")).transpose()
    }

    /// Makes the file appear.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().context("write the archive")?;
        let Some((path, temp)) = self.place.take() else { return Ok(()) };
        let named = || format!("write {}", path.display());
        // What is there now goes only for what is safely on disk.
        if path.exists() {
            self.file.sync_data().with_context(named)?;
        }
        let temp = match temp {
            Some(temp) => temp,
            None => {
                // linkat(2) replaces nothing, so it takes a second step.
                let temp = part(&path);
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, own, CWD, &temp, AtFlags::SYMLINK_FOLLOW).with_context(named)?;
                temp
            }
        };
        let renamed = std::fs::rename(&temp, &path).with_context(named);
        if renamed.is_err() {
            let _ = std::fs::remove_file(&temp);
        }
        renamed
    }
}

/// A name beside `path` for the moment before it is whole.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}

impl AsFd for Output {
    /// For a job that writes the archive itself.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Write for Output {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.file.write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((_, Some(temp))) = &self.place {
            let _ = std::fs::remove_file(temp);
        }
    }
}
