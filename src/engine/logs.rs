//! `logs`: reading what the monitor writes, across rotations, to the container's end.

use super::{Ctx, recover, wait};
use crate::error::{Context, Error, Result};
use crate::monitor::{ENGINE, STAMP, numbered, proto};
use crate::state::containers::Container;
use crate::state::lock::Life;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Read and written at once.
const BLOCK: usize = 256 * 1024;

/// Where the tag (`F` or `P`) and the text stand in a line: `STAMP stdout F text`.
const TAG: usize = STAMP + 8;
const TEXT: usize = STAMP + 10;

/// Which part of the log, and how.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Put the time before each line.
    pub timestamps: bool,
}

/// Where log text goes.
pub trait LogSink {
    /// Text of the container's stdout, or of its stderr; not always whole lines.
    fn write(&mut self, stderr: bool, text: &[u8]) -> Result<()>;
    /// Something is missing at this place.
    fn gap(&mut self, what: &str) -> Result<()>;
}

/// Writes the log of a container to `sink`; with `follow` until the container ends.
pub fn logs(ctx: &Ctx, id: &str, options: &LogOptions, sink: &mut dyn LogSink) -> Result<()> {
    let container = recover::load_repaired(ctx, id)?;
    container.sound()?;
    let config = &container.config.log;
    if matches!(config.driver.as_str(), "none" | "passthrough") {
        return Err(Error::unsupported(format!(
            "read the logs of {}: its log driver is {}",
            container.name, config.driver
        )));
    }
    let path = config.path.as_ref().map_or_else(|| container.dir.log(), PathBuf::from);
    let mut end = if options.follow { Some(Follower::new(ctx, &container, &path)?) } else { None };
    let mut segments = Segments::open(&path, config.max_file)?;
    // Counting begins at a moment without rotation; a log that never rests is counted from somewhere.
    for _ in 0..16 {
        if end.as_mut().is_none_or(|e| e.rotations() == 0) {
            break;
        }
        segments = Segments::open(&path, config.max_file)?;
        end.iter_mut().for_each(|e| e.rotated = 0);
    }
    if let Some(lines) = options.tail {
        segments.tail(lines)?;
    }
    let mut printer = Printer::new(options, sink);
    loop {
        // First the question, then the reading: what was written before the end is then read for sure.
        let ended = end.as_mut().is_none_or(|e| e.ended());
        let made = end.as_mut().map(Follower::rotations);
        segments.read(&mut printer)?;
        printer.flush()?;
        if let Some(made) = made {
            segments.check(made, &mut printer)?;
        }
        if ended || printer.past_end {
            return Ok(());
        }
        if let Some(end) = &mut end {
            end.wait()?;
        }
    }
}

/// The files of one log, oldest first, from the one being read on.
struct Segments {
    path: PathBuf,
    max_file: u32,
    queue: VecDeque<File>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    /// Files found since the first look, and how many of those made since then were gone before we looked.
    found: u64,
    missed: u64,
}

/// Files kept open, and so on the disk after their deletion, for a reader that is slower than the container.
const HELD: usize = 16;

impl Segments {
    fn open(path: &Path, max_file: u32) -> Result<Segments> {
        let (path, queue) = (path.to_path_buf(), VecDeque::new());
        let mut segments = Segments { path, max_file, queue, rest: Vec::new(), found: 0, missed: 0 };
        segments.discover()?;
        segments.found = 0;
        Ok(segments)
    }

    /// Opens the files that are newer than the newest known one. Goes from the live file backwards, since rotation
    /// moves files the same way: none can slip through.
    fn discover(&mut self) -> Result<()> {
        let known = self.queue.back().map(identity).transpose()?;
        let mut found: Vec<File> = Vec::new();
        for n in 0..=self.max_file {
            let path = if n == 0 { self.path.clone() } else { numbered(&self.path, n) };
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(crate::error::IntoError::context(e, format!("open log {}", path.display()))),
            };
            let this = identity(&file)?;
            if Some(this) == known {
                break;
            }
            if found.iter().all(|f| identity(f).is_ok_and(|other| other != this)) {
                found.push(file);
            }
        }
        self.found += found.len() as u64;
        self.queue.extend(found.into_iter().rev());
        Ok(())
    }

    /// `made`: log files begun since the first look. Each should have been found.
    fn check(&mut self, made: u64, printer: &mut Printer) -> Result<()> {
        let missed = made.saturating_sub(self.found);
        if missed <= self.missed {
            return Ok(());
        }
        self.missed = missed;
        let why = "lines are missing here: the log was rotated faster than it was read";
        printer.sink.gap(&format!("{why} (--log-opt max-size=SIZE,max-file=N keeps more)"))
    }

    /// Reads all there is; stays at the end of the newest file. New files are looked for before each block: a reader
    /// may fall [`HELD`] files behind, and while it is kept from reading altogether, as many as rotation keeps.
    fn read(&mut self, printer: &mut Printer) -> Result<()> {
        let mut block = vec![0; BLOCK];
        loop {
            if self.queue.len() < HELD {
                self.discover()?;
            }
            let many = self.queue.len() > 1;
            let Some(file) = self.queue.front_mut() else { return Ok(()) };
            let length = file.read(&mut block).context("read the log")?;
            if length > 0 {
                feed(&mut self.rest, &block[..length], printer)?;
                if printer.past_end {
                    return Ok(());
                }
                continue;
            }
            // A newer file was there before the last read, so this one gets no more.
            if !many {
                return Ok(());
            }
            self.rest.clear();
            self.queue.pop_front();
        }
    }

    /// Moves forward so that only the last `lines` lines are left.
    fn tail(&mut self, lines: u64) -> Result<()> {
        let mut counter = Tail { left: lines, newest: true };
        for index in (0..self.queue.len()).rev() {
            let begin = counter.find(&mut self.queue[index])?;
            self.queue[index].seek(SeekFrom::Start(begin.unwrap_or(0))).context("seek in the log")?;
            if begin.is_some() {
                self.queue.drain(..index);
                break;
            }
        }
        Ok(())
    }
}

/// (device, inode).
fn identity(file: &File) -> Result<(u64, u64)> {
    let meta = file.metadata().context("look at the log")?;
    Ok((meta.dev(), meta.ino()))
}

/// Cuts blocks into lines.
fn feed(rest: &mut Vec<u8>, mut block: &[u8], printer: &mut Printer) -> Result<()> {
    if !rest.is_empty() {
        let Some(end) = block.iter().position(|&b| b == b'\n') else {
            rest.extend_from_slice(block);
            return Ok(());
        };
        rest.extend_from_slice(&block[..=end]);
        printer.line(rest)?;
        rest.clear();
        block = &block[end + 1..];
    }
    for line in block.split_inclusive(|&b| b == b'\n') {
        if line.ends_with(b"\n") {
            printer.line(line)?;
        } else {
            rest.extend_from_slice(line);
        }
    }
    Ok(())
}

/// Counts lines backwards.
struct Tail {
    left: u64,
    /// Nothing was looked at yet: a last line without end counts as well.
    newest: bool,
}

impl Tail {
    /// Where the last `left` lines begin in this file; `None` when there are fewer.
    fn find(&mut self, file: &mut File) -> Result<Option<u64>> {
        let length = file.metadata().context("look at the log")?.len();
        let mut end = length;
        let mut tail: Vec<u8> = Vec::new();
        while end > 0 {
            let start = end.saturating_sub(BLOCK as u64);
            let mut block = vec![0; (end - start) as usize];
            file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut block)).context("read the log")?;
            block.extend_from_slice(&tail);
            // Lines that begin in this block, last first. Its first piece may belong to a line of the block before.
            let mut stop = block.len();
            let mut at = block.len().saturating_sub(1);
            while let Some(newline) = block[..at].iter().rposition(|&b| b == b'\n') {
                if self.line(&block[newline + 1..stop]) {
                    return Ok(Some(start + stop as u64));
                }
                (stop, at) = (newline + 1, newline);
            }
            if start == 0 && stop > 0 && self.line(&block[..stop]) {
                return Ok(Some(start + stop as u64));
            }
            block.truncate(stop);
            tail = block;
            end = start;
        }
        Ok(None)
    }

    /// True when this line is the first one too many.
    fn line(&mut self, line: &[u8]) -> bool {
        let whole = line.get(TAG) == Some(&b'F');
        // The end of a line, or the newest piece of an unfinished one, makes one line more.
        if whole || self.newest {
            if self.left == 0 {
                return true;
            }
            self.left -= 1;
        }
        self.newest = false;
        false
    }
}

/// Filters lines and joins their text.
struct Printer<'a> {
    sink: &'a mut dyn LogSink,
    since: Option<[u8; STAMP]>,
    until: Option<[u8; STAMP]>,
    timestamps: bool,
    /// stdout, stderr: in the middle of a line.
    within: [bool; 2],
    out: Vec<u8>,
    stderr: bool,
    /// A line after `until` was seen.
    past_end: bool,
}

impl<'a> Printer<'a> {
    fn new(options: &LogOptions, sink: &'a mut dyn LogSink) -> Printer<'a> {
        Printer {
            sink,
            since: options.since.map(stamp),
            until: options.until.map(stamp),
            timestamps: options.timestamps,
            within: [false; 2],
            out: Vec::with_capacity(BLOCK),
            stderr: false,
            past_end: false,
        }
    }

    /// One line of the file with its newline. Lines that are none of ours (torn by a full disk) are passed over.
    fn line(&mut self, line: &[u8]) -> Result<()> {
        let stderr = match line.get(STAMP + 1..TAG) {
            Some(b"stdout ") => false,
            Some(b"stderr " | b"engine ") => true,
            _ => return Ok(()),
        };
        let ours = line[STAMP + 1..].starts_with(ENGINE.as_bytes());
        let (Some(time), Some(tag), Some(text)) = (line.get(..STAMP), line.get(TAG), line.get(TEXT..)) else {
            return Ok(());
        };
        // Fixed width and UTC: times compare as texts.
        if self.since.as_ref().is_some_and(|since| time < &since[..]) {
            return Ok(());
        }
        if self.until.as_ref().is_some_and(|until| time > &until[..]) {
            self.past_end = true;
            return Ok(());
        }
        if ours {
            self.flush()?;
            return self.sink.gap(String::from_utf8_lossy(text).trim_end());
        }
        if stderr != self.stderr || self.out.len() >= BLOCK {
            self.flush()?;
            self.stderr = stderr;
        }
        let within = &mut self.within[usize::from(stderr)];
        if self.timestamps && !*within {
            self.out.extend_from_slice(time);
            self.out.push(b' ');
        }
        *within = *tag != b'F';
        let text = if *within { text.strip_suffix(b"\n").unwrap_or(text) } else { text };
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = self.sink.write(self.stderr, &self.out);
        self.out.clear();
        written
    }
}

fn stamp(time: Timestamp) -> [u8; STAMP] {
    let text = format!("{time:.9}");
    // Years beyond 9999 don't fit: nothing is that late.
    text.as_bytes().first_chunk::<STAMP>().copied().unwrap_or([b'9'; STAMP])
}

/// Learns of new lines and of the container's end.
struct Follower {
    watch: OwnedFd,
    /// Name of the newest log file, and how often one was begun.
    name: CString,
    rotated: u64,
    monitor: Option<OwnedFd>,
    life: OwnedFd,
}

impl Follower {
    fn new(ctx: &Ctx, container: &Container, path: &Path) -> Result<Follower> {
        let watch =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).context("make an inotify")?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let events = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_FROM;
        inotify::add_watch(&watch, dir, events).with_context(|| format!("watch {}", dir.display()))?;
        let life = Life::probe(&container.dir.life())?;
        let name = CString::new(path.file_name().unwrap_or_default().as_bytes())
            .map_err(|_| Error::user(format!("follow {}: NUL in its name", path.display())))?;
        Ok(Follower { watch, name, rotated: 0, monitor: wait::listen(ctx, container), life })
    }

    /// How many log files were begun since the watch is set.
    fn rotations(&mut self) -> u64 {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut space);
        while let Ok(event) = events.next() {
            let created = event.events().contains(inotify::ReadFlags::CREATE);
            // After an overflow nobody knows how many.
            let many = event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW);
            if many || created && event.file_name() == Some(&self.name) {
                self.rotated += 1;
            }
        }
        self.rotated
    }

    /// The container has ended for good: nothing will be written any more.
    fn ended(&mut self) -> bool {
        let mut buffer = [0; 64];
        while let Some(monitor) = &self.monitor {
            match proto::recv(monitor.as_fd(), &mut buffer, false) {
                Ok(Some((proto::EXIT, payload))) => {
                    if proto::parse_exit(payload).is_some_and(|(_, last)| last) {
                        return true;
                    }
                }
                Ok(Some(_)) => {}
                Err(rustix::io::Errno::AGAIN) => return false,
                Ok(None) | Err(_) => self.monitor = None,
            }
        }
        !Life::held_fd(&self.life).unwrap_or(false)
    }

    fn wait(&mut self) -> Result<()> {
        let mut fds = vec![PollFd::new(&self.watch, PollFlags::IN)];
        fds.extend(self.monitor.iter().map(|m| PollFd::new(m, PollFlags::IN)));
        // Without a monitor to tell of the end the life lock has to be looked at.
        let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let timeout = if self.monitor.is_some() { None } else { Some(&pause) };
        match rustix::event::poll(&mut fds, timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(crate::error::IntoError::context(e, "wait for log lines")),
        }
        self.rotations();
        Ok(())
    }
}
