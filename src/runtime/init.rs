//! Stage `init`: PID 1 of a container, from its first instruction to the program's execve.
//!
//! It starts unmapped (all capabilities are ambient) so that its start-up and the network namespace overlap with the
//! id map helpers. Frames: ← `Plan`, → `Ready`, ← `Mapped`, → `Created`, ← `Go`, then EOF (executed) or → `Failed`.
//! Where nothing is joined and we do not stay PID 1, it is a fork of the monitor, which saves it the start of a program
//! of our size: it has its plan from birth, and executes the container's program through the launcher (→ `Executing`).

use super::plan::Step;
use super::program::{Program, give_pipe};
use super::setup::{Setup, shared_memory_of};
use super::terminal::Terminal;
use super::user::{self, User};
use super::{RootKind, flat, fuse, reaper, rootfs};
use crate::error::{Context, Error, Result};
use crate::stage::{Channel, ids};
use crate::state::hook;
use crate::sys::process;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

/// To PID 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToInit {
    Plan(Box<Plan>),
    /// The id maps are written.
    Mapped,
    /// fuse-overlayfs runs; its mount comes along.
    Fuse,
    /// It can't be.
    NoFuse(Error),
    Go,
}

/// From PID 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromInit {
    /// All namespaces exist.
    Ready,
    /// The kernel refuses its overlay.
    NeedFuse(fuse::Request),
    /// With the pty's master, if any.
    Created {
        warnings: Vec<String>,
        phases: Vec<Phase>,
    },
    /// The launcher is about to execute this file.
    Executing(String),
    Failed(Error),
}

/// A point in time of a start: CLOCK_MONOTONIC, nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub at: u64,
}

impl Phase {
    pub(super) fn now(name: impl Into<String>) -> Phase {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Phase { name: name.into(), at: time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
    }
}

/// All that PID 1 does.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// CLONE_NEW* still to be made; the rest came with the clone or is joined.
    pub unshare: i32,
    /// setns(2) flags of the first descriptors that come with this frame; the others are the program's.
    pub joins: Vec<i32>,
    pub steps: Vec<Step>,
    pub program: Program,
    pub tty: bool,
    pub root: RootKind,
    /// The streams are ours: the container's user becomes their owner.
    pub give_streams: bool,
    /// Our reaper stays PID 1.
    pub reaper: bool,
    /// Highest group mapped in one piece from 0.
    pub groups: u32,
}

/// What the process is called until it executes the program (proc_pid_comm(5)).
pub(super) const NAME: &std::ffi::CStr = crate::sys::launcher::NAME;

/// Entry of the stage; fd 3 is the channel.
pub fn main(_args: &[String]) -> ExitCode {
    let _ = rustix::thread::set_name(NAME);
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    let Err(error) = run(&channel) else { return ExitCode::SUCCESS };
    // Without a reader nobody waits for the reason.
    let _ = channel.send(&FromInit::Failed(error), &[]);
    ExitCode::from(125)
}

fn receive(channel: &Channel) -> Result<(ToInit, Vec<OwnedFd>)> {
    channel.recv()?.ok_or_else(|| Error::bug("wait for the monitor: it is gone"))
}

/// PID 1 as a fork of the monitor, without an execve(2) of its own: descriptor 3 is the channel, 4 the launcher.
/// Nothing is joined.
pub(super) fn forked(ready: Result<()>, plan: &Plan) -> i32 {
    let _ = rustix::thread::set_name(NAME);
    let Ok(channel) = Channel::inherited(3) else { return 125 };
    let result = ready.and_then(|()| process::take_fd(4).context("take over the launcher")).and_then(|launcher| {
        let phases = vec![Phase::now("init: started")];
        become_init(&channel, plan, Vec::new(), phases, Some(launcher.as_fd()))
    });
    if let Err(error) = result {
        let _ = channel.send(&FromInit::Failed(error), &[]);
    }
    125
}

fn run(channel: &Channel) -> Result<()> {
    let phases = vec![Phase::now("init: started")];
    let (ToInit::Plan(plan), fds) = receive(channel)? else {
        return Err(Error::bug("start PID 1 without a plan"));
    };
    become_init(channel, &plan, fds, phases, None)
}

fn become_init(
    channel: &Channel,
    plan: &Plan,
    mut fds: Vec<OwnedFd>,
    mut phases: Vec<Phase>,
    launcher: Option<BorrowedFd<'_>>,
) -> Result<()> {
    plan.program.adjust_oom_score();
    let mut shared_memory = None;
    let passed = fds.split_off(plan.joins.len().min(fds.len()));
    for (fd, flags) in fds.iter().zip(&plan.joins) {
        if *flags == libc::CLONE_NEWIPC {
            shared_memory = shared_memory_of(fd.as_fd());
        }
        process::setns(fd.as_fd(), *flags).context("join a namespace").map_err(|e| {
            e.hint("a namespace of another container can only be entered together with its user namespace")
        })?;
    }
    drop(fds);
    process::unshare(plan.unshare).context("make new namespaces")?;
    phases.push(Phase::now("init: namespaces made"));
    channel.send(&FromInit::Ready, &[])?;
    let (ToInit::Mapped, _) = receive(channel)? else {
        return Err(Error::bug("start PID 1 without id maps"));
    };
    phases.push(Phase::now("init: ids mapped"));
    // Nobody in a joined pid or user namespace may look into this process. As a fork it is alone in its own, and the
    // network's helpers must find its namespaces: its memory is still that of a process of the host.
    let protect = if launcher.is_some() { ids::dumpable } else { ids::undumpable };
    protect()?;
    if plan.program.groups.iter().any(|g| g == "keep-groups") {
        ids::become_root(false)?;
    } else {
        ids::become_root(!plan.program.one_id)?;
    }
    protect()?;
    let (user, master, warnings) = set_up(plan, &mut phases, channel, shared_memory)?;
    let fds: Vec<_> = master.iter().map(AsFd::as_fd).collect();
    channel.send(&FromInit::Created { warnings, phases }, &fds)?;
    drop(master);
    let (ToInit::Go, _) = receive(channel)? else {
        return Err(Error::bug("start the program without leave"));
    };
    hook::dies_at("init:go");
    finish(plan, &user, channel, launcher, &passed)
}

fn set_up(
    plan: &Plan,
    phases: &mut Vec<Phase>,
    channel: &Channel,
    shared_memory: Option<OwnedFd>,
) -> Result<(User, Option<OwnedFd>, Vec<String>)> {
    let mut setup = Setup::default();
    setup.groups = plan.groups;
    setup.shared_memory = shared_memory;
    setup.isolate()?;
    for (n, step) in plan.steps.iter().enumerate() {
        if !root_without_overlay(&mut setup, step, plan.root, channel)? {
            setup.run(step)?;
        }
        if n == 0 {
            phases.push(Phase::now("init: root mounted"));
            setup.user = user::resolve(setup.root()?, &plan.program.user, &plan.program.groups)?;
            if let Some(line) = &plan.program.passwd {
                let mut user = std::mem::take(&mut setup.user);
                user::introduce(setup.root()?, &mut user, line);
                setup.user = user;
            }
        }
    }
    phases.push(Phase::now("init: set up"));
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    for fd in streams.into_iter().filter(|_| plan.give_streams) {
        give_pipe(fd, &setup.user);
    }
    let mut master = None;
    if let Some(terminal) = setup.terminal {
        terminal.give_to(setup.user.uid)?;
        Terminal::take(terminal.slave.as_fd())?;
        master = Some(terminal.master);
    }
    Ok((setup.user, master, setup.warnings))
}

/// Tries the kernel's overlay and what may stand in for it; false for any other step.
fn root_without_overlay(setup: &mut Setup, step: &Step, kind: RootKind, channel: &Channel) -> Result<bool> {
    let Step::Overlay { layers, upper, work, volatile } = step else { return Ok(false) };
    if kind == RootKind::Auto && !flat::is_flat(work) {
        match setup.run(step) {
            Err(e) if rootfs::refused(&e) => setup.warnings.push(format!("{e}; trying fuse-overlayfs")),
            other => return other.map(|()| true),
        }
    }
    rootfs::prepare(&layers.lowers, upper, work)?;
    if kind != RootKind::Copy && !flat::is_flat(work) {
        let at = rootfs::mount_point(upper)?;
        let request = fuse::Request {
            layers: layers.clone(),
            upper: upper.clone(),
            work: work.clone(),
            volatile: *volatile,
            at: at.clone(),
        };
        channel.send(&FromInit::NeedFuse(request), &[])?;
        match receive(channel)? {
            (ToInit::Fuse, mut fds) if !fds.is_empty() => {
                return setup.attach_root(fds.remove(0), &at).map(|()| true);
            }
            (ToInit::NoFuse(e), _) => setup.warnings.push(format!("{e}; the root file system is a copy")),
            _ => return Err(Error::bug("start PID 1: wrong answer about fuse-overlayfs")),
        }
    }
    setup.attach_root(flat::root(&layers.lowers, upper, work)?, upper).map(|()| true)
}

/// From `Go` to the program. Only the channel, the launcher and what the program is given are open besides the standard
/// streams.
fn finish(
    plan: &Plan,
    user: &User,
    channel: &Channel,
    launcher: Option<BorrowedFd<'_>>,
    passed: &[OwnedFd],
) -> Result<()> {
    plan.program.enter_cwd(true)?;
    plan.program.restrict(user)?;
    Program::die_with_parent()?;
    // The monitor may have died before that took hold; its end of the channel tells.
    if rustix::event::poll(
        &mut [rustix::event::PollFd::new(channel, rustix::event::PollFlags::IN)],
        Some(&rustix::time::Timespec::default()),
    )
    .is_ok_and(|n| n > 0)
    {
        return Err(Error::bug("start the program: the monitor is gone"));
    }
    if plan.reaper {
        return reaper::run(&plan.program, user, channel, plan.tty, passed);
    }
    Err(match launcher {
        Some(launcher) => {
            plan.program.launch(user, channel, launcher, |path| channel.send(&FromInit::Executing(path.into()), &[]))
        }
        None if passed.is_empty() => plan.program.exec(user),
        None => give_and_execute(&plan.program, user, channel, passed),
    })
}

/// Executes the program with descriptors of its own. They take the channel's number: the error that this returns has
/// been told already.
pub(super) fn give_and_execute(program: &Program, user: &User, channel: &Channel, passed: &[OwnedFd]) -> Error {
    let aside = match channel.aside(3 + passed.len() as i32) {
        Ok(aside) => aside,
        Err(e) => return e,
    };
    let error = match process::pass_on(passed).context("give the program its descriptors") {
        Ok(()) => program.exec(user),
        Err(e) => e,
    };
    let _ = aside.send(&FromInit::Failed(error), &[]);
    process::exit(125)
}
