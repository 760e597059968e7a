//! The monitor's ends of the container's standard streams.

use crate::error::{Context, Result};
use crate::runtime::Stdio;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Our ends; all of them never block.
#[derive(Debug, Default)]
pub struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// stdin and stdout are one pty.
    pub tty: bool,
    /// Input that the container has not taken yet: (client, data, offset).
    pending: VecDeque<(u64, Vec<u8>, usize)>,
    /// Close stdin when `pending` is empty.
    eof: bool,
}

/// What became of some input.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// So many bytes of this client are done with.
    Taken(u64, usize),
    /// The container has closed its stdin, or it is at its end.
    Closed,
}

impl Streams {
    /// Pipes for the container, or its end of things with a pty. Without `stdin` it reads /dev/null.
    pub fn new(tty: bool, stdin: bool) -> Result<(Streams, Stdio)> {
        if tty {
            return Ok((Streams { tty: true, ..Streams::default() }, Stdio::Pty));
        }
        let (in_theirs, in_ours) = if stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .context("open /dev/null")?;
            (null, None)
        };
        let (out_ours, out_theirs) = pipe()?;
        let (err_ours, err_theirs) = pipe()?;
        for fd in [Some(&out_ours), Some(&err_ours), in_ours.as_ref()].into_iter().flatten() {
            unblock(fd)?;
        }
        let ours = Streams {
            stdin: in_ours,
            stdout: Some(out_ours),
            stderr: Some(err_ours),
            tty: false,
            ..Streams::default()
        };
        Ok((ours, Stdio::Pipes { stdin: in_theirs, stdout: out_theirs, stderr: err_theirs }))
    }

    /// Takes the pty's master side; without `stdin` nothing is ever written to it.
    pub fn set_master(&mut self, master: OwnedFd, stdin: bool) -> Result<()> {
        unblock(&master)?;
        if stdin {
            self.stdin = Some(master.try_clone().context("duplicate the pty")?);
        }
        self.stdout = Some(master);
        Ok(())
    }

    /// Our end of an output pipe goes: the container's next write there is its SIGPIPE. A pty stays.
    pub fn close_output(&mut self, stderr: bool) {
        if !self.tty {
            *(if stderr { &mut self.stderr } else { &mut self.stdout }) = None;
        }
    }

    /// The window size of the pty.
    pub fn resize(&self, rows: u16, columns: u16) {
        if let (true, Some(master)) = (self.tty, &self.stdout) {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(master, size);
        }
    }

    /// Input waits for the container to read.
    pub fn wants_write(&self) -> Option<BorrowedFd<'_>> {
        (!self.pending.is_empty()).then_some(())?;
        self.stdin.as_ref().map(AsFd::as_fd)
    }

    /// Queues input of a client.
    pub fn feed(&mut self, client: u64, data: Vec<u8>, fates: &mut Vec<Fate>) {
        if self.stdin.is_none() || self.eof {
            fates.push(Fate::Taken(client, data.len()));
            return;
        }
        self.pending.push_back((client, data, 0));
        self.push(fates);
    }

    /// No more input: a pipe is closed, a terminal gets its end-of-file character (VEOF of a new pty, termios(3)).
    pub fn end(&mut self, fates: &mut Vec<Fate>) {
        if self.eof || self.stdin.is_none() {
            return;
        }
        // Other clients may still type at a terminal.
        match self.tty {
            true => self.pending.push_back((0, vec![4], 0)),
            false => self.eof = true,
        }
        self.push(fates);
    }

    /// Writes as much as the container takes.
    pub fn push(&mut self, fates: &mut Vec<Fate>) {
        while let (Some(stdin), Some((client, data, offset))) = (&self.stdin, self.pending.front_mut()) {
            match rustix::io::write(stdin, &data[*offset..]) {
                Ok(written) => {
                    *offset += written;
                    if *client > 0 {
                        fates.push(Fate::Taken(*client, written));
                    }
                    if *offset == data.len() {
                        self.pending.pop_front();
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => return self.close(fates),
            }
        }
        if self.eof {
            self.close(fates);
        }
    }

    /// The container does not read any more, or has ended.
    pub fn close(&mut self, fates: &mut Vec<Fate>) {
        if self.stdin.take().is_none() {
            return;
        }
        for (client, data, offset) in self.pending.drain(..).filter(|p| p.0 > 0) {
            fates.push(Fate::Taken(client, data.len() - offset));
        }
        fates.push(Fate::Closed);
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("make a pipe")
}

fn unblock(fd: &OwnedFd) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd).context("read descriptor flags")?;
    rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK).context("make a descriptor non-blocking")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_stdin_with_back_pressure_and_closes_it() {
        let (mut ours, theirs) = Streams::new(false, true).unwrap();
        let Stdio::Pipes { stdin, .. } = theirs else { panic!() };
        let mut fates = Vec::new();
        ours.feed(1, vec![1; 100_000], &mut fates);
        ours.end(&mut fates);
        assert!(ours.wants_write().is_some() && !fates.contains(&Fate::Closed));
        let mut total = 0;
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&stdin, &mut buffer).unwrap() {
                0 => break,
                n => total += n,
            }
            ours.push(&mut fates);
        }
        assert_eq!(total, 100_000);
        let taken: usize = fates.iter().map(|f| if let Fate::Taken(1, n) = f { *n } else { 0 }).sum();
        assert_eq!((taken, fates.last()), (100_000, Some(&Fate::Closed)));
    }

    #[test]
    fn a_closed_stdin_swallows_input() {
        let (mut ours, theirs) = Streams::new(false, true).unwrap();
        drop(theirs);
        let mut fates = Vec::new();
        ours.feed(7, vec![1; 10], &mut fates);
        assert_eq!(fates, [Fate::Taken(7, 10), Fate::Closed]);
        fates.clear();
        ours.feed(7, vec![1; 5], &mut fates);
        assert_eq!(fates, [Fate::Taken(7, 5)]);
        let (mut without, _) = Streams::new(false, false).unwrap();
        fates.clear();
        without.feed(1, vec![1], &mut fates);
        without.end(&mut fates);
        assert_eq!(fates, [Fate::Taken(1, 1)]);
    }
}
