//! `coracle unmount`, `coracle container unmount`, `coracle image unmount`.

use super::{Cx, output};
use crate::engine::mounts::{self, Of};
use crate::error::Result;

/// Undo mount.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// All that is mounted
    #[arg(short, long, conflicts_with = "names")]
    all: bool,
    /// Even while files of it are in use
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    unmount(Of::Container, args, cx)
}

pub fn run_image(args: Args, cx: &Cx) -> Result<u8> {
    unmount(Of::Image, args, cx)
}

fn unmount(of: Of, args: Args, cx: &Cx) -> Result<u8> {
    if args.all {
        for mounted in mounts::list(&cx.engine, of)? {
            mounts::detach(&mounted, args.force)?;
            output::line(&mounted.id)?;
        }
        return Ok(0);
    }
    // Nothing is half done where the whole can't be: the hint says where to do it.
    mounts::list(&cx.engine, of)?;
    let code = output::remove_code(cx);
    output::each(&args.names, code, |name| mounts::unmount(&cx.engine, of, name, args.force).map(drop))
}
