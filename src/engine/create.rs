//! `create`: request → image → spec → container directory.

use super::Ctx;
use crate::error::{Error, Result};
use crate::spec::request::RunRequest;

/// A container that exists now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOutcome {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
}

/// Creates the container that `request` describes, pulling the image if the pull policy says so.
pub fn create(_ctx: &Ctx, _request: &RunRequest) -> Result<CreateOutcome> {
    Err(Error::unsupported("create: not built yet"))
}
