//! What runs for the networks in use: the keeper, bridges, slirp4netns.

use super::keeper::{self, with_prefix};
use super::proto::{Bridge, Done, Order, Plug, Way, Wire};
use crate::error::{Context, Error, Result};
use crate::net::helper::Helper;
use crate::net::netlink::Link;
use crate::net::networks::Network;
use crate::net::options::SlirpOptions;
use crate::net::places::MODE;
use crate::net::{pasta, slirp};
use crate::stage::spawn::{argv, cstring, dev_null};
use crate::stage::{self, Channel};
use crate::state::atomic::{self, Class};
use crate::state::paths::Paths;
use crate::state::{boot, containers};
use crate::sys::clone;
use crate::userns::{IdMap, explain, start_maps};
use ipnet::{IpNet, Ipv4Net};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// File in the holder's directory that says which process has the namespaces.
const RECORD: &str = "keeper.json";
/// slirp4netns's own network behind each bridge. Nobody has an address of it but slirp4netns; link-local, so that no
/// host's network is hidden by it.
const SLIRP_NET: [u8; 4] = [169, 254, 2, 0];
const SLIRP_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 2, 2);
/// Which program is the way out of a network, if its creator has said.
pub const WAY_OUT: &str = "way_out";
/// What members appear as to pasta.
const PASTA_GUEST: Ipv4Addr = Ipv4Addr::new(169, 254, 2, 100);
const PASTA_GUEST6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x64);
/// Fixed in slirp4netns.
const SLIRP_GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// Largest packet of a network's interfaces: fewest system calls for a byte.
const MTU: u32 = 65520;
/// How often the way out of one network is made anew.
const REVIVALS: u32 = 16;

/// The process with the namespaces.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) pidfd: OwnedFd,
    pid: i32,
    channel: Channel,
    user: OwnedFd,
    net: OwnedFd,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: i32,
    start_ticks: u64,
}

impl Keeper {
    /// Starts a keeper; it takes over the namespaces of one that a killed holder left behind. Where that is dead too,
    /// the user namespace of the members that live on: interfaces can be put into their networks from no other.
    pub(super) fn start(dir: &Path, paths: &Paths) -> Result<Keeper> {
        let record = dir.join(RECORD);
        let former: Option<Record> = atomic::read_json(&record).ok();
        let killed = former.is_some();
        let old = former.and_then(|r| Some((r.pid, boot::open(r.pid, r.start_ticks).ok()??)));
        let left = old.as_ref().and_then(|(pid, _)| namespaces(*pid).ok());
        let keeper = match left {
            Some((user, net)) => Keeper::join(dir, user, net)?,
            None => match survivors(paths).filter(|_| killed) {
                Some(user) => Keeper::among(dir, &user)?,
                None => Keeper::fresh(dir)?,
            },
        };
        if let Some((_, pidfd)) = &old {
            let _ = boot::signal(pidfd, libc::SIGKILL);
        }
        keeper.record(dir)?;
        Ok(keeper)
    }

    /// Another keeper for the same namespaces, after the death of this one.
    pub(super) fn again(&self, dir: &Path) -> Result<Keeper> {
        let copy = |fd: &OwnedFd| fd.try_clone().context("copy a descriptor");
        let keeper = Keeper::join(dir, copy(&self.user)?, copy(&self.net)?)?;
        keeper.record(dir)?;
        let _ = crate::sys::process::wait(self.pid);
        Ok(keeper)
    }

    fn record(&self, dir: &Path) -> Result<()> {
        let record = Record { pid: self.pid, start_ticks: boot::start_ticks(self.pid).unwrap_or(0) };
        atomic::write_json(&dir.join(RECORD), &record, Class::Volatile)
    }

    /// The end of the namespaces, as far as we are concerned.
    pub(super) fn end(self, dir: &Path) {
        let _ = boot::signal(&self.pidfd, libc::SIGKILL);
        let _ = crate::sys::process::wait(self.pid);
        let _ = std::fs::remove_file(dir.join(RECORD));
    }

    fn fresh(dir: &Path) -> Result<Keeper> {
        let idmap = IdMap::detect()?;
        let (channel, spawned) = spawn(dir, libc::CLONE_NEWUSER | libc::CLONE_NEWNET, &[])
            .map_err(|e| explain(e).context("make the namespaces of the networks"))?;
        let mapped = start_maps(spawned.pid, &idmap).and_then(|m| m.finish());
        Keeper::begin(channel, spawned, mapped)
    }

    /// In a user namespace that is there, with a new network namespace.
    fn among(dir: &Path, user: &OwnedFd) -> Result<Keeper> {
        let (channel, spawned) = spawn(dir, libc::CLONE_NEWNET, &[(user.as_fd(), libc::CLONE_NEWUSER)])?;
        Keeper::begin(channel, spawned, Ok(()))
    }

    fn join(dir: &Path, user: OwnedFd, net: OwnedFd) -> Result<Keeper> {
        let joins = [(user.as_fd(), libc::CLONE_NEWUSER), (net.as_fd(), libc::CLONE_NEWNET)];
        let (channel, spawned) = spawn(dir, 0, &joins)?;
        Keeper::begin(channel, spawned, Ok(()))
    }

    fn begin(channel: Channel, spawned: clone::Spawned, ready: Result<()>) -> Result<Keeper> {
        let (pid, pidfd) = (spawned.pid, spawned.pidfd);
        let done = ready.and_then(|()| namespaces(pid)).and_then(|(user, net)| {
            let keeper = Keeper { pidfd: pidfd.try_clone().context("copy a descriptor")?, pid, channel, user, net };
            keeper.order(&Order::Begin, &[]).map(|_| keeper)
        });
        if done.is_err() {
            let _ = boot::signal(&pidfd, libc::SIGKILL);
            let _ = crate::sys::process::wait(pid);
        }
        done
    }

    /// Has an order carried out.
    pub(super) fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(Done, Vec<OwnedFd>)> {
        self.channel.send(order, fds)?;
        match self.channel.recv::<Result<Done>>()? {
            Some((answer, fds)) => Ok((answer?, fds)),
            None => Err(Error::new(crate::error::Kind::Io, "change the networks: their keeper was killed")),
        }
    }

    pub(super) fn links(&self) -> Vec<Link> {
        self.order(&Order::Links, &[]).map(|(done, _)| done.links).unwrap_or_default()
    }
}

/// `dir` says in listings of processes whose keeper it is.
fn spawn(dir: &Path, namespaces: i32, joins: &[(BorrowedFd<'_>, i32)]) -> Result<(Channel, clone::Spawned)> {
    let (ours, theirs) = Channel::pair()?;
    let null = dev_null()?;
    let path = cstring(stage::program().as_os_str().as_bytes())?;
    let argv = argv(keeper::STAGE, &[dir.to_string_lossy().into_owned()])?;
    let spawned = clone::spawn(&clone::Exec {
        program: clone::Program::Path(&path),
        argv: &argv,
        env: &[],
        stdio: [Some(null.as_fd()); 3],
        fds: &[theirs.as_fd()],
        namespaces,
        joins,
        cgroup_procs: None,
        session: false,
        death_signal: 0,
        ambient: true,
    })?;
    Ok((ours, spawned))
}

/// The user namespace of containers that were on networks when holder and keeper were killed.
fn survivors(paths: &Paths) -> Option<OwnedFd> {
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|s| s.st_ino).ok();
    let own = rustix::fs::open("/proc/self/ns/user", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let members = containers::list(paths).ok()?.into_iter().filter(|c| c.active() && c.state.network.mode == MODE);
    members.into_iter().find_map(|c| {
        let process = boot::open(c.state.pid, c.state.start_ticks).ok()??;
        let (user, _) = namespaces(c.state.pid).ok()?;
        drop(process);
        // A program that made a user namespace of its own inside must not get hold of the networks.
        let parent = crate::sys::process::parent_user_namespace(user.as_fd()).ok()?;
        (inode(&parent) == inode(&own)).then_some(user)
    })
}

/// User and network namespace of a process.
fn namespaces(pid: i32) -> Result<(OwnedFd, OwnedFd)> {
    let open = |name: &str| {
        let path = format!("/proc/{pid}/ns/{name}");
        rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).with_context(|| format!("open {path}"))
    };
    Ok((open("user")?, open("net")?))
}

/// A network with members.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) record: Network,
    pub(super) bridge: Bridge,
    /// The holder's, for what pasta needs to start.
    dir: PathBuf,
    slirp: Option<Helper>,
    attempts: u32,
}

impl Live {
    /// Makes the bridge and starts the way out; a missing one is a note for the user.
    pub(super) fn start(keeper: &Keeper, dir: &Path, record: &Network, notes: &mut Vec<String>) -> Result<Live> {
        // Older versions of pasta take no name of fifteen characters.
        let short = record.id.get(..10).unwrap_or(&record.id);
        let bridge = Bridge {
            name: record.interface(),
            addresses: record.subnets.iter().map(|s| with_prefix(s.gateway, &s.net)).collect(),
            mtu: if record.mtu == 0 { MTU } else { record.mtu },
            // The same for the next holder.
            table: record.id.get(..7).and_then(|d| u32::from_str_radix(d, 16).ok()).unwrap_or(0) | 0x4000_0000,
            tap: format!("tap-{short}"),
        };
        keeper.order(&Order::Bridge(bridge.clone()), &[])?;
        let mut live = Live { record: record.clone(), bridge, dir: dir.into(), slirp: None, attempts: 0 };
        if let Err(e) = live.way_out(keeper, &[]) {
            notes.push(format!("network {} has no way out: {}", record.name, e.to_string().replace('\n', " ")));
        }
        Ok(live)
    }

    /// Sockets for the name service, in pairs (UDP, TCP).
    pub(super) fn listen(&self, keeper: &Keeper) -> Result<Vec<(OwnedFd, OwnedFd)>> {
        let addresses = self.record.subnets.iter().map(|s| s.gateway).collect();
        let (_, fds) = keeper.order(&Order::Listen { bridge: self.bridge.name.clone(), addresses }, &[])?;
        let mut fds = fds.into_iter();
        let mut out = Vec::new();
        while let (Some(udp), Some(tcp)) = (fds.next(), fds.next()) {
            out.push((udp, tcp));
        }
        Ok(out)
    }

    /// A socket to ask a member of this network with.
    pub(super) fn asking(&self, keeper: &Keeper, ipv6: bool, tcp: bool) -> Option<OwnedFd> {
        let order = Order::Ask { bridge: self.bridge.name.clone(), ipv6, tcp };
        keeper.order(&order, &[]).ok()?.1.pop()
    }

    fn way_out(&mut self, keeper: &Keeper, members: &[IpAddr]) -> Result<()> {
        if self.record.internal {
            return Ok(());
        }
        self.slirp = None;
        let ipv6 = self.record.subnet(true).is_some();
        let network = Ipv4Net::new(Ipv4Addr::from(SLIRP_NET), 24).unwrap_or_default();
        let options = SlirpOptions { network, mtu: keeper::TAP_MTU, ipv6, ..SlirpOptions::default() };
        let tap = &self.bridge.tap;
        let asked = self.record.options.get(WAY_OUT).map(String::as_str);
        let (slirp, masks) = match asked {
            Some(pasta::NAME) => self.with_pasta(keeper, ipv6)?,
            Some(_) => (slirp::start_bare(&options, tap, keeper.pid)?.finish()?, Vec::new()),
            None => match slirp::start_bare(&options, tap, keeper.pid).and_then(|s| s.finish()) {
                Ok(slirp) => (slirp, Vec::new()),
                Err(first) => self
                    .with_pasta(keeper, ipv6)
                    .map_err(|second| Error { hint: None, ..first }.context(second.to_string()))?,
            },
        };
        let mut gateways: Vec<IpAddr> = Vec::new();
        if self.record.subnet(false).is_some() {
            gateways.push(SLIRP_GATEWAY.into());
        }
        if ipv6 {
            gateways.push(SLIRP_GATEWAY6.into());
        }
        let proxies = members.iter().copied().filter(IpAddr::is_ipv6).collect();
        keeper.order(&Order::Way(Way { bridge: self.bridge.clone(), gateways, proxies, masks }), &[])?;
        self.slirp = Some(slirp);
        Ok(())
    }

    /// pasta knows the address of one guest: the members share one.
    fn with_pasta(&self, keeper: &Keeper, ipv6: bool) -> Result<(Helper, Vec<IpNet>)> {
        let mut masks = vec![with_prefix(PASTA_GUEST.into(), &IpNet::from(Ipv4Net::new_assert(PASTA_GUEST, 24)))];
        if ipv6 {
            masks.push(IpNet::new_assert(PASTA_GUEST6.into(), 64));
        }
        let gateways = [SLIRP_GATEWAY.into(), SLIRP_GATEWAY6.into()];
        let guest = pasta::Guest { interface: &self.bridge.tap, addresses: &masks, gateways: &gateways[..masks.len()] };
        Ok((pasta::start_bare(&guest, keeper.pid, &self.dir)?.finish(&self.dir)?, masks))
    }

    /// Readable at the death of slirp4netns.
    pub(super) fn slirp(&self) -> Option<BorrowedFd<'_>> {
        self.slirp.as_ref().map(|h| h.pidfd.as_fd())
    }

    /// slirp4netns has died: another one, with the addresses of the members.
    pub(super) fn revive(&mut self, keeper: &Keeper, members: &[IpAddr]) {
        if !self.slirp.as_mut().is_some_and(Helper::ended) {
            return;
        }
        self.slirp = None;
        self.attempts += 1;
        if self.attempts <= REVIVALS {
            let _ = self.way_out(keeper, members);
        }
    }

    /// Puts a container in. `default`: for which families (IPv4, IPv6) its way out leads here.
    pub(super) fn plug(
        &self,
        keeper: &Keeper,
        id: &str,
        wire: &Wire,
        default: [bool; 2],
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        let mut addresses = Vec::new();
        let mut gateways = Vec::new();
        for ip in &wire.ips {
            let subnet = self.record.subnet_of(*ip);
            let subnet =
                subnet.ok_or_else(|| Error::bug(format!("use address {ip} in network {}", self.record.name)))?;
            addresses.push(with_prefix(*ip, &subnet.net));
            if default[usize::from(ip.is_ipv6())] {
                gateways.push(subnet.gateway);
            }
        }
        let plug = Plug {
            bridge: self.bridge.clone(),
            name: port(id, &self.record.id),
            interface: wire.interface.clone(),
            mac: wire.mac.clone(),
            addresses,
            gateways,
        };
        keeper
            .order(&Order::Plug(plug), &[namespace])
            .map(drop)
            .map_err(|e| e.context(format!("connect the container to network {}", self.record.name)))
    }

    pub(super) fn unplug(&self, keeper: &Keeper, id: &str) {
        let _ = keeper.order(&Order::Unplug { name: port(id, &self.record.id) }, &[]);
    }

    pub(super) fn end(mut self, keeper: &Keeper) {
        self.slirp = None;
        let _ = keeper.order(&Order::RemoveBridge(self.bridge), &[]);
    }
}

/// Name of a member's port on the bridge.
pub(super) fn port(container: &str, network: &str) -> String {
    format!("v{}{}", container.get(..8).unwrap_or(container), network.get(..6).unwrap_or(network))
}
