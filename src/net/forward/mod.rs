//! Published ports: a process of ours with listeners of the host and connections inside the container.
//!
//! The monitor binds the listeners (before the container exists) and starts one `portfwd` stage for each incarnation.
//! The stage joins the container's user and network namespaces: what it accepts comes from the host, what it connects
//! leaves inside. One thread, one epoll set; it ends when the monitor closes the channel or dies.

mod inside;
mod pump;
mod tcp;
mod udp;

use crate::error::{Context, Error, Result};
use crate::net::helper::Helper;
use crate::net::{HostPorts, Listener};
use crate::stage::{self, Channel, Streams};
use inside::Inside;
use rustix::event::epoll;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit};
use rustix::thread::ThreadNameSpaceType;
use serde::{Deserialize, Serialize};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tcp::Tcp;
use udp::Udp;

/// Name of the stage and of the helper.
pub const STAGE: &str = "portfwd";
/// Descriptors in one frame; the channel takes a few more.
const FRAME_FDS: usize = 32;
/// How often idle UDP flows are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// What a listener is for; its descriptor travels beside it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Port {
    /// [`Listener::key`](crate::net::Listener::key).
    key: u64,
    inside: u16,
    udp: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// Whose namespaces to join; of no meaning once they are joined.
    pid: i32,
    /// To be forwarded from now on.
    ports: Vec<Port>,
    /// Keys of listeners to close. Their connections live on.
    closed: Vec<u64>,
    more: bool,
}

/// The stage's answer: notes for the user, or why it can't work.
type Answer = Result<Vec<String>, Error>;

/// A forwarder that is starting: other work can go on until [`Starting::finish`].
pub(super) struct Starting {
    helper: Helper,
    channel: Channel,
}

/// Starts the forwarder for the namespaces of process `pid`.
pub(super) fn start(pid: i32, ports: &HostPorts) -> Result<Starting> {
    let (channel, theirs) = Channel::pair()?;
    let child = stage::spawn(STAGE, &[], &[theirs.as_fd()], Streams::Null, false)?;
    drop(theirs);
    let helper = Helper::adopt(STAGE, child.pid, child.pidfd);
    let listeners: Vec<&Listener> = ports.listeners.iter().collect();
    send(&channel, pid, &listeners, &[]).context("start the port forwarder")?;
    Ok(Starting { helper, channel })
}

/// Has a running forwarder serve `opened` and close the listeners with the keys `closed`.
pub(super) fn change(helper: &Helper, opened: &[&Listener], closed: &[u64], notes: &mut Vec<String>) -> Result<()> {
    let changing = "change the forwarded ports";
    let fd = helper.exit().ok_or_else(|| Error::bug("change the forwarded ports: no channel"))?;
    let channel = Channel::from_fd(fd.try_clone_to_owned().context("copy a descriptor")?);
    send(&channel, 0, opened, closed).context(changing)?;
    let answer = channel.recv::<Answer>().context(changing)?;
    let (answer, _) = answer.ok_or_else(|| Error::bug("change the forwarded ports: the forwarder died"))?;
    notes.extend(answer.context(changing)?);
    Ok(())
}

fn send(channel: &Channel, pid: i32, opened: &[&Listener], closed: &[u64]) -> Result<()> {
    let mut closed = closed.to_vec();
    let mut left = opened;
    loop {
        let (chunk, rest) = left.split_at(left.len().min(FRAME_FDS));
        let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(|l| l.fd.as_fd()).collect();
        let ports = chunk.iter().map(|l| Port { key: l.key, inside: l.container_port, udp: l.udp }).collect();
        let more = !rest.is_empty();
        channel.send(&Request { pid, ports, closed: std::mem::take(&mut closed), more }, &fds)?;
        if !more {
            return Ok(());
        }
        left = rest;
    }
}

impl Starting {
    /// Waits until the container's side is ready; collects notes for the user.
    pub(super) fn finish(mut self, notes: &mut Vec<String>) -> Result<Helper> {
        let answer = self.channel.recv::<Answer>()?;
        let (answer, _) = answer.ok_or_else(|| Error::bug("start the port forwarder: it died"))?;
        notes.extend(answer.context("start the port forwarder")?);
        self.helper.keep(self.channel.into_fd());
        Ok(self.helper)
    }
}

/// The `portfwd` stage.
pub fn main(_args: &[String]) -> ExitCode {
    let channel = match Channel::inherited(3) {
        Ok(channel) => channel,
        Err(e) => {
            eprintln!("coracle: {e}");
            return ExitCode::from(125);
        }
    };
    let forwarder = match Forwarder::prepare(&channel) {
        Ok((forwarder, notes)) => {
            let _ = channel.send(&Answer::Ok(notes), &[]);
            forwarder
        }
        Err(e) => {
            let _ = channel.send(&Answer::Err(e), &[]);
            return ExitCode::from(125);
        }
    };
    match forwarder.run(&channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(125),
    }
}

/// What an event is about, packed into epoll's 64 bits: kind, generation of the slot, slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Channel,
    TcpListener(usize),
    UdpListener(usize),
    /// Slot and generation: a stale event of a slot that has a new owner is recognised.
    Client(usize, u32),
    Server(usize, u32),
    Flow(usize, u32),
}

impl Token {
    fn pack(self) -> epoll::EventData {
        let (kind, slot, generation) = match self {
            Token::Channel => (0, 0, 0),
            Token::TcpListener(slot) => (1, slot, 0),
            Token::UdpListener(slot) => (2, slot, 0),
            Token::Client(slot, generation) => (3, slot, generation),
            Token::Server(slot, generation) => (4, slot, generation),
            Token::Flow(slot, generation) => (5, slot, generation),
        };
        epoll::EventData::new_u64(kind << 60 | (slot as u64 & 0xfff_ffff) << 32 | u64::from(generation))
    }

    fn unpack(data: u64) -> Token {
        let (slot, generation) = ((data >> 32 & 0xfff_ffff) as usize, data as u32);
        match data >> 60 {
            1 => Token::TcpListener(slot),
            2 => Token::UdpListener(slot),
            3 => Token::Client(slot, generation),
            4 => Token::Server(slot, generation),
            5 => Token::Flow(slot, generation),
            _ => Token::Channel,
        }
    }
}

/// Registers `fd` edge-triggered for everything that can happen to it.
fn watch(epoll: &OwnedFd, fd: impl AsFd, token: Token) -> Result<()> {
    let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
    epoll::add(epoll, fd, token.pack(), flags).context("watch a descriptor")
}

struct Forwarder {
    epoll: OwnedFd,
    inside: Inside,
    tcp: Tcp,
    udp: Udp,
}

impl Forwarder {
    /// Takes the listeners and enters the container's namespaces.
    fn prepare(channel: &Channel) -> Result<(Forwarder, Vec<String>)> {
        raise_descriptor_limit();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("make an epoll set")?;
        let (mut tcp, mut udp) = (Tcp::default(), Udp::default());
        let pid = loop {
            let (request, fds) = channel.recv::<Request>()?.ok_or_else(|| Error::bug("forward ports: no request"))?;
            for (port, fd) in request.ports.iter().zip(fds) {
                if port.udp {
                    udp.add_listener(*port, fd);
                } else {
                    tcp.add_listener(*port, fd);
                }
            }
            if !request.more {
                break request.pid;
            }
        };
        join(pid)?;
        let (inside, notes) = Inside::prepare(&tcp.ports(), &udp.ports())?;
        confine();
        epoll::add(&epoll, channel, Token::Channel.pack(), epoll::EventFlags::IN).context("watch the monitor")?;
        tcp.watch(&epoll)?;
        udp.watch(&epoll)?;
        Ok((Forwarder { epoll, inside, tcp, udp }, notes))
    }

    /// How long to sleep; `None` = until an event.
    fn patience(&self) -> Option<Duration> {
        let udp = match (self.udp.has_backlog(), self.udp.is_idle()) {
            (true, _) => Some(Duration::ZERO),
            (false, false) => Some(SWEEP),
            (false, true) => None,
        };
        [self.tcp.patience(), udp].into_iter().flatten().min()
    }

    /// Opens and closes listeners; the answer follows the last frame of a change.
    fn change(&mut self, channel: &Channel, request: Request, fds: Vec<OwnedFd>) {
        for key in &request.closed {
            self.tcp.close_listener(*key, &self.epoll);
            self.udp.close_listener(*key, &self.epoll, &mut self.inside);
        }
        let ports =
            |udp: bool| -> Vec<u16> { request.ports.iter().filter(|p| p.udp == udp).map(|p| p.inside).collect() };
        let mut answer = self.inside.publish(&ports(false), &ports(true));
        for (port, fd) in request.ports.iter().zip(fds) {
            let watched = match port.udp {
                true => {
                    let slot = self.udp.add_listener(*port, fd);
                    self.udp.watch_one(slot, &self.epoll)
                }
                false => {
                    let slot = self.tcp.add_listener(*port, fd);
                    self.tcp.watch_one(slot, &self.epoll)
                }
            };
            answer = answer.and(watched);
        }
        if !request.more {
            let _ = channel.send(&Answer::from(answer.map(|()| Vec::new())), &[]);
        }
    }

    fn run(mut self, channel: &Channel) -> Result<()> {
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 256];
        let mut swept = Instant::now();
        loop {
            let timeout = self.patience().and_then(|t| t.try_into().ok());
            let events = match epoll::wait(&self.epoll, &mut space[..], timeout.as_ref()) {
                Ok((events, _)) => events,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e).context("wait for events"),
            };
            let now = Instant::now();
            for event in events.iter() {
                match Token::unpack(event.data.u64()) {
                    Token::Channel => match channel.recv::<Request>() {
                        Ok(Some((request, fds))) => self.change(channel, request, fds),
                        _ => return Ok(()), // the monitor has ended
                    },
                    Token::TcpListener(slot) => self.tcp.accept(slot, &self.epoll, &mut self.inside),
                    Token::Client(slot, generation) => {
                        self.tcp.event(slot, generation, tcp::Side::Client, event.flags, &self.epoll, &mut self.inside);
                    }
                    Token::Server(slot, generation) => {
                        self.tcp.event(slot, generation, tcp::Side::Server, event.flags, &self.epoll, &mut self.inside);
                    }
                    Token::UdpListener(slot) => self.udp.receive(slot, &self.epoll, &mut self.inside, now),
                    Token::Flow(slot, generation) => self.udp.answer(slot, generation, &mut self.inside, now),
                }
            }
            self.tcp.work_off(&self.epoll, &mut self.inside);
            self.udp.work_off(&self.epoll, &mut self.inside, now);
            if now.duration_since(swept) >= SWEEP {
                swept = now;
                self.udp.sweep(&mut self.inside, now);
            }
        }
    }
}

/// Enters the user and network namespaces of process `pid`.
fn join(pid: i32) -> Result<()> {
    let joining = || format!("enter the namespaces of process {pid}");
    let raw = Pid::from_raw(pid).ok_or_else(|| Error::bug("forward ports: pid 0"))?;
    let pidfd = rustix::process::pidfd_open(raw, PidfdFlags::empty()).with_context(joining)?;
    let user = ThreadNameSpaceType::USER;
    let network = ThreadNameSpaceType::NETWORK;
    match rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), user | network) {
        // EINVAL: the user namespace is ours already.
        Err(rustix::io::Errno::INVAL) => rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), network),
        other => other,
    }
    .with_context(joining)
}

/// Keeps the container's root, who has this namespace's capabilities too, from reaching into this process: it still
/// has the host's mounts.
fn confine() {
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let _ = rustix::thread::set_no_new_privs(true);
}

/// Two descriptors a connection: use what the hard limit gives.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_packing() {
        for token in [
            Token::Channel,
            Token::TcpListener(3),
            Token::UdpListener(0xfff_ffff),
            Token::Client(70_000, u32::MAX),
            Token::Server(1, 2),
            Token::Flow(0, 7),
        ] {
            assert_eq!(Token::unpack(token.pack().u64()), token);
        }
    }
}
