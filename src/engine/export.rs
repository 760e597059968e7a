//! `export`: the whole root file system of a container as a tar.

use super::{Ctx, tree};
use crate::error::{Context, Result};
use crate::image::diff::{self, Trees};
use std::io::{Read, Write};

/// Writes the files of the container `name`, running or not, without its volumes and bind mounts; one line for each
/// thing that a tar can't hold. `newest`: no time in the tar is later, in seconds since 1970.
pub fn export(ctx: &Ctx, name: &str, newest: Option<i64>, out: &mut impl Write) -> Result<Vec<String>> {
    let source = tree::container(ctx, name)?;
    let what = || format!("export container {}", source.container.name);
    let trees = Trees { own: false, ..source.trees.clone().flattened() };
    let mut packing = diff::pack(&trees, &source.idmap, newest)?;
    let mut buffer = vec![0; 256 << 10];
    let copied = loop {
        match packing.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                if let Err(e) = out.write_all(&buffer[..n]) {
                    break Err(e).context("write the archive");
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e).context("read the files"),
        }
    };
    let packed = packing.finish();
    copied.with_context(what)?;
    packed.with_context(what)
}
