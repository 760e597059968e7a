//! `coracle rmi`.

use super::{Cx, Personality, output};
use crate::engine::images;
use crate::error::{Error, Kind, Result};
use crate::image::{Reference, Store};
use std::io::Write;

/// Remove images.
///
/// A name is taken away; with its last name, or by id, the image is deleted. Exit code 1: no such image (without --force);
/// 2: a container uses it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names or ids
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    images: Vec<String>,
    /// Remove all images that no container uses
    #[arg(short, long, conflicts_with = "images")]
    all: bool,
    /// Remove images that containers use, and by id those with several names; don't mind missing ones
    #[arg(short, long)]
    force: bool,
    /// Don't mind missing images
    #[arg(short, long)]
    ignore: bool,
    /// Accepted and ignored: there are no untagged parents
    #[arg(long, hide = true)]
    no_prune: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let code = output::remove_code(cx);
    let mut worst = 0;
    let names = if args.all {
        let unused = |l: &images::Listed| args.force || l.containers == 0;
        images::list(&cx.engine)?.into_iter().filter(unused).map(|l| l.image.id).collect()
    } else {
        args.images
    };
    let store = Store::open(&cx.engine.paths)?;
    for name in &names {
        // With --all the names of one image don't matter.
        match images::remove(&cx.engine, &store, name, args.force || args.all) {
            Ok(removed) => report(&removed, cx)?,
            // With force a missing one is no failure, which docker mentions and podman does not.
            Err(e) if e.kind == Kind::NotFound && (args.ignore || args.all || args.force) => {
                if args.force && cx.personality == Personality::Docker {
                    complain(&e);
                }
            }
            Err(e) => {
                worst = worst.max(code(&e));
                complain(&e);
            }
        }
    }
    // Space is freed once for all names; what can't be freed now is freed later.
    if let Err(e) = images::collect(&cx.engine, store) {
        complain(&e);
    }
    Ok(worst)
}

pub fn complain(e: &Error) {
    let _ = writeln!(std::io::stderr(), "coracle: {e}");
}

pub fn report(removed: &images::Removed, cx: &Cx) -> Result<()> {
    let docker = cx.personality == Personality::Docker;
    for name in &removed.untagged {
        let name = match Reference::parse(name) {
            Ok(r) if docker => r.familiar(),
            _ => name.clone(),
        };
        output::line(&format!("Untagged: {name}"))?;
    }
    if let Some(id) = &removed.deleted {
        output::line(&format!("Deleted: {}{id}", if docker { "sha256:" } else { "" }))?;
    }
    Ok(())
}
