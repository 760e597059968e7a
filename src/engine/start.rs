//! `start`: spawns the monitor and waits until the container's program executes.

use super::Ctx;
use super::attach::Attachment;
use crate::error::{Error, Result};
use crate::state::container::State;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachStreams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// How to start a container.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Foreground: the attachment comes back connected before the program runs, and gets every byte (the container
    /// waits for a slow reader).
    pub attach: Option<AttachStreams>,
    /// (rows, columns) of the caller's terminal, for a container with a pty.
    pub window: Option<(u16, u16)>,
    /// Collect the times of the phases.
    pub trace: bool,
}

/// A container whose program executes.
#[derive(Debug)]
pub struct Started {
    pub state: State,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
    pub attachment: Option<Attachment>,
    /// Phase and microseconds since the start was asked for.
    pub trace: Vec<(String, u64)>,
    /// It ran already; nothing was done.
    pub already: bool,
}

/// Starts a created or exited container by its full id. An error of the kinds CannotExec and CommandNotFound is the
/// program's (exit codes 126 and 127). A container with `--rm` is gone after an error.
pub fn start(_ctx: &Ctx, _id: &str, _options: &StartOptions) -> Result<Started> {
    Err(Error::unsupported("start a container: not built yet"))
}
