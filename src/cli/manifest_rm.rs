//! `coracle manifest rm`.

use super::{Cx, output, rmi};
use crate::engine::{images, manifest};
use crate::error::{Kind, Result};
use crate::image::Store;

/// Remove manifest lists; the images that they list stay.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't mind missing lists
    #[arg(short, long)]
    ignore: bool,
    /// Names or ids
    #[arg(value_name = "LIST", required = true)]
    lists: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let store = Store::open(&cx.engine.paths)?;
    let code = output::remove_code(cx);
    let mut worst = 0;
    for text in &args.lists {
        let removed = manifest::find(&store, text).and_then(|list| manifest::unlist(&store, &list, text, false));
        match removed {
            Ok(removed) => rmi::report(&removed, cx)?,
            Err(e) if e.kind == Kind::NotFound && args.ignore => {}
            Err(e) => {
                worst = worst.max(code(&e));
                rmi::complain(&e);
            }
        }
    }
    images::collect(&cx.engine, store)?;
    Ok(worst)
}
