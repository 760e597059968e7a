//! `coracle start`.

use super::docker_config::detach_keys;
use super::select::Selection;
use super::term::{self, RawGuard};
use super::{Cx, inherited, output, select};
use crate::engine::attach::{AttachEnd, RelayOptions, relay};
use crate::engine::start::{AttachStreams, Inherited, StartOptions, start};
use crate::error::{Error, Result};
use crate::state::containers::Container;
use std::path::PathBuf;
use std::rc::Rc;

/// Start created or stopped containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Attach to stdout and stderr, and exit with the container's code
    #[arg(short, long)]
    attach: bool,
    /// Attach to stdin too
    #[arg(short, long)]
    interactive: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// All containers that don't run
    #[arg(long)]
    all: bool,
    /// Only containers that pass (KEY=VALUE, see ps)
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Read the container's id from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let inherited = inherited::inherited(0)?;
    let selection = Selection {
        all: args.all,
        filter: args.filter.clone(),
        cidfile: args.cidfile.clone(),
        ignore: false,
        containers: args.containers.clone(),
    };
    if !args.attach && !args.interactive {
        let idle = |c: &Container| !c.active();
        let options = StartOptions { inherited, ..StartOptions::default() };
        return selection.each(cx, select::code(cx), idle, |id| {
            warn(&start(&cx.engine, id, &options)?.warnings);
            Ok(())
        });
    }
    let words = selection.words(cx, |c| !c.active())?;
    match &words[..] {
        [word] => foreground(&args, cx, &select::container(cx, word)?, inherited),
        _ => Err(Error::user("attach to several containers at once: name one")),
    }
}

fn foreground(args: &Args, cx: &Cx, container: &Container, inherited: Rc<Inherited>) -> Result<u8> {
    container.sound()?;
    let config = &container.config;
    let keys = detach_keys(cx, args.detach_keys.as_deref(), config.detach_keys.as_deref())?;
    let options = StartOptions {
        attach: Some(AttachStreams { stdin: args.interactive, stdout: true, stderr: true }),
        window: if config.tty { window() } else { None },
        trace: false,
        inherited,
    };
    let mut started = start(&cx.engine, &container.id, &options)?;
    warn(&started.warnings);
    let Some(attachment) = started.attachment.take() else {
        return Err(Error::bug("attach to a started container: no connection"));
    };
    let raw = raw(config.tty && args.interactive)?;
    crate::sys::signal::pipe_fails();
    let relayed = relay(&cx.engine, attachment, RelayOptions { sig_proxy: args.sig_proxy, detach_keys: keys, raw })?;
    Ok(code(relayed))
}

/// (rows, columns) of the terminal we run in.
pub fn window() -> Option<(u16, u16)> {
    term::window_size(std::io::stdin()).or_else(|| term::window_size(std::io::stdout()))
}

/// Raw mode, if it is wanted and stdin is a terminal.
pub fn raw(wanted: bool) -> Result<Option<RawGuard>> {
    (wanted && term::is_terminal(std::io::stdin())).then(|| RawGuard::new(std::io::stdin())).transpose()
}

/// The exit code of a command that was attached.
pub fn code(end: AttachEnd) -> u8 {
    match end {
        AttachEnd::Exited(code) => code as u8,
        AttachEnd::Detached => 0,
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        output::warn(warning);
    }
}
