//! `coracle attach`.

use super::docker_config::detach_keys;
use super::start::{code, raw};
use super::{Cx, select};
use crate::engine::attach::{RelayOptions, connect, relay};
use crate::engine::start::AttachStreams;
use crate::error::Result;

/// Connect the terminal to a running container.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Don't attach to stdin
    #[arg(long)]
    no_stdin: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let container = select::container(cx, &args.container)?;
    container.sound()?;
    let keys = detach_keys(cx, args.detach_keys.as_deref(), container.config.detach_keys.as_deref())?;
    let streams = AttachStreams { stdin: !args.no_stdin, stdout: true, stderr: true };
    let attachment = connect(&cx.engine, &container.id, streams)?;
    let raw = raw(container.config.tty && !args.no_stdin)?;
    let options = RelayOptions { sig_proxy: args.sig_proxy, detach_keys: keys, raw };
    Ok(code(relay(&cx.engine, attachment, options)?))
}
