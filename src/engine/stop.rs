//! `stop` and `kill`.

use super::Ctx;
use crate::error::{Error, Result};
use std::time::Duration;

/// Ends a container: its stop signal, after `timeout` (default: the container's own) SIGKILL; returns when it has
/// ended. A container that does not run is no error. It will not be restarted by its policy.
pub fn stop(_ctx: &Ctx, _id: &str, _timeout: Option<Duration>) -> Result<()> {
    Err(Error::unsupported("stop: not built yet"))
}

/// Sends a signal to PID 1 of a running container; `Conflict` when it does not run.
pub fn kill(_ctx: &Ctx, _id: &str, _signal: i32) -> Result<()> {
    Err(Error::unsupported("kill: not built yet"))
}
