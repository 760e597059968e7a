//! `coracle volume create`.

use super::{Cx, Personality, output};
use crate::error::{Error, Kind, Result};
use crate::spec::policy::key_values;
use crate::state::{containers, store};
use crate::volume::{self, Volume};

/// Create a volume.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Label (KEY[=VALUE])
    #[arg(short, long, value_name = "LABEL")]
    label: Vec<String>,
    /// Driver: only local is there
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Driver option: type=tmpfs or none, device=DIRECTORY, o=OPTION,… (bind, size=, mode=, ro, …)
    #[arg(short, long, value_name = "OPTION")]
    opt: Vec<String>,
    /// A volume that exists already is no error
    #[arg(long)]
    ignore: bool,
    /// Name of the volume (default: a random one)
    name: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    if args.driver != "local" {
        return Err(Error::unsupported(format!("use the volume driver '{}': only local is there", args.driver)));
    }
    let paths = &cx.engine.paths;
    store::open(paths)?;
    let anonymous = args.name.is_none();
    let name = match args.name {
        Some(name) => name,
        None => containers::new_id()?,
    };
    let labels = key_values(&args.label, "label")?;
    let options = key_values(&args.opt, "option")?;
    match volume::create(paths, &Volume { name: name.clone(), labels, options, anonymous, ..Volume::default() }) {
        Err(e) if e.kind == Kind::Conflict && (args.ignore || cx.personality == Personality::Docker) => {}
        Err(e) => return Err(e),
        Ok(_) => {}
    }
    output::line(&name)?;
    Ok(0)
}
