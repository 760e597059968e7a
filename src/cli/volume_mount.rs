//! `coracle volume mount`.

use super::{Cx, output};
use crate::error::{Error, Result};
use crate::volume;

/// Print where the files of volumes are, for commands that run with the containers' ids.
///
/// Volumes are directories: nothing has to be mounted. Files of other users than the container's root can only be
/// touched as root of a user namespace that has their ids.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of volumes
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    as_root("mount a volume")?;
    for name in args.volumes {
        let volume = volume::get(&cx.engine.paths, &name)?;
        output::line(&volume.data(&cx.engine.paths).display().to_string())?;
    }
    Ok(0)
}

/// Refuses what makes sense only with the containers' ids.
pub(super) fn as_root(what: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::denied(format!("{what}: its files belong to ids that only root of a user namespace may use"))
        .hint("run it in 'coracle unshare'; `volume inspect` tells the path, `volume export` and `cp` copy files"))
}
