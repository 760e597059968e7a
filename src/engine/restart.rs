//! `restart`.

use super::start::{StartOptions, start};
use super::{Ctx, stop};
use crate::error::Result;
use std::time::Duration;

/// Stops a container if it runs, and starts it. Returns the warnings of the start.
pub fn restart(ctx: &Ctx, id: &str, timeout: Option<Duration>) -> Result<Vec<String>> {
    stop::stop_for_restart(ctx, id, timeout)?;
    Ok(start(ctx, id, &StartOptions::default())?.warnings)
}
