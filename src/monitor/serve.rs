//! The monitor's loop: one thread, one poll(2) over everything that can happen to a container.

use super::clients::{Clients, Request};
use super::incarnation::Incarnation;
use super::log::LogWriter;
use super::proto;
use super::stdio::Fate;
use crate::error::{Context, IntoError, Result};
use crate::state::boot;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{WaitId, WaitIdOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a container may outlive a helper that ended because of its end.
const FAREWELL: Duration = Duration::from_millis(100);

/// What serves all incarnations of one container.
pub struct Server {
    pub clients: Clients,
    pub log: LogWriter,
    signals: SignalFd,
    buffer: Vec<u8>,
    /// The container goes with its foreground client's pipeline (`--rm`): its log is nobody's, so when nobody reads
    /// its output any more, its writes are to fail as those of any filter do.
    pipeline: bool,
    /// A foreground client's stdin is at its end: so is that of later incarnations.
    stdin_ended: bool,
    /// SIGTERM came: the machine or the session goes down. The container is stopped and not restarted.
    pub terminating: bool,
    kill_at: Option<Instant>,
    /// When to return [`Served::Settled`].
    pub settle_at: Option<Instant>,
    /// Clients that wait for a change of the container.
    reconnects: Vec<u64>,
    /// The container's files changed while it did not run.
    pub changed: bool,
}

/// How an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Exit code, or 128 + signal.
    pub code: i32,
    pub signal: i32,
}

/// Why [`Server::serve`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Ended(End),
    /// A helper of the network died under a container that lives on.
    HelperDied,
    /// `settle_at` has come.
    Settled,
    /// This client wants the container to be what its files say now.
    Changed(u64),
}

#[derive(Clone, Copy)]
enum Source {
    Init,
    Stdout,
    Stderr,
    Stdin,
    Listener,
    Signal,
    Client(u64),
    Helper(usize),
    Wish,
}

impl Server {
    /// Takes over the signals of this process.
    pub fn new(clients: Clients, log: LogWriter, pipeline: bool) -> Result<Server> {
        let mut set = SigSet::empty();
        for signal in
            [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2]
        {
            set.add(signal);
        }
        set.thread_block().context("block signals")?;
        let signals =
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("make a signalfd")?;
        Ok(Server {
            clients,
            log,
            signals,
            buffer: Vec::new(),
            pipeline,
            stdin_ended: false,
            terminating: false,
            kill_at: None,
            settle_at: None,
            reconnects: Vec::new(),
            changed: false,
        })
    }

    /// Serves one incarnation to its end, or to that of a helper. `mourned`: helpers that are known to be dead.
    pub fn serve(
        &mut self,
        inc: &mut Incarnation,
        stop_signal: i32,
        patience: Duration,
        mourned: &mut Vec<usize>,
    ) -> Result<Served> {
        if self.stdin_ended {
            self.end_stdin(inc);
        }
        if self.buffer.is_empty() {
            // Fresh from the kernel after the heap was trimmed: pages that are never needed are never there.
            self.buffer = vec![0; proto::CHUNK + 1];
        }
        loop {
            let ready = self.wait(Some(inc), mourned, None, self.kill_at.into_iter().chain(self.settle_at).min())?;
            for source in ready {
                match source {
                    Source::Init => {
                        self.drain(inc);
                        return reap(&inc.pidfd).map(Served::Ended);
                    }
                    Source::Stdout => self.pump(inc, false),
                    Source::Stderr => self.pump(inc, true),
                    Source::Stdin => {
                        let mut fates = Vec::new();
                        inc.streams.push(&mut fates);
                        self.tell(fates);
                    }
                    Source::Signal => {
                        if self.take_signals() && !self.terminating {
                            self.terminating = true;
                            let _ = boot::signal(&inc.pidfd, stop_signal);
                            self.kill_at = Some(Instant::now() + patience);
                        }
                    }
                    Source::Helper(index) => {
                        mourned.push(index);
                        // Helpers end with the network namespace, a moment before the container's own end shows.
                        if !ends_within(&inc.pidfd, FAREWELL) {
                            return Ok(Served::HelperDied);
                        }
                    }
                    Source::Listener => self.clients.accept(),
                    Source::Client(number) => self.client(number, Some(inc)),
                    Source::Wish => {}
                }
            }
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.kill_at = None;
                let _ = boot::signal(&inc.pidfd, libc::SIGKILL);
            }
            if self.settle_at.is_some_and(|at| Instant::now() >= at) {
                self.settle_at = None;
                return Ok(Served::Settled);
            }
            if let Some(client) = self.reconnects.pop() {
                return Ok(Served::Changed(client));
            }
        }
    }

    /// Waits between two incarnations; false when `wish` (an inotify descriptor) or a signal interrupted the wait.
    pub fn pause(&mut self, until: Instant, wish: &OwnedFd) -> Result<bool> {
        while Instant::now() < until {
            for source in self.wait(None, &[], Some(wish.as_fd()), Some(until))? {
                match source {
                    Source::Wish => {
                        let _ = rustix::io::read(wish, &mut self.buffer[..4096]);
                        return Ok(false);
                    }
                    Source::Signal if self.take_signals() => {
                        self.terminating = true;
                        return Ok(false);
                    }
                    Source::Listener => self.clients.accept(),
                    Source::Client(number) => self.client(number, None),
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    /// Stays until all clients have read what was for them, or are gone.
    pub fn flush(&mut self) -> Result<()> {
        while !self.clients.flushed() {
            for source in self.wait(None, &[], None, None)? {
                match source {
                    Source::Client(number) => self.client(number, None),
                    Source::Signal => drop(self.take_signals()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn wait(
        &self,
        inc: Option<&Incarnation>,
        mourned: &[usize],
        wish: Option<BorrowedFd>,
        until: Option<Instant>,
    ) -> Result<Vec<Source>> {
        let mut sources: Vec<(Source, BorrowedFd, PollFlags)> = Vec::with_capacity(16);
        if let Some(inc) = inc {
            sources.push((Source::Init, inc.pidfd.as_fd(), PollFlags::IN));
            // A descriptor whose event we don't want now must not be in the set: POLLHUP can't be masked.
            if !self.clients.hold_output() {
                let outputs = [(Source::Stdout, &inc.streams.stdout), (Source::Stderr, &inc.streams.stderr)];
                for (source, fd) in outputs {
                    if let Some(fd) = fd {
                        sources.push((source, fd.as_fd(), PollFlags::IN));
                    }
                }
            }
            if let Some(fd) = inc.streams.wants_write() {
                sources.push((Source::Stdin, fd, PollFlags::OUT));
            }
            for (index, helper) in inc.net.iter().flat_map(|n| n.helpers.iter()).enumerate() {
                if !mourned.contains(&index) {
                    sources.push((Source::Helper(index), helper.pidfd.as_fd(), PollFlags::IN));
                }
            }
        }
        if let Some(listener) = self.clients.listener() {
            sources.push((Source::Listener, listener, PollFlags::IN));
        }
        if let Some(wish) = wish {
            sources.push((Source::Wish, wish, PollFlags::IN));
        }
        sources.push((Source::Signal, self.signals.as_fd(), PollFlags::IN));
        for client in self.clients.iter() {
            let room = if client.pending() { PollFlags::OUT } else { PollFlags::empty() };
            sources.push((Source::Client(client.number), client.fd.as_fd(), PollFlags::IN | room));
        }
        let mut fds: Vec<PollFd> = sources.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(100);
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
        });
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(e) => return Err(e.context("wait for events")),
        }
        let ready =
            sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|((source, ..), _)| *source);
        // Output first: what the container wrote before it ended comes before its end.
        let (last, mut first): (Vec<Source>, Vec<Source>) = ready.partition(|s| matches!(s, Source::Init));
        first.extend(last);
        Ok(first)
    }

    /// Copies one buffer of output to the log and the clients. False at its end.
    fn copy(&mut self, inc: &mut Incarnation, stderr: bool) -> Copied {
        let slot = if stderr { &mut inc.streams.stderr } else { &mut inc.streams.stdout };
        let Some(fd) = slot else { return Copied::End };
        match rustix::io::read(&*fd, &mut self.buffer[..proto::CHUNK]) {
            Ok(0) => {}
            Ok(length) => {
                self.log.write(stderr, &self.buffer[..length]);
                self.clients.output(stderr, &self.buffer[..length]);
                return Copied::Some;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Copied::Nothing,
            // EIO: nobody has the pty open any more.
            Err(_) => {}
        }
        *slot = None;
        Copied::End
    }

    fn pump(&mut self, inc: &mut Incarnation, stderr: bool) {
        self.copy(inc, stderr);
        self.bury(Some(inc));
    }

    /// The last output. The kernel has ended all processes of the pid namespace, so pipes and pty are at their end
    /// after it, unless somebody outside (`--pid=host`, a passed descriptor) has them: that one gets a second.
    fn drain(&mut self, inc: &mut Incarnation) {
        let deadline = Instant::now() + Duration::from_secs(1);
        for stderr in [false, true] {
            loop {
                match self.copy(inc, stderr) {
                    Copied::Some => {}
                    Copied::End => break,
                    Copied::Nothing if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                    Copied::Nothing => break,
                }
            }
        }
        let mut fates = Vec::new();
        inc.streams.close(&mut fates);
        fates.retain(|fate| *fate != Fate::Closed);
        self.tell(fates);
        self.bury(None);
    }

    fn client(&mut self, number: u64, inc: Option<&mut Incarnation>) {
        let mut requests = Vec::new();
        self.clients.writable(number);
        let mut buffer = std::mem::take(&mut self.buffer);
        self.clients.readable(number, &mut buffer, &mut requests);
        self.buffer = buffer;
        self.clients.bury(&mut requests);
        self.perform(requests, inc);
    }

    fn bury(&mut self, inc: Option<&mut Incarnation>) {
        let mut requests = Vec::new();
        self.clients.bury(&mut requests);
        self.perform(requests, inc);
    }

    fn perform(&mut self, requests: Vec<Request>, mut inc: Option<&mut Incarnation>) {
        for request in requests {
            let mut fates = Vec::new();
            match (request, inc.as_deref_mut()) {
                (Request::Stdin { client, data }, Some(inc)) => inc.streams.feed(client, data, &mut fates),
                (Request::Stdin { client, data }, None) => fates.push(Fate::Taken(client, data.len())),
                (Request::StdinEof, Some(inc)) => self.end_stdin(inc),
                (Request::StdinEof, None) => self.stdin_ended = true,
                (Request::Resize { rows, columns }, Some(inc)) => inc.streams.resize(rows, columns),
                (Request::OutputClosed { stderr }, Some(inc)) if self.pipeline => inc.streams.close_output(stderr),
                (Request::Changed { client }, Some(_)) => self.reconnects.push(client),
                // Between two incarnations: the next one follows the files.
                (Request::Changed { client }, None) => {
                    self.changed = true;
                    self.clients.send(client, proto::CHANGED, b"{\"Ok\":null}");
                }
                (Request::Resize { .. } | Request::OutputClosed { .. }, _) => {}
            }
            self.tell(fates);
        }
    }

    fn end_stdin(&mut self, inc: &mut Incarnation) {
        self.stdin_ended = true;
        let mut fates = Vec::new();
        inc.streams.end(&mut fates);
        self.tell(fates);
    }

    fn tell(&mut self, fates: Vec<Fate>) {
        for fate in fates {
            match fate {
                Fate::Taken(client, bytes) => self.clients.acknowledge(client, bytes),
                Fate::Closed => self.clients.broadcast(proto::STDIN_CLOSED, &[]),
            }
        }
    }

    /// True for SIGTERM; the terminal's signals are not for us.
    fn take_signals(&mut self) -> bool {
        let mut terminate = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            terminate |= info.ssi_signo == libc::SIGTERM as u32;
        }
        terminate
    }
}

enum Copied {
    Some,
    Nothing,
    End,
}

fn ends_within(pidfd: &OwnedFd, patience: Duration) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
    rustix::event::poll(&mut fds, Some(&timeout)).is_ok_and(|n| n > 0)
}

fn reap(pidfd: &OwnedFd) -> Result<End> {
    loop {
        match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                let signal = status.terminating_signal().unwrap_or(0);
                let code = status.exit_status().unwrap_or(128 + signal);
                return Ok(End { code, signal });
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.context("reap the container's init")),
        }
    }
}
