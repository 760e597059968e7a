//! `coracle network exists`.

use super::{Cx, Personality};
use crate::engine::inspect::entry;
use crate::error::{Kind, Result};

/// Ask whether a network exists: exit code 0 yes, 1 no.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the network
    #[arg(value_name = "NETWORK")]
    network: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    match entry(&cx.engine, &args.network, cx.personality == Personality::Docker) {
        Ok(_) => Ok(0),
        Err(e) if matches!(e.kind, Kind::NotFound | Kind::User) => Ok(1),
        Err(e) => Err(e),
    }
}
