//! `rm` and `container prune`.

use super::Ctx;
use crate::error::{Error, Result};
use std::time::Duration;

/// How to remove.
#[derive(Clone, Copy, Debug, Default)]
pub struct RmOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// With `force`: time between the stop signal and SIGKILL; `None` = SIGKILL at once.
    pub timeout: Option<Duration>,
}

/// Removes a container by its full id. `Conflict` when it runs and `force` is not given.
pub fn rm(_ctx: &Ctx, _id: &str, _options: RmOptions) -> Result<()> {
    Err(Error::unsupported("rm: not built yet"))
}
