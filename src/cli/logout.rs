//! `coracle logout`.

use super::connection_flags::environment;
use super::{Cx, Personality, output};
use crate::engine::login;
use crate::error::{Error, Result};
use crate::registry::{LoginScope, PullOptions};
use std::path::PathBuf;

/// Log out from a registry.
///
/// Removes the login from the credential helper or file that keeps it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Forget all logins
    #[arg(short, long, conflicts_with = "registry")]
    all: bool,
    /// Forget the login that this file keeps
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Registry, as HOST[:PORT][/NAMESPACE] (default: the first of registries.conf, or docker.io)
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let options = PullOptions { authfile: args.authfile, env: environment(), ..PullOptions::default() };
    if args.all {
        for place in login::logout_all(docker, &options)? {
            eprintln!("Removed from {place}");
        }
        output::line("Removed all login credentials")?;
        return Ok(0);
    }
    let registry = match args.registry {
        Some(registry) => registry,
        None => login::default_registry(docker, &options)?,
    };
    let scope = LoginScope::parse(&registry)?;
    let places = login::logout(&scope, docker, &options)?;
    if places.is_empty() {
        // Docker says so and is content.
        if docker {
            output::line(&format!("Not logged in to {scope}"))?;
            return Ok(0);
        }
        return Err(Error::not_found(format!("log out from {scope}: you are not logged in")));
    }
    for place in places {
        eprintln!("Removed from {place}");
    }
    output::line(&format!("Removed login credentials for {scope}"))?;
    Ok(0)
}
