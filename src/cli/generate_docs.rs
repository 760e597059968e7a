//! `coracle generate-docs`.

use super::{Cx, docs};
use crate::error::{Context, Result};
use std::path::PathBuf;

/// Write man pages and shell completions to man/ and completions/ below a directory.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Directory that holds man/ and completions/
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

pub fn run(args: Args, _cx: &Cx) -> Result<u8> {
    for (name, text) in docs::files() {
        let path = args.dir.join(name);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
        }
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(0)
}
