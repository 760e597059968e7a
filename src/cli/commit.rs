//! `coracle commit`.

use super::{Cx, Personality, epoch, output};
use crate::engine::commit::{CommitOptions, commit};
use crate::engine::images;
use crate::error::{Context, Result};
use crate::image::Format;
use crate::state::atomic::{self, Class};
use std::path::PathBuf;

/// Make an image of a container's changes.
///
/// The image has the layers of the container's image and one with what the container changed; volumes and bind mounts
/// are not part of it. It keeps the command, the environment, the labels and the like that the container was created
/// with. The same container gives the same image, made when it ended; with SOURCE_DATE_EPOCH set, the same changes do.
/// Prints the image's id.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Name of the image
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Author of the image
    #[arg(short, long, value_name = "NAME", default_value = "")]
    author: String,
    /// Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER,
    /// VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Format of the image: oci or docker
    #[arg(short, long, value_name = "FORMAT", default_value = "oci")]
    format: String,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Make the container's volumes volumes of the image
    #[arg(long)]
    include_volumes: bool,
    /// Comment for the history
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// Stop the container's processes meanwhile
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true, action = clap::ArgAction::Set)]
    pause: Option<bool>,
    /// No warnings
    #[arg(short, long)]
    quiet: bool,
    /// One layer with all files, instead of one more
    #[arg(short, long)]
    squash: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let newest = epoch::asked()?;
    let change = |config: &mut _| args.change.iter().try_for_each(|text| super::change::apply(config, text));
    let options = CommitOptions {
        name: args.name.as_deref().map(|n| images::new_name(n, docker)).transpose()?,
        author: args.author.clone(),
        message: args.message.clone(),
        // Docker's habit, against podman's.
        pause: args.pause.unwrap_or(docker),
        squash: args.squash,
        format: Format::parse(&args.format)?,
        include_volumes: args.include_volumes,
        created: newest.map(|seconds| epoch::created(Some(seconds))).transpose()?,
        newest,
        change: &change,
    };
    let made = commit(&cx.engine, &args.container, &options)?;
    if !args.quiet {
        made.warnings.iter().for_each(|w| output::warn(w));
    }
    let id = if docker { format!("sha256:{}", made.id) } else { made.id };
    if let Some(path) = &args.iidfile {
        atomic::write(path, id.as_bytes(), Class::Volatile).with_context(|| format!("write {}", path.display()))?;
    }
    output::line(&id)?;
    Ok(0)
}
