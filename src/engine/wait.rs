//! `wait`.

use super::Ctx;
use crate::error::{Error, Result};

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

/// Waits and returns the exit code; -1 where the condition has none.
pub fn wait(_ctx: &Ctx, _id: &str, _condition: Condition) -> Result<i32> {
    Err(Error::unsupported("wait: not built yet"))
}
