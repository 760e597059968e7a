//! `coracle network disconnect`.

use super::Cx;
use crate::engine::connect::disconnect;
use crate::error::{Kind, Result};

/// Disconnect a container from a network, also while it runs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A container that does not exist or is not there is no error
    #[arg(short, long)]
    force: bool,
    /// Name or id of the network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    match disconnect(&cx.engine, &args.container, &args.network) {
        Err(e) if args.force && e.kind == Kind::NotFound => Ok(0),
        other => other.map(|()| 0),
    }
}
