//! `exec`: a further process in a running container.
//!
//! The caller P forks X; X enters the container's namespaces and forks the process Y as a sibling of itself, so that Y
//! is P's own child: P's streams, P's wait, no protocol with the monitor. Y executes the program through the launcher.
//! Frames: → `()` once X is in its cgroup, ← `Pid` (X), ← `Terminal`, ← `Executing` (Y), then EOF (executed) or ← `Failed`.
//!
//! Where the launcher can't be used, X is stage `exec`, started from a protected program; then the frame `Join` comes
//! first.

use super::program::{Program, give_pipe, refused};
use super::terminal::Terminal;
use super::{ExecProcess, ExecRequest, cgroup, host, launch, user};
use crate::error::{Context, Error, Kind, Result};
use crate::spec::env::Env;
use crate::spec::model::{NetMode, Ns, Seccomp, Spec};
use crate::stage::spawn::{Child, argv, dev_null};
use crate::stage::{Channel, Heard, ids};
use crate::state::boot;
use crate::sys::{caps, clone, fork, process};
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

/// To X, with the pidfd of the container's PID 1.
#[derive(Debug, Serialize, Deserialize)]
struct Join {
    /// CLONE_NEW* of the namespaces that are not the host's.
    namespaces: i32,
    program: Program,
    tty: bool,
    window: Option<(u16, u16)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum FromExec {
    /// Of Y, in the host's pid namespace.
    Pid(i32),
    /// With the pty's master.
    Terminal,
    /// The launcher is about to execute this file.
    Executing(String),
    Failed(Error),
}

/// Starts a process in a running container; returns once its program executes.
///
/// # Errors
/// `Conflict` when PID 1 is gone; CannotExec and CommandNotFound for the program itself.
pub fn exec(request: ExecRequest<'_>) -> Result<ExecProcess> {
    let gone = || Error::conflict("enter the container: it has just ended");
    let pidfd = boot::open(request.init_pid, request.start_ticks)?.ok_or_else(gone)?;
    let one_id = std::fs::read_to_string(format!("/proc/{}/setgroups", request.init_pid))
        .is_ok_and(|text| text.trim() == "deny");
    let frame = Join {
        namespaces: namespaces(request.spec),
        program: program(&request, one_id)?,
        tty: request.tty,
        window: request.window,
    };
    let (ours, theirs) = Channel::pair()?;
    let null = dev_null()?;
    let stdio: [Option<BorrowedFd<'_>>; 3] = match &request.stdio {
        _ if request.tty => [Some(null.as_fd()); 3],
        Some((stdin, stdout, stderr)) => [Some(stdin.as_fd()), Some(stdout.as_fd()), Some(stderr.as_fd())],
        None => [None; 3],
    };
    let filter = if request.privileged { &Seccomp::Unconfined } else { &request.spec.seccomp };
    let mut protected = None;
    let joiner = match host::launcher(filter) {
        Some(launcher) => {
            let how = fork::Fork {
                stdio,
                fds: &[theirs.as_fd(), launcher.as_fd(), pidfd.as_fd()],
                namespaces: 0,
                user_namespace: None,
                maps: None,
                cgroup_procs: None,
                session: true,
                death_signal: 0,
            };
            fork::fork(&how, |ready| forked(ready, &frame)).context("fork a process for the container")
        }
        None => {
            let program = protected.insert(host::protected_program()?);
            let spawned = clone::spawn(&clone::Exec {
                program: clone::Program::Fd(program.as_fd()),
                argv: &argv("exec", &[])?,
                env: &[],
                stdio,
                fds: &[theirs.as_fd()],
                namespaces: 0,
                joins: &[],
                cgroup_procs: None,
                session: true,
                death_signal: 0,
                ambient: false,
            });
            spawned.context("start stage exec")
        }
    };
    let joiner = Child::from(joiner?);
    drop(theirs);
    if let Some(dir) = &request.cgroup
        && let Err(e) = cgroup::attach(dir, joiner.pid)
    {
        // It runs all the same, outside of the container's limits.
        log::warn!("{e}");
    }
    let sent = if protected.is_some() { ours.send(&frame, &[pidfd.as_fd()]) } else { ours.send(&(), &[]) };
    let started = sent.and_then(|()| follow(&ours));
    // X ends as soon as it has forked; EPIPE above means that it ended before.
    let code = joiner.wait()?;
    // By now its maker has ended, or nearly so.
    drop(protected);
    match started {
        Ok(Some(process)) => Ok(process),
        Ok(None) => Err(Error::bug(format!("enter the container: the helper died (exit code {code})"))),
        Err(e) => Err(e),
    }
}

/// Reads frames until the program executes. A failed process is reaped.
fn follow(channel: &Channel) -> Result<Option<ExecProcess>> {
    let (mut process, mut master, mut failed, mut executing) = (None, None, None, None);
    loop {
        let (frame, fds) = match channel.hear::<FromExec>()? {
            Heard::Frame(frame, fds) => (frame, fds),
            Heard::Refused(errno) => {
                failed = Some(refused(executing.as_deref().unwrap_or("the program"), errno));
                continue;
            }
            Heard::End => break,
        };
        match frame {
            FromExec::Pid(pid) => {
                let raw =
                    rustix::process::Pid::from_raw(pid).ok_or_else(|| Error::bug("enter the container: no pid"))?;
                // It is our child and unreaped: the number is still its own.
                let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty());
                process = Some((pid, pidfd.context("open a pidfd of the process")?));
            }
            FromExec::Terminal => master = fds.into_iter().next(),
            FromExec::Executing(path) => executing = Some(path),
            FromExec::Failed(e) => failed = Some(e),
        }
    }
    match (process, failed) {
        (Some((pid, pidfd)), None) => Ok(Some(ExecProcess { pid, pidfd, pty_master: master })),
        (Some((pid, _)), Some(e)) => {
            let _ = process::wait(pid);
            Err(e)
        }
        (None, Some(e)) => Err(e),
        (None, None) => Ok(None),
    }
}

impl ExecProcess {
    /// Exit code, or 128 + signal. Once.
    pub fn wait(&self) -> Result<i32> {
        process::wait(self.pid).context("wait for the process")
    }
}

/// The namespaces that the container does not share with the host: those can't (and need not) be entered.
fn namespaces(spec: &Spec) -> i32 {
    let mut all = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
    let kinds = [
        (&spec.pid, libc::CLONE_NEWPID),
        (&spec.ipc, libc::CLONE_NEWIPC),
        (&spec.uts, libc::CLONE_NEWUTS),
        (&spec.cgroupns, libc::CLONE_NEWCGROUP),
    ];
    for (ns, flag) in kinds {
        if *ns != Ns::Host {
            all |= flag;
        }
    }
    if spec.network.mode != NetMode::Host {
        all |= libc::CLONE_NEWNET;
    }
    all
}

/// The container's process, with what the request changes.
fn program(request: &ExecRequest<'_>, one_id: bool) -> Result<Program> {
    let mut spec = request.spec.clone();
    let p = &mut spec.process;
    if request.privileged {
        p.capabilities = caps::NAMES.iter().map(|n| n.to_string()).collect();
        p.no_new_privileges = false;
        spec.seccomp = Seccomp::Unconfined;
    }
    p.args = request.args.clone();
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_string();
    let replaced: Vec<String> = request.env.iter().map(|e| name(e)).collect();
    let mut env = Env::default();
    env.apply(&p.env, false);
    env.apply(&request.env, true);
    p.env = env.into_words();
    if request.tty && !p.env.iter().any(|e| name(e) == "TERM") {
        p.env.push("TERM=xterm".into());
    }
    if let Some(cwd) = &request.cwd {
        p.cwd = cwd.clone();
    }
    if let Some(user) = &request.user {
        // Another user's home is not ours.
        if *user != p.user {
            p.env.retain(|e| name(e) != "HOME" || replaced.contains(&"HOME".to_string()));
        }
        p.user = user.clone();
    }
    launch::program(&spec, one_id)
}

/// Entry of stage `exec`; fd 3 is the channel.
pub fn stage_main(_args: &[String]) -> ExitCode {
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    let Err(error) = join(&channel) else { return ExitCode::SUCCESS };
    let _ = channel.send(&FromExec::Failed(error), &[]);
    ExitCode::from(125)
}

/// X as a fork of the caller: descriptor 3 is the channel, 4 the launcher, 5 the pidfd of the container's PID 1.
fn forked(ready: Result<()>, join: &Join) -> i32 {
    let _ = rustix::thread::set_name(c"coracle-exec");
    let Ok(channel) = Channel::inherited(3) else { return 125 };
    let enter_container = || {
        ready?;
        let taken = "take over a descriptor";
        let (launcher, pidfd) = (process::take_fd(4).context(taken)?, process::take_fd(5).context(taken)?);
        if channel.recv::<()>()?.is_none() {
            return Err(Error::bug("enter the container: the caller is gone"));
        }
        enter(&channel, join, pidfd, Some(launcher.as_fd()))
    };
    let Err(error) = enter_container() else { return 0 };
    let _ = channel.send(&FromExec::Failed(error), &[]);
    125
}

/// X as a stage.
fn join(channel: &Channel) -> Result<()> {
    let Some((join, mut fds)) = channel.recv::<Join>()? else {
        return Err(Error::bug("enter the container: the caller is gone"));
    };
    if fds.is_empty() {
        return Err(Error::bug("enter the container: its pidfd is missing"));
    }
    let pidfd = fds.remove(0);
    drop(fds);
    enter(channel, &join, pidfd, None)
}

/// X: into the container, then Y.
fn enter(channel: &Channel, join: &Join, pidfd: OwnedFd, launcher: Option<BorrowedFd<'_>>) -> Result<()> {
    join.program.adjust_oom_score();
    // Our memory and program stay the host's in the eyes of the container's root: he may not look into them.
    ids::undumpable()?;
    process::setns(pidfd.as_fd(), join.namespaces).context("enter the container's namespaces")?;
    drop(pidfd);
    ids::become_root(!join.program.groups.iter().any(|g| g == "keep-groups"))?;
    ids::undumpable()?;
    let child = process::fork(true).context("fork the process")?;
    if child > 0 {
        return channel.send(&FromExec::Pid(child), &[]);
    }
    let error = run(join, channel, launcher).err().unwrap_or_else(|| Error::bug("execute the program: it returned"));
    let _ = channel.send(&FromExec::Failed(error), &[]);
    process::exit(125);
}

/// Y: becomes the program.
fn run(join: &Join, channel: &Channel, launcher: Option<BorrowedFd<'_>>) -> Result<()> {
    rustix::process::setsid().context("start a session")?;
    let root = open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).context("open the root")?;
    let user = user::resolve(root.as_fd(), &join.program.user, &join.program.groups)?;
    if join.tty {
        let terminal = Terminal::open(root.as_fd(), join.window).map_err(|e| {
            if e.is_errno(libc::ENOENT) { e.kind(Kind::Unsupported).hint("the container has no /dev/pts") } else { e }
        })?;
        terminal.give_to(user.uid)?;
        Terminal::take(terminal.slave.as_fd())?;
        channel.send(&FromExec::Terminal, &[terminal.master.as_fd()])?;
    }
    // So that it can open /dev/stdout and its like.
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        give_pipe(fd, &user);
    }
    drop(root);
    join.program.enter_cwd(false)?;
    join.program.restrict(&user)?;
    Err(match launcher {
        Some(launcher) => {
            join.program.launch(&user, channel, launcher, |path| channel.send(&FromExec::Executing(path.into()), &[]))
        }
        None => join.program.exec(&user),
    })
}
