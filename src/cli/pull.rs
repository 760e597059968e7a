//! `coracle pull`.

use super::registry_flags::RegistryFlags;
use super::{Cx, Personality, output, progress};
use crate::engine::pull::{Policy, Pulled, pull_all, pull_all_tags};
use crate::error::Result;

/// Pull images from a registry.
///
/// Names are those of docker: debian means docker.io/library/debian:latest, unless registries.conf says otherwise. Other
/// sources are docker-archive:PATH[:NAME], oci-archive:PATH[:NAME], oci:DIR[:NAME], dir:DIR, and the store of podman,
/// containers-storage:[[DRIVER@ROOT]]NAME.
/// Prints the id of each image; all else goes to stderr.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
    /// Pull every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// When to ask the registry: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "always")]
    policy: String,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Accepted and ignored (docker's content trust is not provided)
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// Images, as [HOST[:PORT]/]NAME[:TAG][@DIGEST]
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let policy = Policy::parse(&args.policy)?;
    let options = args.registry.options()?;
    for image in &args.images {
        // A display of its own for each image: the last one's bars stay finished above.
        let progress = progress::for_stderr(args.quiet);
        if args.all_tags {
            for pulled in pull_all_tags(&cx.engine, image, &options, progress.as_ref())? {
                print(&pulled, cx)?;
            }
        } else {
            for pulled in pull_all(&cx.engine, image, policy, &options, progress.as_ref())? {
                print(&pulled, cx)?;
            }
        }
    }
    Ok(0)
}

/// Docker prints the name, podman the id.
fn print(pulled: &Pulled, cx: &Cx) -> Result<()> {
    match cx.personality {
        Personality::Docker => output::line(&pulled.reference),
        Personality::Coracle | Personality::Podman => output::line(&pulled.id),
    }
}
