//! `ps`: containers by filters.

use super::Ctx;
use crate::error::Result;
use crate::state::containers::{self, Container};

/// All containers, newest first, as they really stand. Takes no lock and repairs nothing.
pub fn list(ctx: &Ctx) -> Result<Vec<Container>> {
    containers::list(&ctx.paths)
}

/// One container by name, id or unique prefix.
pub fn find(ctx: &Ctx, text: &str) -> Result<Container> {
    containers::load(&ctx.paths, &containers::resolve(&ctx.paths, text)?)
}
