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
    let result = output::each(&args.lists, code, |text| {
        let removed = manifest::find(&store, text).and_then(|list| manifest::unlist(&store, &list, text, false));
        match removed {
            Err(e) if e.kind == Kind::NotFound && args.ignore => Ok(()),
            other => rmi::report(&other?, cx),
        }
    });
    images::collect(&cx.engine, store)?;
    result
}
