//! `coracle version`.

use super::{Cx, Personality, output};
use crate::engine::info::arch;
use crate::error::Result;
use serde::Serialize;

/// Show the version.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print as json or by a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Docker and podman know a client and a server; we are both.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    client: Part,
    server: Part,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    name: &'static str,
    version: &'static str,
    /// Of Docker's HTTP API: what tools compare, although there is no socket.
    api_version: &'static str,
    git_commit: &'static str,
    os: &'static str,
    arch: &'static str,
    #[serde(rename = "OsArch")]
    os_arch: String,
    kernel_version: String,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `-v` prints; scripts look for the name they called.
pub fn one_line(who: Personality) -> String {
    match who {
        Personality::Coracle => format!("coracle version {VERSION}"),
        Personality::Docker => format!("Docker version {VERSION}, build coracle"),
        Personality::Podman => format!("podman version {VERSION}"),
    }
}

pub fn run(args: Args, _cx: &Cx) -> Result<u8> {
    let part = Part {
        name: "coracle",
        version: VERSION,
        api_version: "1.41",
        git_commit: option_env!("CORACLE_GIT_COMMIT").unwrap_or(""),
        os: "linux",
        arch: arch(),
        os_arch: format!("linux/{}", arch()),
        kernel_version: rustix::system::uname().release().to_string_lossy().into_owned(),
    };
    let text = format!(
        "Version:      {}\nAPI Version:  {}\nOS/Arch:      {}\nKernel:       {}\n",
        part.version, part.api_version, part.os_arch, part.kernel_version
    );
    output::print_object(args.format.as_deref(), &Version { client: part.clone(), server: part }, || text)?;
    Ok(0)
}
