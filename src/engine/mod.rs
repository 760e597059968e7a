//! Use-cases: what the commands do, without printing.

pub mod create;
pub mod pull;
pub mod term;

use crate::state::paths::Paths;

/// What every use-case needs. Making one touches no file.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub paths: Paths,
}
