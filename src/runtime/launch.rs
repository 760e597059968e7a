//! The monitor's side of a launch.

use super::init::{FromInit, Phase, Plan, ToInit};
use super::owned::{self, Layers};
use super::plan::{Facts, plan};
use super::program::{Program, refused};
use super::{Created, Init, Joins, LaunchRequest, Stdio, fuse, host, seccomp};
use crate::error::{Context, Error, Kind, Result};
use crate::spec::model::{NetMode, Ns, Spec, UserNs};
use crate::stage::spawn::{argv, dev_null};
use crate::stage::{Channel, Heard};
use crate::state::hook;
use crate::sys::{clone, fork, process};
use crate::userns::{IdMap, Level, explain, start_maps};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Clones PID 1. On return its id maps are written and all its namespaces exist, so that the network can be set up
/// while it mounts.
pub fn launch(request: LaunchRequest<'_>) -> Result<Init> {
    let spec = request.spec;
    let mut phases = vec![Phase::now("launch: called")];
    let joins = &request.joins;
    let idmap = &match &joins.user {
        Some(process) if !joins.nested => request.idmap.of_process(process.as_fd())?,
        _ => map_of(spec, request.idmap)?,
    };
    let layers = owned::layers(&request.lowers, request.idmap, idmap)?;
    let mut images = BTreeMap::new();
    for (place, lowers) in &request.images {
        images.insert(place.clone(), owned::layers(lowers, request.idmap, idmap)?);
    }
    let own_user = joins.user.is_none() || joins.nested;
    let nested = match &joins.user {
        Some(outer) if joins.nested => Some(idmap.within(&request.idmap.of_process(outer.as_fd())?)?),
        _ => None,
    };
    let namespaces = Namespaces::of(spec, joins)?;
    let plan = Plan {
        unshare: namespaces.unshare,
        joins: namespaces.inside.iter().map(|j| j.1).collect(),
        steps: steps(&request, layers, images, idmap),
        program: Program {
            passwd: host::passwd_entry(spec),
            listening: request.listening.to_vec(),
            seccomp: match spec.pretend_owners && idmap.has_one_id() {
                true => seccomp::pretending(&spec.seccomp, &spec.process.capabilities)?,
                false => seccomp::compile(&spec.seccomp, &spec.process.capabilities)?,
            },
            ..program(spec, idmap.level == Level::OneId)?
        },
        tty: spec.process.tty,
        root: request.root,
        give_streams: matches!(request.stdio, Stdio::Pipes { .. }),
        reaper: spec.init,
        groups: mapped_groups(idmap),
    };

    let (ours, theirs) = Channel::pair()?;
    let procs = request.cgroup.as_ref().map(|dir| host::cgroup_procs(dir.as_fd())).transpose()?;
    let null = dev_null()?;
    let stdio: [BorrowedFd<'_>; 3] = match &request.stdio {
        Stdio::Pipes { stdin, stdout, stderr } | Stdio::Given { stdin, stdout, stderr } => {
            [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]
        }
        Stdio::Pty => [null.as_fd(); 3],
    };
    let outer: Vec<(BorrowedFd<'_>, i32)> = namespaces.outside.iter().map(|j| (j.0.as_fd(), j.1)).collect();
    let usual = outer.is_empty() && namespaces.inside.is_empty() && request.passed.is_empty() && !spec.init;
    let launcher = if usual { host::launcher(&spec.seccomp) } else { None };
    // Of use to the usual container only.
    let below = request.early.as_ref().filter(|_| own_user && launcher.is_some() && idmap == request.idmap);
    // Nobody may make a namespace below one in which they have no id.
    let waits = below.is_none_or(|early| early.nested);
    if let (Some(early), true) = (&request.early, waits) {
        (early.mapped)()?;
    }
    let new_user = own_user && below.is_none_or(|early| early.nested);
    let inner_maps = if below.is_some() && new_user { Some(idmap.texts()?) } else { None };
    let clone_flags = if new_user { libc::CLONE_NEWUSER } else { 0 } | libc::CLONE_NEWNS | namespaces.clone;
    let spawned = match &launcher {
        Some(launcher) => {
            let how = fork::Fork {
                stdio: stdio.map(Some),
                fds: &[theirs.as_fd(), launcher.as_fd()],
                namespaces: clone_flags,
                user_namespace: below.map(|early| early.namespace.as_fd()),
                maps: inner_maps.as_ref().map(|[uids, gids]| [uids.as_c_str(), gids.as_c_str()]),
                cgroup_procs: procs.as_ref().map(AsFd::as_fd),
                session: true,
                death_signal: libc::SIGKILL,
            };
            fork::fork(&how, |ready| super::init::forked(ready, &plan))
        }
        None => {
            let texts = nested.as_ref().map(IdMap::texts).transpose()?;
            let exec = clone::Exec {
                program: clone::Program::Fd(null.as_fd()),
                argv: &argv("init", &[])?,
                env: &hook::environment(),
                stdio: stdio.map(Some),
                fds: &[theirs.as_fd()],
                namespaces: clone_flags,
                joins: &outer,
                cgroup_procs: procs.as_ref().map(AsFd::as_fd),
                session: true,
                death_signal: libc::SIGKILL,
                ambient: true,
            };
            host::spawn_protected(&exec, texts.as_ref().map(|[uids, gids]| [uids.as_c_str(), gids.as_c_str()]))
        }
    };
    let spawned = spawned.map_err(|e| explain(e).context("make the container's namespaces"))?;
    drop(theirs);
    phases.push(Phase::now("launch: cloned"));
    let mut init = Init {
        pid: spawned.pid,
        pidfd: spawned.pidfd,
        phases,
        channel: ours,
        fuse: None,
        executing: None,
        executed: false,
        unheard: false,
        reaped: false,
    };
    let unmapped = new_user && nested.is_none() && below.is_none();
    let maps = if unmapped { Some(start_maps(init.pid, idmap)?) } else { None };
    let sent = match launcher {
        Some(_) => Ok(()),
        None => {
            let inside = namespaces.inside.iter().map(|j| j.0.as_fd());
            let fds: Vec<BorrowedFd<'_>> = inside.chain(request.passed.iter().map(AsFd::as_fd)).collect();
            init.channel.send(&ToInit::Plan(Box::new(plan)), &fds)
        }
    };
    // The helpers are reaped whatever happened to the frame.
    let mapped = match below {
        Some(early) if !waits => (early.mapped)(),
        _ => maps.map_or(Ok(()), |m| m.finish()),
    };
    init.phases.push(Phase::now("launch: ids mapped"));
    let ready = sent.and_then(|()| init.frame());
    match ready {
        Ok(FromInit::Ready) => {}
        Ok(_) => return Err(Error::bug("start PID 1: it skipped its namespaces")),
        // Its own reason is better than that of a helper whose target was gone.
        Err(e) if e.kind != Kind::Bug => return Err(explain(e)),
        Err(e) => return Err(mapped.err().unwrap_or(e)),
    }
    mapped?;
    init.channel.send(&ToInit::Mapped, &[])?;
    Ok(init)
}

impl Init {
    /// The next frame; an error frame as an error, the death of PID 1 too.
    fn frame(&self) -> Result<FromInit> {
        Ok(self.frame_with_fds()?.0)
    }

    /// PID 1 has ended: nothing attached to it goes on. Idempotent; [`Drop`] does it too.
    pub fn ended(&mut self) {
        self.fuse = None;
    }

    fn frame_with_fds(&self) -> Result<(FromInit, Vec<OwnedFd>)> {
        match self.channel.recv()? {
            Some((FromInit::Failed(e), _)) => Err(e),
            Some(frame) => Ok(frame),
            None => Err(Error::bug("set up the container: PID 1 died without a word")
                .hint("was it killed, or is memory short? See the kernel's log")),
        }
    }

    /// Waits until everything but the program's execution is done.
    pub fn created(&mut self) -> Result<Created> {
        let (warnings, phases, fds) = loop {
            match self.frame_with_fds()? {
                (FromInit::Created { warnings, phases }, fds) => break (warnings, phases, fds),
                (FromInit::NeedFuse(request), _) => match fuse::Server::start(&self.pidfd, &request) {
                    Ok((server, mount)) => {
                        self.fuse = Some(server);
                        self.channel.send(&ToInit::Fuse, &[mount.as_fd()])?;
                    }
                    Err(e) => self.channel.send(&ToInit::NoFuse(e), &[])?,
                },
                _ => return Err(Error::bug("set up the container: PID 1 sent the wrong frame")),
            }
        };
        self.phases.extend(phases);
        self.phases.push(Phase::now("launch: created"));
        Ok(Created { pty_master: fds.into_iter().next(), warnings })
    }

    /// Lets PID 1 execute the program.
    pub fn go(&mut self) -> Result<()> {
        self.phases.push(Phase::now("launch: go"));
        match self.channel.send(&ToInit::Go, &[]) {
            // It died: the reason, if it could give one, comes from `executed`.
            Err(e) if e.is_errno(libc::EPIPE) => {
                self.unheard = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Waits until the program executes, or for the error that kept it from it (kinds CannotExec, CommandNotFound).
    pub fn executed(&mut self) -> Result<()> {
        loop {
            match self.channel.hear::<FromInit>()? {
                // If it never read that it may go on, this EOF is its death and no execve.
                Heard::End if self.unheard || self.channel.was_reset() || !self.executes()? => {
                    return Err(Error::new(Kind::Io, "start the program: PID 1 of the container was killed"));
                }
                Heard::End => break,
                Heard::Frame(FromInit::Executing(path), _) => self.executing = Some(path),
                Heard::Refused(errno) => {
                    return Err(refused(self.executing.as_deref().unwrap_or("the program"), errno));
                }
                Heard::Frame(FromInit::Failed(e), _) => return Err(e),
                Heard::Frame(..) => return Err(Error::bug("start the program: PID 1 sent the wrong frame")),
            }
        }
        self.phases.push(Phase::now("launch: executed"));
        self.executed = true;
        Ok(())
    }

    /// The channel is closed: by execve, or by death? PID 1 keeps the name [`super::init::NAME`] until it executes the
    /// program, and the kernel closes the channel a moment before it changes the name or ends the process.
    fn executes(&self) -> Result<bool> {
        let name = format!("/proc/{}/comm", self.pid);
        let waiting = || match std::fs::read(&name) {
            Ok(comm) => comm.strip_suffix(b"\n") == Some(super::init::NAME.to_bytes()),
            // No procfs to ask: EOF has to do.
            Err(_) => false,
        };
        while waiting() {
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let moment = Timespec { tv_sec: 0, tv_nsec: 100_000 };
            match rustix::event::poll(&mut fds, Some(&moment)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // It has ended; its name is now the last it had.
                Ok(_) => return Ok(!waiting()),
                Err(e) => return Err(e).context("wait for PID 1"),
            }
        }
        Ok(true)
    }

    /// Times of the phases so far, both of this process and of PID 1, in order of time.
    pub fn phases(&self) -> Vec<Phase> {
        let mut all = self.phases.clone();
        all.sort_by_key(|p| p.at);
        all
    }

    /// Waits for the end of PID 1: exit code, or 128 + signal. Once.
    pub fn wait(&mut self) -> Result<i32> {
        let code = process::wait(self.pid).context("wait for the container's process")?;
        self.reaped = true;
        Ok(code)
    }
}

impl AsFd for Init {
    /// The channel: readable when a frame or EOF is there for [`Init::created`] or [`Init::executed`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if !self.executed && !self.reaped {
            let _ = process::pidfd_kill(self.pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait(self.pid);
        }
    }
}

/// Which namespaces come how. `clone`: with the clone; `unshare`: made by PID 1 itself; `outside`: entered before the
/// clone (user and pid); `inside`: entered by PID 1.
struct Namespaces {
    clone: i32,
    unshare: i32,
    outside: Vec<(OwnedFd, i32)>,
    inside: Vec<(OwnedFd, i32)>,
}

impl Namespaces {
    fn of(spec: &Spec, joins: &Joins) -> Result<Namespaces> {
        let mut out = Namespaces { clone: 0, unshare: 0, outside: Vec::new(), inside: Vec::new() };
        let copy = |fd: &OwnedFd| fd.try_clone().context("copy a descriptor");
        if let Some(user) = &joins.user {
            out.outside.push((copy(user)?, libc::CLONE_NEWUSER));
        }
        let file = |ns: &Ns| match ns {
            Ns::Path(path) => host::open_namespace(path).map(Some),
            _ => Ok(None),
        };
        match (&spec.pid, &joins.pid) {
            (Ns::Private, None) => out.clone |= libc::CLONE_NEWPID,
            (ns, None) => out.outside.extend(file(ns)?.map(|fd| (fd, libc::CLONE_NEWPID))),
            (_, Some(fd)) => out.outside.push((copy(fd)?, libc::CLONE_NEWPID)),
        }
        let rest = [
            (&spec.ipc, &joins.ipc, libc::CLONE_NEWIPC),
            (&spec.uts, &joins.uts, libc::CLONE_NEWUTS),
            (&spec.cgroupns, &joins.cgroup, libc::CLONE_NEWCGROUP),
        ];
        for (ns, join, flag) in rest {
            match (ns, join) {
                (_, Some(fd)) => out.inside.push((copy(fd)?, flag)),
                (Ns::Private, None) => out.unshare |= flag,
                (ns, None) => out.inside.extend(file(ns)?.map(|fd| (fd, flag))),
            }
        }
        match (&spec.network.mode, &joins.net) {
            // A user namespace of the container's own has no right to enter what the outer one owns.
            (_, Some(fd)) if joins.nested => out.outside.push((copy(fd)?, libc::CLONE_NEWNET)),
            (_, Some(fd)) => out.inside.push((copy(fd)?, libc::CLONE_NEWNET)),
            (NetMode::Host, None) => {}
            (NetMode::Path(path), None) => out.inside.push((host::open_namespace(path)?, libc::CLONE_NEWNET)),
            (NetMode::Container(id), None) => {
                return Err(Error::bug(format!("join the network of container {id}: its process was not given")));
            }
            _ => out.unshare |= libc::CLONE_NEWNET,
        }
        Ok(out)
    }
}

/// The id map of the container of `spec`: the usual one, or that of `--userns keep-id`.
pub(super) fn map_of(spec: &Spec, usual: &IdMap) -> Result<IdMap> {
    let UserNs::KeepId { uid, gid } = &spec.userns else { return Ok(usual.clone()) };
    let own = usual.own();
    usual.keep_id(uid.unwrap_or(own.0), gid.unwrap_or(own.1))
}

fn steps(
    request: &LaunchRequest<'_>,
    layers: Layers,
    images: BTreeMap<String, Layers>,
    idmap: &IdMap,
) -> Vec<super::plan::Step> {
    let spec = request.spec;
    let etc = ["hosts", "hostname", "resolv.conf"].map(|name| request.etc.join(name));
    let facts = Facts {
        layers,
        images,
        scratch: request.dir.scratch(),
        upper: request.dir.upper(),
        work: request.dir.work(),
        etc: etc.into_iter().filter(|file| file.exists()).collect(),
        volumes: request.volumes.clone(),
        window: request.window,
        tty_group: idmap.gid_outside(5).is_some(),
        own_network: !matches!(spec.network.mode, NetMode::Host | NetMode::Path(_)),
        devices: if spec.privileged { host::devices() } else { Vec::new() },
    };
    plan(spec, &facts)
}

pub(super) fn program(spec: &Spec, one_id: bool) -> Result<Program> {
    let p = &spec.process;
    Ok(Program {
        args: p.args.clone(),
        env: p.env.clone(),
        cwd: p.cwd.clone(),
        user: p.user.clone(),
        groups: p.groups.clone(),
        capabilities: p.capabilities.clone(),
        ambient: p.ambient.clone(),
        no_new_privileges: p.no_new_privileges,
        rlimits: p.rlimits.clone(),
        umask: p.umask,
        oom_score_adj: p.oom_score_adj,
        seccomp: seccomp::compile(&spec.seccomp, &p.capabilities)?,
        one_id,
        passwd: None,
        listening: Vec::new(),
    })
}

/// The last group of the unbroken range that starts with 0.
fn mapped_groups(idmap: &IdMap) -> u32 {
    let mut next = 0u32;
    for range in &idmap.gids {
        if range.inside != next {
            break;
        }
        next = next.saturating_add(range.count);
    }
    // The kernel's own limit (net/ipv4/sysctl_net_ipv4.c).
    next.saturating_sub(1).min(i32::MAX as u32)
}
