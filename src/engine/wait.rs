//! `wait`.

use super::Ctx;
use crate::error::{Error, Kind, Result};
use crate::monitor::proto;
use crate::state::container::Status;
use crate::state::containers::{self, Container};
use crate::state::lock::Life;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// The program has ended (docker's `not-running`, podman's `stopped` and `exited`).
    #[default]
    NotRunning,
    /// It ends the next time, even if it does not run now.
    NextExit,
    /// The container is gone.
    Removed,
    /// It runs.
    Running,
}

/// How often states are looked at that nobody announces (seconds: a start, a removal).
const LOOK: Duration = Duration::from_millis(20);

/// Waits and returns the exit code; -1 where the condition has none.
pub fn wait(ctx: &Ctx, id: &str, condition: Condition) -> Result<i32> {
    let first = containers::load(&ctx.paths, id)?;
    first.sound()?;
    match condition {
        Condition::NotRunning => exit(ctx, first),
        Condition::NextExit => {
            let code = exit(ctx, running(ctx, id, &first)?)?;
            Ok(code)
        }
        Condition::Running => running(ctx, id, &first).map(|_| -1),
        Condition::Removed => {
            let mut code = -1;
            loop {
                match containers::load(&ctx.paths, id) {
                    Ok(container) if container.active() => code = exit(ctx, container)?,
                    Ok(container) => {
                        code = container.state.exit_code;
                        std::thread::sleep(LOOK);
                    }
                    Err(e) if e.kind == Kind::NotFound => return Ok(code),
                    Err(e) => return Err(e),
                }
            }
        }
    }
}

fn running(ctx: &Ctx, id: &str, first: &Container) -> Result<Container> {
    let mut container = first.clone();
    while container.state.status != Status::Running {
        std::thread::sleep(LOOK);
        container = containers::load(&ctx.paths, id)?;
    }
    Ok(container)
}

/// The code of the end of the present run, or of the last one; 0 of a container that never ran (docker).
fn exit(ctx: &Ctx, container: Container) -> Result<i32> {
    if !container.active() {
        return Ok(container.state.exit_code);
    }
    // The life lock's file is opened first: with --rm it is all that is left after the end.
    let probe = Life::probe(&container.dir.life())?;
    if let Some(fd) = listen(ctx, &container)
        && let Some(code) = announced(&fd)
    {
        return Ok(code);
    }
    Life::wait(&probe, None)?;
    match containers::load(&ctx.paths, &container.id) {
        Ok(after) => Ok(after.state.exit_code),
        Err(e) if e.kind == Kind::NotFound => Err(Error::not_found(format!(
            "wait for container {}: it was removed, its exit code is lost",
            container.name
        ))),
        Err(e) => Err(e),
    }
}

/// A connection that wants nothing but the exit.
pub(super) fn listen(ctx: &Ctx, container: &Container) -> Option<OwnedFd> {
    let fd = proto::connect(&ctx.paths.sockets(&container.id)).ok()?;
    proto::send(fd.as_fd(), proto::HELLO, &[0], true).ok()?;
    Some(fd)
}

fn announced(fd: &OwnedFd) -> Option<i32> {
    let mut buffer = vec![0; proto::CHUNK + 1];
    loop {
        match proto::recv(fd.as_fd(), &mut buffer, true) {
            Ok(Some((proto::EXIT, payload))) => return proto::parse_exit(payload).map(|(code, _)| code),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
