//! The log file: CRI lines (`TIME STREAM F|P TEXT`), rotated by rename.
//!
//! `F` ends a line; `P` is a piece without line end, written at once so that a follower sees prompts and progress
//! bars in time. Every byte of the container is in the file exactly once: pieces joined give its output. Where output
//! could not be written (full disk), a line of the stream `engine` says how much, as soon as writing works again.

use crate::error::{Context, Result};
use crate::state::container::LogConfig;
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Text is collected to this size before it is written.
const BATCH: usize = 128 * 1024;

/// Bytes of `2026-01-01T00:00:00.000000000Z`.
pub const STAMP: usize = 30;

/// The stream of lines that are ours and not the container's.
pub const ENGINE: &str = "engine";

/// Writes one container's log.
#[derive(Debug)]
pub struct LogWriter {
    /// `None` with driver `none` or when the file can't be opened.
    file: Option<File>,
    path: PathBuf,
    size: u64,
    max_size: u64,
    max_file: u32,
    batch: Vec<u8>,
    clock: Clock,
    /// A failed write left half a line behind.
    torn: bool,
    /// Bytes of batches that could not be written, and why: what the file does not say yet.
    lost: u64,
    why: String,
}

impl LogWriter {
    /// Opens (or goes on with) the log at `default`, or where the options say.
    pub fn open(config: &LogConfig, default: &Path) -> Result<LogWriter> {
        let path = config.path.as_ref().map_or_else(|| default.to_path_buf(), PathBuf::from);
        let keeps = !matches!(config.driver.as_str(), "none" | "passthrough");
        let file = if keeps { Some(open(&path)?) } else { None };
        let size = file.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
        Ok(LogWriter {
            file,
            path,
            size,
            max_size: config.max_size,
            max_file: config.max_file,
            batch: Vec::new(),
            clock: Clock::default(),
            torn: false,
            lost: 0,
            why: String::new(),
        })
    }

    /// Logs what the container just wrote. Never fails: a full disk costs log lines, not the container.
    pub fn write(&mut self, stderr: bool, data: &[u8]) {
        if self.file.is_none() || data.is_empty() {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut prefix = [b' '; STAMP + 10];
        prefix[..STAMP].copy_from_slice(&self.clock.stamp(now.as_secs() as i64, now.subsec_nanos()));
        prefix[STAMP + 1..STAMP + 7].copy_from_slice(if stderr { b"stderr" } else { b"stdout" });
        let mut rest = data;
        while !rest.is_empty() {
            let all = rest;
            // memchr(3), where an iterator would look at each byte.
            let length = rest.skip_until(b'\n').unwrap_or(all.len());
            let line = &all[..length];
            let whole = line.ends_with(b"\n");
            prefix[STAMP + 8] = if whole { b'F' } else { b'P' };
            self.batch.extend_from_slice(&prefix);
            self.batch.extend_from_slice(line);
            if !whole {
                self.batch.push(b'\n');
            }
            let full = self.max_size > 0 && self.size + self.batch.len() as u64 >= self.max_size;
            if full || self.batch.len() >= BATCH {
                self.flush();
            }
            if full {
                self.rotate();
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        if self.torn {
            self.note_loss();
        }
        let Some(file) = self.file.as_mut() else { return };
        let written = if self.torn { Err(std::io::ErrorKind::StorageFull.into()) } else { file.write_all(&self.batch) };
        match written {
            Ok(()) => self.size += self.batch.len() as u64,
            Err(e) => {
                self.lost += self.batch.len() as u64;
                if !self.torn {
                    self.why = crate::error::IntoError::context(e, "write the log").to_string();
                }
                self.torn = true;
            }
        }
        self.batch.clear();
        // A burst must not cost memory for the container's whole life.
        self.batch.shrink_to(BATCH);
    }

    /// Says in the file what is missing there, if that can be written now.
    pub fn note_loss(&mut self) {
        let Some(file) = self.file.as_mut().filter(|_| self.torn) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = self.clock.stamp(now.as_secs() as i64, now.subsec_nanos());
        let note = format!("{ENGINE} F {} bytes of the log are missing here: {}\n", self.lost, self.why);
        let line = [b"\n", &stamp[..], b" ", note.as_bytes()].concat();
        if file.write_all(&line).is_ok() {
            self.size += line.len() as u64;
            (self.lost, self.torn) = (0, false);
        }
    }

    /// `log` becomes `log.1`, `log.1` becomes `log.2`, …, so that with the new one there are `max_file` files.
    fn rotate(&mut self) {
        let numbered = |n: u32| numbered(&self.path, n);
        let kept = self.max_file.saturating_sub(1);
        if kept == 0 {
            let _ = std::fs::remove_file(&self.path);
        } else {
            for n in (1..kept).rev() {
                let _ = std::fs::rename(numbered(n), numbered(n + 1));
            }
            let _ = std::fs::rename(&self.path, numbered(1));
        }
        // If no new file can be made, the old one goes on rather than nothing.
        if let Ok(file) = open(&self.path) {
            self.file = Some(file);
            self.size = 0;
        }
    }
}

/// `log` and 2 give `log.2`.
pub fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{n}"));
    name.into()
}

fn open(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_CLOEXEC);
    options.open(path).with_context(|| format!("open log {}", path.display()))
}

/// Formats time stamps; the date part changes once a second.
#[derive(Debug, Default)]
struct Clock {
    second: i64,
    text: [u8; 19],
}

impl Clock {
    fn stamp(&mut self, second: i64, nanos: u32) -> [u8; STAMP] {
        if self.second != second || self.text[0] == 0 {
            let text = jiff::Timestamp::from_second(second).unwrap_or_default().to_string();
            if let Some(head) = text.as_bytes().first_chunk::<19>() {
                (self.second, self.text) = (second, *head);
            }
        }
        let mut out = [b'Z'; STAMP];
        out[..19].copy_from_slice(&self.text);
        out[19] = b'.';
        let mut rest = nanos;
        for digit in out[20..29].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(max_size: u64, max_file: u32) -> LogConfig {
        LogConfig { max_size, max_file, ..LogConfig::default() }
    }

    #[test]
    fn stamps_are_rfc3339() {
        let mut clock = Clock::default();
        let text = |b: [u8; STAMP]| String::from_utf8(b.to_vec()).unwrap();
        assert_eq!(text(clock.stamp(0, 0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(clock.stamp(1_800_000_000, 12_345)), "2027-01-15T08:00:00.000012345Z");
    }

    #[test]
    fn marks_whole_lines_and_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&config(0, 1), &path).unwrap();
        log.write(false, b"one\n\ntw");
        log.write(false, b"o\n");
        log.write(true, b"err");
        let text = std::fs::read_to_string(&path).unwrap();
        let tails: Vec<&str> = text.lines().map(|l| &l[STAMP + 1..]).collect();
        assert_eq!(tails, ["stdout F one", "stdout F ", "stdout P tw", "stdout F o", "stderr P err"]);
    }

    #[test]
    fn rotates_at_line_ends_and_keeps_the_asked_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&config(100, 3), &path).unwrap();
        for n in 0..20 {
            log.write(false, format!("line {n}\n").as_bytes());
        }
        let count = |p: &Path| std::fs::read_to_string(p).map_or(0, |t| t.lines().count());
        assert!(count(&numbered(&path, 1)) == 3 && count(&numbered(&path, 2)) == 3, "{}", count(&numbered(&path, 1)));
        assert!(!numbered(&path, 3).exists(), "three files in all");
        drop(log);
        let mut log = LogWriter::open(&config(0, 0), &path).unwrap();
        let before = count(&path);
        log.write(false, b"more\n");
        assert_eq!(count(&path), before + 1, "a restarted container goes on with its log");
    }

    #[test]
    fn a_loss_is_noted_once_writing_works_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&config(0, 1), &path).unwrap();
        log.write(false, b"before\n");
        let good = log.file.replace(File::options().write(true).open("/dev/full").unwrap());
        log.write(false, b"gone\n");
        log.write(false, b"gone\n");
        log.note_loss();
        log.file = good;
        log.write(false, b"after\n");
        log.note_loss();
        let text = std::fs::read_to_string(&path).unwrap();
        let tails: Vec<&str> = text.lines().filter_map(|l| l.get(STAMP + 1..)).collect();
        let note = "engine F 90 bytes of the log are missing here: write the log: no space left on device";
        assert_eq!(tails, ["stdout F before", note, "stdout F after"]);
    }

    #[test]
    fn no_file_without_a_driver_and_no_failure_on_a_full_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&LogConfig { driver: "none".into(), ..config(0, 1) }, &path).unwrap();
        log.write(false, b"x\n");
        assert!(!path.exists());
        let mut log = LogWriter::open(&config(0, 1), Path::new("/dev/full")).unwrap();
        log.write(false, b"x\n");
        assert!(log.lost > 0 && log.torn);
    }
}
