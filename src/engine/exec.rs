//! `exec`: one more process in a running container.
//!
//! The process is a child of the calling CLI, which copies between the caller's streams and the process's pty, or its
//! pipes ([`exec_relay`](super::exec_relay)).

use super::Ctx;
use super::exec_relay::{self, Pipes};
use super::term::{DetachKeys, DetachMatcher, RawGuard, window_size};
use crate::error::{Context, Error, Result};
use crate::runtime::{self, ExecProcess, ExecRequest};
use crate::spec::model::Spec;
use crate::stage;
use crate::state::container::Status;
use crate::state::containers::{self, Container};
use crate::sys::process;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

/// Name of the stage that keeps the pty of a detached exec session alive.
pub const HOLD_STAGE: &str = "hold";
const CHUNK: usize = 32 << 10;

/// What to run.
#[derive(Debug, Default)]
pub struct ExecOptions {
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    pub cwd: Option<String>,
    pub user: Option<String>,
    pub privileged: bool,
    pub tty: bool,
    /// Pass stdin on; otherwise the process reads /dev/null.
    pub stdin: bool,
    pub detach: bool,
    /// Rows and columns of the caller's terminal.
    pub window: Option<(u16, u16)>,
}

/// How a foreground exec ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecEnd {
    Exited(i32),
    Detached,
}

/// A started exec session.
#[derive(Debug)]
pub struct Session {
    process: ExecProcess,
    signals: SignalFd,
    /// Without a terminal.
    pipes: Option<Pipes>,
    stdin: bool,
}

/// Starts the process in the running container `name`; returns once its program executes.
///
/// # Errors
/// `NotFound` for an unknown container, `Conflict` when it does not run, `CannotExec`/`CommandNotFound` for the program.
pub fn exec(ctx: &Ctx, name: &str, options: ExecOptions) -> Result<Session> {
    let container = super::ps::find(ctx, name)?;
    running(&container)?;
    if let Some(dir) = options.cwd.as_ref().filter(|dir| !dir.is_empty() && !dir.starts_with('/')) {
        return Err(Error::user(format!("read --workdir '{dir}': it is not absolute")));
    }
    let spec: Spec = containers::load_spec(&ctx.paths, &container.id)?;
    // Before the start: a signal that comes while the process starts is passed on afterwards instead of ending us.
    let signals = signals(options.tty)?;
    let (pipes, stdio) = match (options.tty, options.detach) {
        (true, _) => (None, None),
        (false, true) => (None, Some((null()?, null()?, null()?))),
        (false, false) => {
            let (pipes, theirs) = exec_relay::pipes(options.stdin)?;
            (Some(pipes), Some(theirs))
        }
    };
    let state = &container.state;
    let process = runtime::exec(ExecRequest {
        spec: &spec,
        init_pid: state.pid,
        start_ticks: state.start_ticks,
        args: options.args,
        env: options.env,
        cwd: options.cwd,
        user: options.user,
        privileged: options.privileged,
        tty: options.tty,
        window: options.window,
        stdio,
        detach: options.detach,
        cgroup: (!state.cgroup.is_empty()).then(|| PathBuf::from(&state.cgroup)),
    })
    .map_err(|e| e.context(format!("exec in container {}", container.name)))?;
    let mut session = Session { process, signals, pipes, stdin: options.stdin };
    if options.detach
        && let Some(master) = session.process.pty_master.take()
    {
        hold(&master)?;
    }
    Ok(session)
}

fn running(container: &Container) -> Result<()> {
    container.sound()?;
    match container.state.status {
        Status::Running => Ok(()),
        Status::Paused => Err(Error::conflict(format!("exec in container {}: it is paused", container.name))),
        _ => Err(Error::conflict(format!("exec in container {}: it is not running", container.name))
            .hint(format!("coracle start {}", container.name))),
    }
}

pub(super) fn null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty()).context("open /dev/null")
}

/// The process leads a session of its own, so the keyboard's signals reach us alone: they are passed on like those of
/// `kill` and `timeout`. With a pty the keys reach it as characters.
fn signals(tty: bool) -> Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGQUIT, Signal::SIGINT] {
        set.add(signal);
    }
    if tty {
        set.add(Signal::SIGWINCH);
    }
    set.thread_block().context("block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("open a signalfd")
}

/// Leaves the pty to a process that reads it to its end: closing the master would hang the program up.
fn hold(master: &OwnedFd) -> Result<()> {
    let null = null()?;
    let streams = stage::Streams::Fds { stdin: master.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
    stage::spawn(HOLD_STAGE, &[], &[], streams, true).map(drop)
}

/// The `hold` stage: stdin is a pty's master.
pub fn hold_main(_args: &[String]) -> ExitCode {
    let mut buffer = [0u8; 4096];
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(1..) | Err(Errno::INTR) => {}
            // The relay that handed the master over had made it non-blocking.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&rustix::stdio::stdin(), PollFlags::IN)], None)),
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}

impl Session {
    /// Waits for the process, passing signals on, and with a pty copies between it and the caller's terminal.
    ///
    /// # Errors
    /// A broken terminal; a closed stdout only ends the copying.
    pub fn wait(mut self, keys: &DetachKeys, raw: Option<RawGuard>) -> Result<ExecEnd> {
        match self.process.pty_master.take() {
            None => self.copy(),
            Some(master) => self.relay(&master, keys.matcher(), raw),
        }
    }

    fn copy(&mut self) -> Result<ExecEnd> {
        if let Some(mut pipes) = self.pipes.take() {
            pipes.run(&self.process.pidfd, &self.signals, &|| self.pass_signals(None))?;
        }
        self.process.wait().map(ExecEnd::Exited)
    }

    /// Sends what the signalfd holds to the process; a window change goes to the pty instead.
    fn pass_signals(&self, master: Option<&OwnedFd>) -> Result<()> {
        while let Some(info) = self.signals.read_signal().context("read a signal")? {
            let number = info.ssi_signo as i32;
            match master {
                Some(master) if number == libc::SIGWINCH => resize(master),
                // From the keyboard, which means all that a command line has started.
                None if info.ssi_code == libc::SI_KERNEL => drop(process::kill_group(self.process.pid, number)),
                // A process that has just gone needs no signal.
                _ => drop(crate::state::boot::signal(&self.process.pidfd, number)),
            }
        }
        Ok(())
    }

    fn relay(&self, master: &OwnedFd, mut keys: DetachMatcher, _raw: Option<RawGuard>) -> Result<ExecEnd> {
        // Never block on the program's input: it may wait for us to read its output.
        rustix::fs::fcntl_setfl(master, OFlags::RDWR | OFlags::NONBLOCK).context("set up the terminal's master")?;
        resize(master);
        let mut stdin_open = self.stdin;
        let mut pending: Vec<u8> = Vec::new();
        let mut buffer = vec![0u8; CHUNK];
        loop {
            let stdin = rustix::stdio::stdin();
            let write = if pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let read_stdin = stdin_open && pending.is_empty();
            let mut fds = vec![
                PollFd::new(&self.process.pidfd, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(master, PollFlags::IN | write),
            ];
            if read_stdin {
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
            wait_for(&mut fds)?;
            let [ended, signalled, output] = [0, 1, 2].map(|i| ready(&fds[i]));
            let typed = read_stdin && ready(&fds[3]);
            if signalled {
                self.pass_signals(Some(master))?;
            }
            if output {
                write_pending(master, &mut pending);
                copy_output(master, &mut buffer);
            }
            if typed {
                match rustix::io::read(stdin, &mut buffer[..]) {
                    Ok(0) => stdin_open = false,
                    Ok(n) => {
                        let fed = keys.feed(&buffer[..n]);
                        pending.extend_from_slice(&fed.forward);
                        write_pending(master, &mut pending);
                        if fed.detached {
                            hold(master)?;
                            return Ok(ExecEnd::Detached);
                        }
                    }
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => stdin_open = false,
                }
            }
            if ended {
                while copy_output(master, &mut buffer) {}
                return self.process.wait().map(ExecEnd::Exited);
            }
        }
    }
}

pub(super) fn wait_for(fds: &mut [PollFd<'_>]) -> Result<()> {
    match poll(fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e).context("wait for the process"),
    }
}

fn ready(fd: &PollFd<'_>) -> bool {
    !fd.revents().is_empty()
}

/// Gives the pty the size of the caller's terminal.
fn resize(master: &OwnedFd) {
    let size = window_size(rustix::stdio::stdout()).or_else(|| window_size(rustix::stdio::stdin()));
    if let Some((ws_row, ws_col)) = size {
        let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

fn write_pending(master: &OwnedFd, pending: &mut Vec<u8>) {
    while !pending.is_empty() {
        match rustix::io::write(master, pending) {
            Ok(n) => drop(pending.drain(..n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(_) => pending.clear(),
        }
    }
}

/// Copies one chunk to stdout; false when there is nothing (EIO: no process has the pty open any more).
fn copy_output(master: &OwnedFd, buffer: &mut [u8]) -> bool {
    let n = loop {
        match rustix::io::read(master, &mut *buffer) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(n) => break n,
        }
    };
    let mut rest = &buffer[..n];
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&rustix::stdio::stdout(), PollFlags::OUT)], None);
            }
            // The reader of our stdout has gone; the program goes on.
            Err(_) => return true,
        }
    }
    true
}
