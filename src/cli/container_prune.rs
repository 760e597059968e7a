//! `coracle container prune`.

use super::{Cx, human, output};
use crate::engine::filter::Filters;
use crate::engine::rm::prune;
use crate::error::{Error, Result};
use std::io::{BufRead, IsTerminal, Write};

/// Remove all containers that do not run.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Only containers that pass (until=, label=, …)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let filters = Filters::parse(&cx.engine, &args.filter)?;
    if !args.force && !agreed()? {
        return Ok(0);
    }
    let (removed, bytes) = prune(&cx.engine, &|c| filters.matches(&cx.engine, c))?;
    for id in &removed {
        output::line(id)?;
    }
    eprintln!("Total reclaimed space: {}", human::size(bytes));
    Ok(0)
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::user("ask whether to remove all stopped containers: stdin is no terminal").hint("use --force")
        );
    }
    eprint!("This removes all stopped containers. Go on? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
