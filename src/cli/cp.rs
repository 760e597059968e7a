//! `coracle cp`.

use super::{Cx, output};
use crate::engine::cp::{CopyOptions, End, Owner, copy};
use crate::error::{Error, Result};

/// Copy files between a container and the host.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "coracle cp [OPTIONS] CONTAINER:PATH PATH|-\n       coracle cp [OPTIONS] PATH|- CONTAINER:PATH",
    after_help = "Use - to write a tar stream to stdout, or to extract one from stdin into a directory of the container.\n\
                  SRC/. copies what is in the directory SRC, not the directory itself."
)]
pub struct Args {
    /// Keep owners and groups
    #[arg(short, long)]
    archive: bool,
    /// Follow a symlink that is the source itself
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Print nothing about what could not be copied
    #[arg(short, long)]
    quiet: bool,
    /// What to copy
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where to
    #[arg(value_name = "DESTINATION")]
    destination: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let (from, to) = (End::parse(&args.source), End::parse(&args.destination));
    if to == End::Stream && super::term::is_terminal(std::io::stdout()) {
        return Err(Error::user("write a tar stream to the terminal").hint("redirect it to a file or a pipe"));
    }
    // The extracting end may give up first; its error is the one to show.
    crate::sys::signal::pipe_fails();
    let owner = if args.archive { Owner::Recorded } else { Owner::Extractor };
    let notes = copy(&cx.engine, &from, &to, CopyOptions { owner, follow: args.follow_link })?;
    if !args.quiet {
        notes.iter().for_each(|note| output::warn(note));
    }
    Ok(0)
}
