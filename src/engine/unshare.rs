//! `unshare`: a program as root of the user namespace that containers have, with mounts of its own.

use super::{Ctx, mounts};
use crate::error::{Context, Error, Kind, Result};
use crate::stage::spawn::{Child, argv, cstring, environment, program};
use crate::stage::{Channel, ids};
use crate::sys::clone::{self, Exec, Program};
use crate::sys::signal;
use crate::userns::{IdMap, Level, explain, start_maps};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Name of the stage.
pub const STAGE: &str = "unshare";

/// What the stage gets once its ids are mapped.
#[derive(Serialize, Deserialize)]
struct Order {
    /// Words, as bytes: they need not be UTF-8.
    command: Vec<Vec<u8>>,
    /// The map forbids setgroups(2).
    one_id: bool,
    /// Where `mount` puts what it mounts.
    mounts: PathBuf,
}

/// Runs `command` there with our streams, and waits for it: its exit code, 128 + n for signal n.
///
/// # Errors
/// `CommandNotFound` and `CannotExec` as a shell has them, and what user namespaces fail with.
pub fn run(ctx: &Ctx, command: &[OsString]) -> Result<i32> {
    let idmap = IdMap::detect()?;
    let mounts = mounts::directory(&ctx.paths);
    std::fs::create_dir_all(&mounts).with_context(|| format!("make {}", mounts.display()))?;
    let (ours, theirs) = Channel::pair()?;
    let path = cstring(program().as_os_str().as_bytes())?;
    let (argv, env) = (argv(STAGE, &[])?, environment()?);
    let spawned = clone::spawn(&Exec {
        program: Program::Path(&path),
        argv: &argv,
        env: &env,
        stdio: [None; 3],
        fds: &[theirs.as_fd()],
        namespaces: libc::CLONE_NEWUSER | libc::CLONE_NEWNS,
        joins: &[],
        cgroup_procs: None,
        session: false,
        // Whoever stops us means the program.
        death_signal: libc::SIGTERM,
        ambient: true,
    });
    let child = Child::from(spawned.map_err(explain)?);
    drop(theirs);
    let command = command.iter().map(|word| word.as_bytes().to_vec()).collect();
    let order = Order { command, one_id: idmap.level == Level::OneId, mounts };
    let begun = start_maps(child.pid, &idmap).and_then(|maps| maps.finish()).and_then(|()| ours.send(&order, &[]));
    if let Err(e) = begun {
        let _ = child.kill(libc::SIGKILL);
        let _ = child.wait();
        return Err(e);
    }
    // The terminal's keys are for the program: we stay to tell how it ended.
    signal::ignore_keys();
    if let Some((e, _)) = ours.recv::<Error>()? {
        let _ = child.wait();
        return Err(e);
    }
    child.wait()
}

/// The stage: becomes root, mounts a place for mounts, and executes the program.
pub fn main(_args: &[String]) -> ExitCode {
    let Ok(channel) = Channel::inherited(3) else { return ExitCode::from(125) };
    // EOF before the order: our parent failed, and has said why.
    let Ok(Some((order, _))) = channel.recv::<Order>() else { return ExitCode::from(125) };
    let Err(e) = execute(order) else { return ExitCode::SUCCESS };
    let code = e.exit_code();
    let _ = channel.send(&e, &[]);
    ExitCode::from(code)
}

fn execute(order: Order) -> Result<()> {
    ids::become_root(!order.one_id)?;
    mounts::begin(&order.mounts)?;
    let mut words = order.command.into_iter().map(OsString::from_vec);
    let name = words.next().ok_or_else(|| Error::bug("unshare without a command"))?;
    let error = Command::new(&name).args(words).exec();
    Err(cannot(&name, error))
}

fn cannot(name: &OsStr, error: std::io::Error) -> Error {
    let what = format!("execute {}", name.to_string_lossy());
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::CommandNotFound, format!("{what}: there is no such program")),
        _ => crate::error::IntoError::context(error, what).kind(Kind::CannotExec),
    }
}
