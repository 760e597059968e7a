//! `rename`.

use super::Ctx;
use crate::error::{Error, Result};

/// Gives a container another name, running or not. `Conflict` when it is taken.
pub fn rename(_ctx: &Ctx, _id: &str, _name: &str) -> Result<()> {
    Err(Error::unsupported("rename: not built yet"))
}
