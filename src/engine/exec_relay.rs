//! What `exec` without a terminal copies between the caller's standard streams and the process.
//!
//! The process has pipes of its own: through a file of the host's in /proc/self/fd it could open that file anew, with
//! other rights than the caller gave it, read what else is written there, or find its way out of a directory.

use super::output::Output;
use crate::error::{Context, Result};
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};

const CHUNK: usize = 64 << 10;

/// Our ends of the process's streams.
#[derive(Debug)]
pub(super) struct Pipes {
    /// None: the process reads /dev/null, or nothing any more.
    stdin: Option<OwnedFd>,
    typed: Piece,
    outputs: [Copy; 2],
}

/// From a pipe of the process to a stream of the caller.
#[derive(Debug)]
struct Copy {
    from: Option<OwnedFd>,
    to: Output,
    piece: Piece,
}

/// Bytes on their way.
#[derive(Debug, Default)]
struct Piece {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Piece {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads the next bytes: how many, 0 at the end; `None` when there are none now.
    fn fill(&mut self, from: impl AsFd) -> std::result::Result<Option<usize>, Errno> {
        self.buffer.resize(CHUNK, 0);
        match rustix::io::read(from, &mut self.buffer[..]) {
            Ok(n) => {
                (self.start, self.end) = (0, n);
                Ok(Some(n))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

/// stdin, stdout and stderr of a process.
pub(super) type Streams = (OwnedFd, OwnedFd, OwnedFd);

/// Pipes for a process, which reads from the caller's stdin if `stdin`.
pub(super) fn pipes(stdin: bool) -> Result<(Pipes, Streams)> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context("make a pipe");
    let ours = |fd: OwnedFd| -> Result<OwnedFd> {
        rustix::fs::fcntl_setfl(&fd, OFlags::NONBLOCK).context("set up a pipe")?;
        Ok(fd)
    };
    let (their_in, our_in) = match stdin {
        true => pipe().and_then(|(read, write)| Ok((read, Some(ours(write)?))))?,
        false => (super::exec::null()?, None),
    };
    let (out, their_out) = pipe()?;
    let (err, their_err) = pipe()?;
    let copy = |from, to| -> Result<Copy> {
        Ok(Copy { from: Some(ours(from)?), to: Output::new(to), piece: Piece::default() })
    };
    let outputs = [copy(out, rustix::stdio::stdout())?, copy(err, rustix::stdio::stderr())?];
    Ok((Pipes { stdin: our_in, typed: Piece::default(), outputs }, (their_in, their_out, their_err)))
}

/// What poll(2) said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Process,
    Signals,
    /// The caller's stdin can be read, or the process's written.
    Input,
    /// Nobody reads the process's stdin any more.
    InputGone,
    Output(usize),
}

impl Pipes {
    /// Copies until the process has ended and all that it wrote is out. `signalled` passes on what `signals` has.
    pub fn run(&mut self, process: &OwnedFd, signals: &SignalFd, signalled: &dyn Fn() -> Result<()>) -> Result<()> {
        loop {
            let ready = self.wait(process, signals)?;
            if ready.contains(&Source::Signals) {
                signalled()?;
            }
            for (n, copy) in self.outputs.iter_mut().enumerate() {
                if ready.contains(&Source::Output(n)) {
                    copy.turn()?;
                }
            }
            if ready.contains(&Source::InputGone) {
                self.end_input(true);
            } else if ready.contains(&Source::Input) {
                self.feed();
            }
            if ready.contains(&Source::Process) {
                return self.outputs.iter_mut().try_for_each(Copy::drain);
            }
        }
    }

    fn wait(&self, process: &OwnedFd, signals: &SignalFd) -> Result<Vec<Source>> {
        let mut sources = vec![Source::Process, Source::Signals];
        let mut fds = vec![PollFd::new(process, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        if let Some(stdin) = &self.stdin {
            sources.extend([Source::Input, Source::InputGone]);
            fds.push(match self.typed.is_empty() {
                true => PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN),
                false => PollFd::new(stdin, PollFlags::OUT),
            });
            fds.push(PollFd::new(stdin, PollFlags::empty()));
        }
        for (n, copy) in self.outputs.iter().enumerate() {
            let fd = match &copy.from {
                _ if !copy.piece.is_empty() => PollFd::from_borrowed_fd(copy.to.fd, PollFlags::OUT),
                Some(from) => PollFd::new(from, PollFlags::IN),
                None => continue,
            };
            sources.push(Source::Output(n));
            fds.push(fd);
        }
        super::exec::wait_for(&mut fds)?;
        Ok(sources.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(source, _)| source).collect())
    }

    fn feed(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        if self.typed.is_empty() {
            match self.typed.fill(rustix::stdio::stdin()) {
                Ok(None) => return,
                Ok(Some(1..)) => {}
                Ok(Some(0)) | Err(_) => return self.end_input(false),
            }
        }
        match rustix::io::write(stdin, self.typed.bytes()) {
            Ok(n) => self.typed.start += n,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.end_input(true),
        }
    }

    /// Where nobody reads any more, neither do we: whoever feeds us gets a SIGPIPE as in any pipeline.
    fn end_input(&mut self, refused: bool) {
        (self.stdin, self.typed) = (None, Piece::default());
        if refused && let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            let _ = rustix::stdio::dup2_stdin(null);
        }
    }
}

impl Copy {
    /// Writes what is there; else reads more. False when there was nothing to do.
    fn turn(&mut self) -> Result<bool> {
        if self.piece.is_empty() {
            let Some(from) = &self.from else { return Ok(false) };
            return match self.piece.fill(from) {
                Ok(Some(1..)) => Ok(true),
                Ok(None) => Ok(false),
                Ok(Some(0)) | Err(_) => {
                    self.from = None;
                    Ok(false)
                }
            };
        }
        self.piece.start += self.to.write(self.piece.bytes())?;
        if self.to.broken {
            // The process shall see it, too.
            (self.from, self.piece) = (None, Piece::default());
        }
        Ok(true)
    }

    /// All that is in the pipe now: what others than the process write to it later is not waited for.
    fn drain(&mut self) -> Result<()> {
        while self.turn()? {
            if !self.piece.is_empty() {
                super::exec::wait_for(&mut [PollFd::from_borrowed_fd(self.to.fd, PollFlags::OUT)])?;
            }
        }
        Ok(())
    }
}
