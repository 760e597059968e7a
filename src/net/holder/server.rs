//! The holder's loop.

use super::live::{Keeper, Live, port};
use super::proto::{Join, MemberStatus, NetworkStatus, Request, Status};
use crate::error::{Context, Error, Kind, Result};
use crate::net::dns;
use crate::stage::Channel;
use crate::state::lock::Flock;
use crate::state::paths::Paths;
use crate::sys::process;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::SocketFlags;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Name of the stage.
pub const STAGE: &str = "netholder";
/// Name of the socket in the holder's directory.
pub(super) const SOCKET: &str = "socket";
/// Connections at a time: more members than one machine runs.
const MAX_CONNECTIONS: usize = 4096;
/// Without a member the end is tried again after this.
const IDLE: Duration = Duration::from_millis(50);

/// The `netholder` stage (paths as JSON): fd 3 is the listening socket.
pub fn main(args: &[String]) -> ExitCode {
    let _ = std::env::set_current_dir("/");
    let Some(paths) = args.first().and_then(|text| serde_json::from_str::<Paths>(text).ok()) else {
        return ExitCode::from(125);
    };
    let Ok(listener) = process::take_fd(3) else { return ExitCode::from(125) };
    // Whoever started us need not wait for our end.
    match process::fork(false) {
        Ok(0) => {}
        Ok(_) => process::exit(0),
        Err(_) => return ExitCode::from(125),
    }
    let dir = paths.holder();
    let mut holder = Holder {
        keeper: Keeper::start(&dir, &paths),
        dir,
        listener,
        connections: BTreeMap::new(),
        next: 0,
        networks: BTreeMap::new(),
        members: BTreeMap::new(),
        names: dns::Server::new(Path::new("/etc/resolv.conf")),
    };
    // No helper that we start from now on needs more than we have.
    let _ = rustix::thread::set_no_new_privs(true);
    holder.live();
    ExitCode::SUCCESS
}

#[derive(Clone, Copy)]
enum Source {
    Listener,
    Keeper,
    Connection(u64),
    /// slirp4netns of the network at this place.
    Slirp(usize),
    Names(dns::Source),
}

struct Member {
    connection: u64,
    join: Join,
    /// Inode of its network namespace.
    namespace: u64,
}

struct Holder {
    dir: PathBuf,
    /// Why there are no namespaces is told to everybody who asks.
    keeper: Result<Keeper>,
    listener: OwnedFd,
    connections: BTreeMap<u64, Channel>,
    next: u64,
    /// By id.
    networks: BTreeMap<String, Live>,
    /// By id.
    members: BTreeMap<String, Member>,
    names: dns::Server,
}

/// Opens sockets for questions to servers that are members.
fn asker(keeper: &Result<Keeper>, networks: &BTreeMap<String, Live>) -> impl Fn(&str, bool, bool) -> Option<OwnedFd> {
    |network, ipv6, tcp| networks.get(network)?.asking(keeper.as_ref().ok()?, ipv6, tcp)
}

impl Holder {
    fn live(&mut self) {
        loop {
            if self.connections.is_empty() && self.next > 0 && self.end() {
                return;
            }
            // Who kept it from its end may be killed instead of coming.
            let idle = self.connections.is_empty() && self.next > 0;
            let Ok(ready) = self.wait(idle) else { return };
            let now = Instant::now();
            for source in ready {
                match source {
                    Source::Listener => self.accept(),
                    Source::Keeper => self.keeper_died(),
                    Source::Connection(key) => self.serve(key),
                    Source::Slirp(index) => self.slirp_died(index),
                    Source::Names(source) => self.names.handle(source, now, &asker(&self.keeper, &self.networks)),
                }
            }
            self.names.tick(now, &asker(&self.keeper, &self.networks));
        }
    }

    fn wait(&self, idle: bool) -> Result<Vec<Source>> {
        let mut sources: Vec<(Source, BorrowedFd<'_>, PollFlags)> = Vec::with_capacity(64);
        if self.connections.len() < MAX_CONNECTIONS {
            sources.push((Source::Listener, self.listener.as_fd(), PollFlags::IN));
        }
        if let Ok(keeper) = &self.keeper {
            sources.push((Source::Keeper, keeper.pidfd.as_fd(), PollFlags::IN));
        }
        sources.extend(self.connections.iter().map(|(key, c)| (Source::Connection(*key), c.as_fd(), PollFlags::IN)));
        let slirps = self.networks.values().enumerate().filter_map(|(i, live)| Some((i, live.slirp()?)));
        sources.extend(slirps.map(|(i, fd)| (Source::Slirp(i), fd, PollFlags::IN)));
        let mut names = Vec::new();
        self.names.sources(&mut names);
        sources.extend(names.into_iter().map(|(source, fd, flags)| (Source::Names(source), fd, flags)));
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let again = idle.then(|| Instant::now() + IDLE);
        let timeout = self.names.deadline().into_iter().chain(again).min().map(|at| {
            let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(100);
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
        });
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e).context("wait for events"),
        }
        Ok(sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|((s, ..), _)| *s).collect())
    }

    /// True when nobody is on the way to us: the socket is gone then, and so is everything else.
    fn end(&mut self) -> bool {
        // Whoever wants to start a holder has the lock; he connects to us, or waits for it.
        let _lock = match Flock::try_exclusive(&self.dir.join("lock")) {
            Ok(Some(lock)) => Some(lock),
            // The directory is gone (a logout): nobody finds us any more.
            Err(e) if e.kind == Kind::NotFound => None,
            Ok(None) | Err(_) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
                self.accept();
                return false;
            }
        };
        self.accept();
        if !self.connections.is_empty() {
            return false;
        }
        let _ = std::fs::remove_file(self.dir.join(SOCKET));
        let keeper = std::mem::replace(&mut self.keeper, Err(Error::bug("hold networks: at the end")));
        if let Ok(keeper) = keeper {
            self.networks.clear();
            keeper.end(&self.dir);
        }
        // The lock's file stays for as long as somebody may wait for it.
        true
    }

    fn accept(&mut self) {
        while let Ok(fd) = rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.next += 1;
            self.connections.insert(self.next, Channel::from_fd(fd));
        }
    }

    fn serve(&mut self, key: u64) {
        let request = match self.connections.get(&key).map(Channel::recv::<Request>) {
            Some(Ok(Some(request))) => request,
            _ => return self.leave(key),
        };
        let sent = match request {
            (Request::Hello, _) => {
                let keeper = self.keeper.as_ref().map_err(Clone::clone);
                let fds: Vec<BorrowedFd<'_>> = keeper.iter().map(|k| k.pidfd.as_fd()).collect();
                self.answer(key, &keeper.as_ref().map(|_| ()), &fds)
            }
            (Request::Join(join), fds) => {
                let answer = match fds.first() {
                    Some(namespace) => self.join(key, *join, namespace),
                    None => Err(Error::bug("join networks: no namespace")),
                };
                self.answer(key, &answer, &[])
            }
            (Request::Status, _) => self.answer(key, &Ok::<_, Error>(self.status()), &[]),
        };
        if sent.is_err() {
            self.leave(key);
        }
    }

    fn answer<T: Serialize>(&self, key: u64, answer: &T, fds: &[BorrowedFd<'_>]) -> Result<()> {
        match self.connections.get(&key) {
            Some(channel) => channel.send(answer, fds),
            None => Ok(()),
        }
    }

    fn join(&mut self, connection: u64, join: Join, namespace: &OwnedFd) -> Result<Vec<String>> {
        let inode = rustix::fs::fstat(namespace).context("look at the container's network")?.st_ino;
        let mut notes = Vec::new();
        let before = self.members.get(&join.id).filter(|m| m.namespace == inode).map(|m| m.join.clone());
        let done = self.plug(&join, before.as_ref(), namespace.as_fd(), &mut notes);
        let keeper = self.keeper.as_ref().map_err(Clone::clone)?;
        if done.is_err() && before.is_none() {
            for wire in &join.wires {
                if let Some(live) = self.networks.get(&wire.network.id) {
                    live.unplug(keeper, &join.id);
                }
            }
        } else {
            let kept = match &done {
                Ok(()) => join,
                Err(_) => before.unwrap_or(join),
            };
            self.members.insert(kept.id.clone(), Member { connection, join: kept, namespace: inode });
        }
        self.tidy();
        done.map(|()| notes)
    }

    /// Brings the container from its former places to those of `join`.
    fn plug(
        &mut self,
        join: &Join,
        before: Option<&Join>,
        namespace: BorrowedFd<'_>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        for wire in &join.wires {
            if !self.networks.contains_key(&wire.network.id) {
                let keeper = self.keeper.as_ref().map_err(Clone::clone)?;
                let live = Live::start(keeper, &self.dir, &wire.network, notes)?;
                let sockets = if wire.network.dns { live.listen(keeper)? } else { Vec::new() };
                for (udp, tcp) in sockets {
                    self.names.add(&wire.network.id, udp, tcp);
                }
                self.networks.insert(wire.network.id.clone(), live);
            }
        }
        let keeper = self.keeper.as_ref().map_err(Clone::clone)?;
        for old in before.iter().flat_map(|b| &b.wires) {
            let kept = join.wires.iter().any(|w| w.network.id == old.network.id && w.interface == old.interface);
            if let Some(live) = self.networks.get(&old.network.id).filter(|_| !kept) {
                live.unplug(keeper, &join.id);
            }
        }
        // The first network with a way out has the default route, for each family.
        let mut free = [true; 2];
        for wire in &join.wires {
            let Some(live) = self.networks.get(&wire.network.id) else { continue };
            let mut default = [false; 2];
            for ip in wire.ips.iter().filter(|_| !wire.network.internal) {
                default[usize::from(ip.is_ipv6())] |= std::mem::take(&mut free[usize::from(ip.is_ipv6())]);
            }
            live.plug(keeper, &join.id, wire, default, namespace)?;
        }
        Ok(())
    }

    /// A connection has ended.
    fn leave(&mut self, key: u64) {
        self.connections.remove(&key);
        let gone: Vec<String> =
            self.members.iter().filter(|(_, m)| m.connection == key).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            let Some(member) = self.members.remove(id) else { continue };
            let Ok(keeper) = &self.keeper else { continue };
            for wire in &member.join.wires {
                if let Some(live) = self.networks.get(&wire.network.id) {
                    live.unplug(keeper, id);
                }
            }
        }
        if !gone.is_empty() {
            self.tidy();
        }
    }

    /// Ends networks without members and tells the name service who is there.
    fn tidy(&mut self) {
        let used = |id: &String| self.members.values().any(|m| m.join.wires.iter().any(|w| w.network.id == *id));
        let unused: Vec<String> = self.networks.keys().filter(|id| !used(id)).cloned().collect();
        for id in unused {
            self.names.remove(&id);
            if let (Some(live), Ok(keeper)) = (self.networks.remove(&id), &self.keeper) {
                live.end(keeper);
            }
        }
        let networks = self.networks.iter().map(|(id, live)| {
            let record = &live.record;
            let net = dns::Net {
                name: record.name.clone(),
                subnets: record.subnets.iter().map(|s| s.net).collect(),
                internal: record.internal,
                servers: record.dns_servers.clone(),
            };
            (id.clone(), net)
        });
        let members = self.members.values().map(|member| dns::Member {
            id: member.join.id.clone(),
            name: member.join.name.clone(),
            servers: member.join.dns.clone(),
            places: member
                .join
                .wires
                .iter()
                .map(|wire| dns::Place {
                    network: wire.network.id.clone(),
                    ips: wire.ips.clone(),
                    aliases: wire.aliases.clone(),
                })
                .collect(),
        });
        self.names.set_zone(dns::Zone::new(networks.collect(), members.collect()));
    }

    fn status(&self) -> Status {
        let links = self.keeper.as_ref().map(Keeper::links).unwrap_or_default();
        let link = |name: &str| links.iter().find(|l| l.name == name).cloned();
        let networks = self.networks.iter().map(|(id, live)| {
            let mut members = Vec::new();
            for member in self.members.values() {
                for wire in member.join.wires.iter().filter(|w| w.network.id == *id) {
                    members.push(MemberStatus {
                        container: member.join.id.clone(),
                        name: member.join.name.clone(),
                        interface: wire.interface.clone(),
                        ips: wire.ips.clone(),
                        mac: wire.mac.clone(),
                        // What the bridge's port receives, the member has sent.
                        link: link(&port(&member.join.id, id)).map(|l| crate::net::netlink::Link {
                            received_bytes: l.sent_bytes,
                            received_packets: l.sent_packets,
                            sent_bytes: l.received_bytes,
                            sent_packets: l.received_packets,
                            ..l
                        }),
                    });
                }
            }
            NetworkStatus { id: id.clone(), members, outside: link(&live.bridge.tap) }
        });
        Status { networks: networks.collect() }
    }

    fn slirp_died(&mut self, index: usize) {
        let Ok(keeper) = &self.keeper else { return };
        let Some((id, live)) = self.networks.iter_mut().nth(index) else { return };
        let wires = self.members.values().flat_map(|m| &m.join.wires).filter(|w| w.network.id == *id);
        let ips: Vec<IpAddr> = wires.flat_map(|w| w.ips.iter().copied()).collect();
        live.revive(keeper, &ips);
    }

    fn keeper_died(&mut self) {
        if let Ok(keeper) = &self.keeper {
            self.keeper = keeper.again(&self.dir);
        }
    }
}
