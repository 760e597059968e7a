//! `coracle run`.

use super::docker_config::detach_keys;
use super::run_flags::ContainerFlags;
use super::term;
use super::{Cx, Personality, create, inherited, run_request};
use crate::engine::attach::{AttachEnd, RelayOptions, relay};
use crate::engine::start::{AttachStreams, StartOptions, standby, start_with};
use crate::error::{Context, Error, Result};
use std::io::Write;
use std::time::Instant;

/// Create and start a container.
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true, override_usage = "coracle run [OPTIONS] IMAGE [COMMAND [ARG...]]")]
pub struct Args {
    /// Leave the container running in the background and print its id
    #[arg(short, long)]
    detach: bool,
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// Pass descriptors 3 to N+2 on to the container
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    preserve_fds: u32,
    /// Print how long each phase of the start took
    #[arg(long)]
    trace_time: bool,
    #[command(flatten)]
    flags: ContainerFlags,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let begun = Instant::now();
    let inherited = inherited::inherited(args.preserve_fds)?;
    let streams = streams(&args)?;
    let keys = detach_keys(cx, args.flags.basic.detach_keys.as_deref(), None)?;
    check_terminal(&args, cx)?;
    let (request, warnings) = run_request::request(&args.flags, cx, args.detach)?;
    let parsed = begun.elapsed();
    let standby = standby(&cx.engine, request.usual_start(), args.trace_time)?;
    let outcome = create::make(&args.flags, &request, warnings, cx)?;
    let created = begun.elapsed();
    let options = StartOptions {
        attach: streams,
        window: if request.tty { term::window_size(std::io::stdin()).or_else(stdout_size) } else { None },
        trace: args.trace_time,
        inherited,
    };
    let started = start_with(&cx.engine, &outcome.id, &options, Some(standby)).map_err(|e| {
        // A container with --rm is gone after this: its id is worth nothing.
        if let Some(file) = request.cidfile.as_ref().filter(|_| request.rm) {
            let _ = std::fs::remove_file(file);
        }
        e.context(format!("run {}", request.image))
    })?;
    for warning in &started.warnings {
        eprintln!("coracle: warning: {warning}");
    }
    if args.trace_time {
        print_trace(parsed.as_micros() as u64, created.as_micros() as u64, &started.trace);
    }
    let Some(attachment) = started.attachment else {
        print_id(&outcome.id)?;
        return Ok(0);
    };
    let raw = match request.tty && term::is_terminal(std::io::stdin()) {
        true => Some(term::RawGuard::new(std::io::stdin())?),
        false => None,
    };
    // The exit code is still to come when nobody reads the output any more.
    crate::sys::signal::pipe_fails();
    match relay(&cx.engine, attachment, RelayOptions { sig_proxy: args.sig_proxy, detach_keys: keys, raw })? {
        AttachEnd::Exited(code) => Ok(code as u8),
        AttachEnd::Detached => Ok(0),
    }
}

fn stdout_size() -> Option<(u16, u16)> {
    term::window_size(std::io::stdout())
}

fn print_id(id: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{id}").and_then(|()| out.flush()).context("print the container's id")
}

/// Which streams to attach; `None` with `-d`.
fn streams(args: &Args) -> Result<Option<AttachStreams>> {
    let basic = &args.flags.basic;
    if args.detach {
        if !basic.attach.is_empty() {
            return Err(Error::user("combine --attach with --detach: they contradict each other"));
        }
        return Ok(None);
    }
    if basic.attach.is_empty() {
        return Ok(Some(AttachStreams { stdin: basic.interactive, stdout: true, stderr: true }));
    }
    let mut streams = AttachStreams::default();
    for name in &basic.attach {
        match name.to_ascii_lowercase().as_str() {
            "stdin" => streams.stdin = true,
            "stdout" => streams.stdout = true,
            "stderr" => streams.stderr = true,
            _ => return Err(Error::user(format!("read --attach '{name}'")).hint("stdin, stdout or stderr")),
        }
    }
    Ok(Some(streams))
}

/// A pty without a terminal on this side: docker refuses, podman warns (FEATURES 3.4).
fn check_terminal(args: &Args, cx: &Cx) -> Result<()> {
    let basic = &args.flags.basic;
    if !basic.tty || args.detach || term::is_terminal(std::io::stdin()) {
        return Ok(());
    }
    if basic.interactive && cx.personality == Personality::Docker {
        return Err(Error::user("use -it: the input device is not a TTY"));
    }
    if basic.interactive {
        eprintln!("coracle: warning: the input is not a terminal, so -t can't pass its keys and size on");
    }
    Ok(())
}

/// `--trace-time`: phases with their times in milliseconds, on stderr.
fn print_trace(parsed: u64, created: u64, trace: &[(String, u64)]) {
    let line = |phase: &str, from: u64, to: u64| {
        eprintln!("{phase:<24} {:>9.3} ms   at {:>9.3} ms", (to.saturating_sub(from)) as f64 / 1e3, to as f64 / 1e3);
    };
    line("parse", 0, parsed);
    line("create", parsed, created);
    let mut before = created;
    for (phase, at) in trace {
        line(phase, before, created + at);
        before = created + at;
    }
}
