//! `logs`.

use super::Ctx;
use crate::error::{Error, Result};
use jiff::Timestamp;

/// Which part of the log, and how.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Put the time before each line.
    pub timestamps: bool,
}

/// Where log text goes.
pub trait LogSink {
    /// Text of the container's stdout, or of its stderr; not always whole lines.
    fn write(&mut self, stderr: bool, text: &[u8]) -> Result<()>;
}

/// Writes the log of a container to `sink`; with `follow` until the container ends.
pub fn logs(_ctx: &Ctx, _id: &str, _options: &LogOptions, _sink: &mut dyn LogSink) -> Result<()> {
    Err(Error::unsupported("logs: not built yet"))
}
