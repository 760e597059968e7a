//! `coracle network reload`.

use super::{Cx, output, select};
use crate::engine::connect::reload;
use crate::engine::ps;
use crate::error::{Error, Result};

/// Make what is missing of running containers' networks anew.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// All running containers
    #[arg(short, long)]
    all: bool,
    /// Names or ids of containers
    #[arg(required_unless_present = "all", value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let words = match args.all {
        true => ps::list(&cx.engine)?.into_iter().filter(|c| c.active()).map(|c| c.id).collect(),
        false => args.containers,
    };
    output::each(&words, Error::exit_code, |word| reload(&cx.engine, &select::container(cx, word)?))
}
