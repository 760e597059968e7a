//! The relay between the caller's standard streams and an attached container.
//!
//! One thread, one poll(2). Output is taken from the monitor only when the former piece is written, so a slow reader
//! of ours slows the container and nothing is ever lost; writes never block, so signals always get through.

use super::attach::Attachment;
use super::output::Output;
use super::start::AttachStreams;
use super::term::{DetachKeys, DetachMatcher, RawGuard, window_size};
use super::{Ctx, stop};
use crate::error::{Context, Error, IntoError, Kind, Result};
use crate::monitor::proto;
use crate::state::containers;
use crate::state::lock::Life;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long the monitor may take to record an exit that it could not announce.
const RECORD: Duration = Duration::from_secs(10);

/// How to relay.
#[derive(Debug, Default)]
pub struct RelayOptions {
    /// Pass signals on to the container.
    pub sig_proxy: bool,
    pub detach_keys: DetachKeys,
    /// The caller's terminal in raw mode, where it is one.
    pub raw: Option<RawGuard>,
}

/// How an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// The container ended with this code.
    Exited(i32),
    /// The user typed the detach keys; the container goes on.
    Detached,
}

/// Copies between fds 0, 1, 2 and the container until it ends or the user detaches.
pub fn relay(ctx: &Ctx, attachment: Attachment, options: RelayOptions) -> Result<AttachEnd> {
    Relay::new(ctx, attachment, options)?.run()
}

struct Relay<'a> {
    ctx: &'a Ctx,
    to: Attachment,
    options: RelayOptions,
    keys: DetachMatcher,
    signals: SignalFd,
    pidfd: Option<OwnedFd>,
    outputs: [Output; 2],
    /// Output not written yet: which of `outputs`, and how much of `buffer` from where to where.
    pending: Option<(usize, usize, usize)>,
    buffer: Vec<u8>,
    /// Input may be read.
    reading: bool,
    /// Bytes of stdin on the way.
    unacked: usize,
}

/// What one step says about the end.
type Step = Result<Option<AttachEnd>>;

impl<'a> Relay<'a> {
    fn new(ctx: &'a Ctx, to: Attachment, options: RelayOptions) -> Result<Relay<'a>> {
        let signals = take_signals(options.sig_proxy, options.raw.is_some())?;
        let AttachStreams { stdin, .. } = to.streams;
        let relay = Relay {
            ctx,
            // Only what is typed at a terminal: data in a pipe may hold the keys' bytes.
            keys: if to.tty { options.detach_keys.matcher() } else { DetachKeys::none().matcher() },
            options,
            signals,
            pidfd: None,
            outputs: [Output::new(rustix::stdio::stdout()), Output::new(rustix::stdio::stderr())],
            pending: None,
            buffer: vec![0; proto::CHUNK + 1],
            reading: stdin,
            unacked: 0,
            to,
        };
        relay.resize();
        Ok(relay)
    }

    fn run(mut self) -> Result<AttachEnd> {
        loop {
            let (signal, output, monitor, input) = self.wait()?;
            let mut end = None;
            if signal {
                end = end.or(self.signal()?);
            }
            if output {
                self.write()?;
            }
            if monitor && self.pending.is_none() {
                end = end.or(self.receive()?);
            }
            if input {
                end = end.or(self.input()?);
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Which of signals, pending output, the monitor and stdin are ready.
    fn wait(&self) -> Result<(bool, bool, bool, bool)> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        match self.pending {
            Some((which, ..)) => fds.push(PollFd::from_borrowed_fd(self.outputs[which].fd, PollFlags::OUT)),
            None => fds.push(PollFd::new(&self.to.fd, PollFlags::IN)),
        }
        let open = self.reading && self.unacked + proto::CHUNK <= proto::STDIN_WINDOW;
        if open {
            fds.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.context("wait for the container")),
        }
        let ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
        let second = ready(1);
        Ok((ready(0), second && self.pending.is_some(), second && self.pending.is_none(), open && ready(2)))
    }

    fn receive(&mut self) -> Step {
        let mut buffer = std::mem::take(&mut self.buffer);
        let frame = proto::recv(self.to.fd.as_fd(), &mut buffer, false);
        let seen = match frame {
            Ok(Some((kind, payload))) => Ok(Some((kind, payload.len()))),
            Ok(None) => Ok(None),
            Err(e) => Err(e),
        };
        self.buffer = buffer;
        let (kind, length) = match seen {
            Ok(Some(frame)) => frame,
            Err(Errno::AGAIN) => return Ok(None),
            Ok(None) | Err(_) => return self.lost().map(Some),
        };
        let payload = 1..1 + length;
        match kind {
            proto::STDOUT | proto::STDERR => {
                let which = usize::from(kind == proto::STDERR);
                if !self.outputs[which].broken {
                    self.pending = Some((which, payload.start, payload.end));
                    self.write()?;
                }
            }
            proto::ACK => {
                let bytes = self.buffer[payload].first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b));
                self.unacked = self.unacked.saturating_sub(bytes as usize);
            }
            proto::STDIN_CLOSED => self.close_input(),
            proto::EXIT => {
                if let Some((code, true)) = proto::parse_exit(&self.buffer[payload]) {
                    return Ok(Some(AttachEnd::Exited(code)));
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn write(&mut self) -> Result<()> {
        let Some((which, start, end)) = self.pending else { return Ok(()) };
        let written = self.outputs[which].write(&self.buffer[start..end])?;
        if self.outputs[which].broken {
            self.send(proto::OUTPUT_CLOSED, &[which as u8]);
        }
        let left = start + written < end && !self.outputs[which].broken;
        self.pending = left.then_some((which, start + written, end));
        Ok(())
    }

    /// The container reads no more: neither do we, so whoever feeds us gets a SIGPIPE as in any pipeline.
    fn close_input(&mut self) {
        self.reading = false;
        if self.options.raw.is_none()
            && let Ok(null) = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
        {
            let _ = rustix::stdio::dup2_stdin(null);
        }
    }

    fn input(&mut self) -> Step {
        let mut data = vec![0; proto::CHUNK];
        match rustix::io::read(rustix::stdio::stdin(), &mut data) {
            // In raw mode the key for the end of input is a byte like others: the terminal is gone.
            Ok(0) | Err(Errno::IO) if self.options.raw.is_some() => return self.hung_up().map(Some),
            Ok(0) => self.end_input(),
            Ok(length) => {
                let fed = self.keys.feed(&data[..length]);
                for piece in fed.forward.chunks(proto::CHUNK) {
                    self.unacked += piece.len();
                    self.send(proto::STDIN, piece);
                }
                if fed.detached {
                    self.send(proto::DETACH, &[]);
                    return Ok(Some(AttachEnd::Detached));
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: the terminal is gone, or we are in its background.
            Err(_) => self.end_input(),
        }
        Ok(None)
    }

    /// The terminal went away: the container goes on, nobody is left to see it.
    fn hung_up(&self) -> Result<AttachEnd> {
        self.send(proto::DETACH, &[]);
        Err(Error::new(Kind::Interrupted, "attach: the terminal was closed"))
    }

    fn end_input(&mut self) {
        self.reading = false;
        self.send(proto::STDIN_EOF, &[]);
    }

    /// A monitor that has gone shows at the next receive.
    fn send(&self, kind: u8, payload: &[u8]) {
        let _ = proto::send(self.to.fd.as_fd(), kind, payload, true);
    }

    fn resize(&self) {
        let size = window_size(rustix::stdio::stdin()).or_else(|| window_size(rustix::stdio::stdout()));
        if let (true, Some((rows, columns))) = (self.to.tty, size) {
            let [r, c] = [rows.to_le_bytes(), columns.to_le_bytes()];
            self.send(proto::RESIZE, &[r[0], r[1], c[0], c[1]]);
        }
    }

    fn signal(&mut self) -> Step {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = info.ssi_signo as i32;
            match number {
                libc::SIGWINCH => self.resize(),
                libc::SIGTSTP => {
                    if let Some(raw) = &self.options.raw {
                        raw.suspend()?;
                        self.resize();
                    }
                }
                libc::SIGHUP if self.options.raw.is_some() => return self.hung_up().map(Some),
                _ if self.options.sig_proxy => self.forward(number),
                _ => {
                    self.send(proto::DETACH, &[]);
                    return Err(Error::new(Kind::Interrupted, "attach: interrupted; the container goes on"));
                }
            }
        }
        Ok(None)
    }

    /// To PID 1 directly: the kernel lets the owner of a user namespace signal its processes.
    fn forward(&mut self, number: i32) {
        if self.pidfd.is_none()
            && let Ok(container) = containers::load(&self.ctx.paths, &self.to.id)
        {
            self.pidfd = stop::process(&container).ok().flatten();
        }
        if let Some(pidfd) = &self.pidfd
            && !stop::signal(pidfd, number).unwrap_or(true)
        {
            // It has been restarted by its policy: the next signal goes to its successor.
            self.pidfd = None;
        }
    }

    /// The connection ended without a word about the exit.
    fn lost(&self) -> Result<AttachEnd> {
        let named = |what: &str| Error::new(Kind::Io, format!("attach to container {}: {what}", &self.to.id[..12]));
        if !Life::wait(&self.to.life, Some(Duration::from_millis(200)))? {
            let container = containers::load(&self.ctx.paths, &self.to.id)?;
            if container.active() {
                return Err(named("the monitor closed the connection")
                    .hint("output was not read fast enough; `coracle logs` has all of it"));
            }
            Life::wait(&self.to.life, Some(RECORD))?;
        }
        let container = containers::load(&self.ctx.paths, &self.to.id)
            .map_err(|_| named("it was removed, its exit code is lost"))?;
        if container.stale || container.state.error == "monitor lost" {
            super::recover::repair_idle(self.ctx, &self.to.id);
            return Err(named("its monitor died, and the container with it"));
        }
        Ok(AttachEnd::Exited(container.state.exit_code))
    }
}

/// Signals that come to us instead of doing what they do.
fn take_signals(proxy: bool, raw: bool) -> Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGWINCH);
    if proxy {
        // FEATURES 3.4: all but those of children, pipes, urgent data and job control; and none that mean a fault here.
        for signal in Signal::iterator() {
            if !matches!(
                signal,
                Signal::SIGCHLD
                    | Signal::SIGPIPE
                    | Signal::SIGURG
                    | Signal::SIGSTOP
                    | Signal::SIGKILL
                    | Signal::SIGTSTP
                    | Signal::SIGTTIN
                    | Signal::SIGTTOU
                    | Signal::SIGCONT
                    | Signal::SIGSEGV
                    | Signal::SIGBUS
                    | Signal::SIGFPE
                    | Signal::SIGILL
                    | Signal::SIGABRT
                    | Signal::SIGTRAP
                    | Signal::SIGSYS
            ) {
                set.add(signal);
            }
        }
    }
    if raw {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP] {
            set.add(signal);
        }
    }
    set.thread_block().context("block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("make a signalfd")
}
