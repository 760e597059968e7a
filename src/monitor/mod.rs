//! The monitor: one small process for each running container.
//!
//! It stays in the host's namespaces, owns the container's standard streams, log, attach socket, exit record and
//! restart policy, and holds the life lock as long as it lives. It never interprets what the container writes.

mod change;
mod clients;
mod exit;
mod incarnation;
mod joins;
mod log;
pub mod outer;
pub mod policy;
pub mod proto;
pub mod remove;
mod serve;
mod stdio;

pub use exit::{RESTARTING, STOPPED, stop_wished};
pub use log::{ENGINE, STAMP, numbered};

use crate::error::{Context, Error, Kind, Result};
use crate::net::{self, GivenSocket};
use crate::runtime::EarlyUser;
use crate::stage::Channel;
use crate::state::atomic;
use crate::state::container::{Config, PortMapping, State, Status};
use crate::state::lock::Life;
use crate::state::{boot, containers, events, hook, names};
use crate::sys::process;
use clients::Clients;
use incarnation::{Incarnation, Subject, incarnate};
use log::LogWriter;
use proto::{EarlyKind, Mapped, StartFrame, StartReply};
use rustix::event::{PollFd, PollFlags, Timespec};
use serve::{End, Served, Server};
use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Name of the stage.
pub const STAGE: &str = "monitor";

/// How long a monitor waits for its predecessor's last clean-up.
const PREDECESSOR: Duration = Duration::from_secs(30);

/// How often the network of one run is set up again.
const REVIVALS: u32 = 16;

/// Stage `monitor`: fd 3 is the start channel.
pub fn main(_args: &[String]) -> ExitCode {
    // A monitor must not keep the caller's directory from being unmounted.
    let _ = std::env::set_current_dir("/");
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    let Ok(Some((frame, fds))) = channel.recv::<StartFrame>() else { return ExitCode::from(125) };
    hook::stop_at("monitor:begin");
    match run(&channel, frame, fds) {
        Ok(monitor) => {
            drop(channel);
            monitor.live();
            ExitCode::SUCCESS
        }
        Err((error, warnings)) => {
            // If the caller is gone too, nobody is left to tell.
            let _ = channel.send(&StartReply::Failed { error, warnings }, &[]);
            ExitCode::from(125)
        }
    }
}

struct Monitor {
    subject: Subject,
    server: Server,
    life: Life,
    incarnation: Incarnation,
    /// The outer user namespace, for those who come after.
    outer: Option<OwnedFd>,
}

fn run(channel: &Channel, frame: StartFrame, mut fds: Vec<OwnedFd>) -> Result<Monitor, (Error, Vec<String>)> {
    let heard = Cell::new(frame.early == EarlyKind::None);
    let mapped = || {
        heard.set(true);
        match channel.recv()? {
            Some((Mapped(None), _)) => Ok(()),
            Some((Mapped(Some(error)), _)) => Err(error),
            None => Err(Error::new(Kind::Interrupted, "start: the caller went away")),
        }
    };
    let nested = frame.early == EarlyKind::Outer;
    let early = (frame.early != EarlyKind::None && !fds.is_empty()).then(|| EarlyUser {
        namespace: fds.remove(0),
        nested,
        mapped: &mapped,
    });
    let result = start(channel, frame, fds, early);
    if result.is_err() && !heard.get() {
        // What was left unread would reset the channel, and the answer be lost.
        let _ = mapped();
    }
    result
}

fn start(
    channel: &Channel,
    frame: StartFrame,
    fds: Vec<OwnedFd>,
    early: Option<EarlyUser<'_>>,
) -> Result<Monitor, (Error, Vec<String>)> {
    let bare = |e: Error| (e, Vec::new());
    let dir = frame.paths.container(&frame.id);
    let life = Life::acquire(&dir.life(), PREDECESSOR)
        .and_then(|l| l.ok_or_else(|| Error::conflict("start: another monitor does not let go of the container")))
        .map_err(bare)?;
    hook::stop_at("monitor:life");
    let before: State = atomic::read_json(&dir.state()).map_err(bare)?;
    match prepare(channel, frame, fds) {
        Err((error, early)) => {
            // Without a readable configuration nothing was done, and nothing is removed.
            match early {
                Some(subject) => exit::undo(&subject, &before, &error),
                None => note_failure(&dir, &before, &error),
            }
            drop(life);
            Err(bare(error))
        }
        Ok((mut subject, mut server, warnings)) => {
            let gone = || hung_up(channel);
            let nested = early.as_ref().filter(|early| early.nested);
            let outer = nested.and_then(|early| early.namespace.try_clone().ok());
            match incarnate(&mut subject, &before, early, &gone) {
                Err(error) => {
                    server.clients.stop_listening();
                    exit::undo(&subject, &before, &error);
                    drop(life);
                    Err((error, warnings))
                }
                Ok(mut incarnation) => {
                    let mut all = warnings;
                    all.append(&mut incarnation.warnings);
                    subject.trace.mark("state");
                    let reply = StartReply::Started {
                        state: Box::new(incarnation.state.clone()),
                        warnings: all,
                        trace: std::mem::take(&mut subject.trace.phases),
                    };
                    let _ = channel.send(&reply, &[]);
                    // The caller need not wait for this.
                    if subject.frame.trace {
                        quiet_stderr();
                    }
                    hook::stop_at("monitor:started");
                    server.settle_at = Some(Instant::now() + outer::SETTLED);
                    Ok(Monitor { subject, server, life, incarnation, outer })
                }
            }
        }
    }
}

type Prepared = (Subject, Server, Vec<String>);

/// Everything before the first process: whatever can fail because of others (ports, names of files) fails here.
fn prepare(channel: &Channel, frame: StartFrame, fds: Vec<OwnedFd>) -> Result<Prepared, (Error, Option<Box<Subject>>)> {
    let _ = channel;
    let dir = frame.paths.container(&frame.id);
    let read = || -> Result<(Config, crate::spec::model::Spec, String)> {
        let config = atomic::read_json(&dir.config())?;
        let spec = containers::load_spec(&frame.paths, &frame.id)?;
        Ok((config, spec, boot::id()?))
    };
    let (config, spec, boot_id) = read().map_err(|e| (e, None))?;
    let name = names::recorded(&frame.paths, &frame.id).unwrap_or_default();
    let mut fds = fds.into_iter();
    let attached = if frame.attached { fds.next() } else { None };
    let own_stdio = match frame.passthrough {
        true => fds.next().zip(fds.next()).zip(fds.next()).map(|((a, b), c)| [a, b, c]),
        false => None,
    };
    let mut given: Vec<GivenSocket> =
        frame.listening.iter().zip(fds.by_ref()).map(|(name, fd)| GivenSocket { name: name.clone(), fd }).collect();
    let (ports, trace) = Default::default();
    let mut subject = Subject {
        frame,
        dir,
        config,
        spec,
        name,
        boot_id,
        ports,
        own_stdio,
        passed: Vec::new(),
        listening: Vec::new(),
        trace,
    };
    let mut warnings = Vec::new();
    let rest = || -> Result<Server> {
        let publisher = |port: &PortMapping| change::publisher(&subject.frame.paths, &subject.frame.id, port);
        subject.ports = net::bind_ports(&subject.spec.network.ports, &publisher, &mut given)?;
        // What serves no published port is the program's.
        (subject.listening, subject.passed) = given.into_iter().map(|socket| (socket.name, socket.fd)).unzip();
        subject.passed.extend(fds);
        change::keep_soft_limit(&mut subject);
        let log = LogWriter::open(&subject.config.log, &subject.dir.log())?;
        let mut clients = Clients::default();
        if let Some(fd) = attached {
            nonblocking(&fd)?;
            clients.adopt(fd);
        }
        // Without its socket a container still runs, logs and stops.
        if let Err(e) = clients.listen(&subject.frame.paths.sockets(&subject.frame.id)) {
            warnings.push(format!("attach will not work: {e}"));
        }
        Server::new(clients, log, subject.config.auto_remove && !subject.config.detached)
    };
    match rest() {
        Ok(server) => Ok((subject, server, warnings)),
        Err(e) => Err((e, Some(Box::new(subject)))),
    }
}

impl Monitor {
    /// From the first incarnation to the end of the last one.
    fn live(mut self) {
        // What the start needed is not kept for the container's whole life.
        process::trim_heap();
        process::forget_program();
        let mut backoff = policy::Backoff::default();
        loop {
            let end = self.serve();
            self.server.log.note_loss();
            let uptime = self.incarnation.started.elapsed();
            let state = exit::record(&self.subject, &mut self.incarnation, end);
            match self.next(state, uptime, &mut backoff) {
                Ok(incarnation) => self.incarnation = incarnation,
                Err(last) => return self.finish(*last),
            }
        }
    }

    /// One incarnation to its end; its network is set up anew when a helper of it dies.
    fn serve(&mut self) -> End {
        let signal = self.subject.config.stop_signal;
        let patience = Duration::from_secs(u64::from(self.subject.config.stop_timeout));
        let mut mourned = Vec::new();
        let mut revivals = 0;
        loop {
            match self.server.serve(&mut self.incarnation, signal, patience, &mut mourned) {
                Ok(Served::Ended(end)) => return end,
                // A helper that dies again and again is not helped by more.
                Ok(Served::HelperDied) if revivals < REVIVALS => {
                    revivals += 1;
                    mourned.clear();
                    incarnation::revive_network(&self.subject, &mut self.incarnation);
                }
                Ok(Served::HelperDied) => {}
                Ok(Served::Settled) => {
                    let frame = &self.subject.frame;
                    self.outer = outer::keep(&frame.paths, &frame.idmap, self.outer.take()).unwrap_or_default();
                    process::trim_heap();
                    process::forget_program();
                }
                Ok(Served::Changed(client)) => {
                    let done = change::follow(&mut self.subject, &mut self.incarnation);
                    mourned.clear();
                    let text = serde_json::to_vec(&done).unwrap_or_default();
                    self.server.clients.send(client, proto::CHANGED, &text);
                }
                Err(_) => break,
            }
        }
        // An error of the loop itself leaves no way to serve on: the container ends with it.
        let _ = boot::signal(&self.incarnation.pidfd, libc::SIGKILL);
        End { code: containers::MONITOR_LOST, signal: libc::SIGKILL }
    }

    /// Waits and restarts as the policy says; gives back the last state when the container is to stay down.
    fn next(
        &mut self,
        mut state: State,
        mut uptime: Duration,
        backoff: &mut policy::Backoff,
    ) -> Result<Incarnation, Box<State>> {
        loop {
            let stopped = self.server.terminating || exit::stop_wished(&self.subject.dir);
            // The policy may be another by now.
            if self.server.changed && change::follow_idle(&mut self.subject).is_ok() {
                self.server.changed = false;
            }
            if !policy::restarts(&self.subject.config.restart, state.exit_code, state.restarts, stopped) {
                return Err(Box::new(state));
            }
            state.status = Status::Restarting;
            // The watch comes before the last look at the wish.
            let Ok(wish) = exit::watch_wishes(&self.subject.dir) else { return Err(Box::new(state)) };
            exit::write(&self.subject, &state);
            self.server.clients.broadcast(proto::EXIT, &proto::exit(state.exit_code, false));
            if exit::stop_wished(&self.subject.dir) {
                return Err(Box::new(state));
            }
            let until = Instant::now() + backoff.pause(uptime);
            // A wake-up may also come from our own write of the state.
            while !self.server.pause(until, &wish).unwrap_or(true) {
                if self.server.terminating || exit::stop_wished(&self.subject.dir) {
                    return Err(Box::new(state));
                }
            }
            state.restarts += 1;
            let followed = match std::mem::take(&mut self.server.changed) {
                true => change::follow_idle(&mut self.subject),
                false => Ok(()),
            };
            match followed.and_then(|()| incarnate(&mut self.subject, &state, None, &|| false)) {
                Ok(incarnation) => {
                    let subject = &self.subject;
                    events::container(&subject.frame.paths, "restart", &subject.frame.id, &subject.name, &[]);
                    return Ok(incarnation);
                }
                Err(error) => {
                    state.exit_code = i32::from(error.exit_code());
                    state.error = error.to_string();
                    state.finished = events::now();
                    uptime = Duration::ZERO;
                }
            }
        }
    }

    /// The exit record, the clean-up, and the news to all who wait; then the lock is released by exit.
    fn finish(mut self, mut state: State) {
        state.status = Status::Exited;
        exit::write(&self.subject, &state);
        self.server.clients.stop_listening();
        let removed = exit::remove_if_asked(&self.subject);
        hook::stop_at("monitor:exited");
        self.subject.ports = Default::default();
        self.server.clients.broadcast(proto::EXIT, &proto::exit(state.exit_code, true));
        // Nobody waits for these any more: the unmount of a synced overlay, the disk's confirmation of the exit
        // record, the deletion of the files.
        self.incarnation.mounts = None;
        self.incarnation.remains = None;
        match removed {
            Some(trash) => remove::destroy(&trash, Some(&self.subject.frame.idmap)),
            None => exit::sync(&self.subject.dir),
        }
        drop(self.life);
        let _ = self.server.flush();
    }
}

fn note_failure(dir: &crate::state::paths::ContainerDir, before: &State, error: &Error) {
    let state = State { error: error.to_string(), ..before.clone() };
    let _ = atomic::write_json(&dir.state(), &state, atomic::Class::Volatile);
}

/// The caller has closed its end.
fn hung_up(channel: &Channel) -> bool {
    let mut fds = [PollFd::new(channel, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
        && fds[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP)
}

fn nonblocking(fd: &OwnedFd) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd.as_fd()).context("read descriptor flags")?;
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK).context("make a descriptor non-blocking")
}

/// The caller's stderr is kept open only while the start is traced: a pipe behind it must see its end.
fn quiet_stderr() {
    use rustix::fs::{Mode, OFlags};
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stderr(null);
    }
}
