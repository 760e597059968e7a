//! `restart`.

use super::Ctx;
use crate::error::{Error, Result};
use std::time::Duration;

/// Stops a container if it runs, and starts it. Returns the warnings of the start.
pub fn restart(_ctx: &Ctx, _id: &str, _timeout: Option<Duration>) -> Result<Vec<String>> {
    Err(Error::unsupported("restart: not built yet"))
}
