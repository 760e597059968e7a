//! `coracle exec`.

use super::docker_config::detach_keys;
use super::term::{self, RawGuard};
use super::{Cx, Personality, host_environment};
use crate::engine::exec::{ExecEnd, ExecOptions, exec};
use crate::error::{Context, Error, Result};
use crate::spec::env;

/// Run a command in a running container.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Run in the background
    #[arg(short, long)]
    detach: bool,
    /// Pass stdin on
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// Environment variable (KEY=VALUE, or KEY to pass the host's)
    #[arg(short, long, value_name = "ENV", allow_hyphen_values = true)]
    env: Vec<String>,
    /// File with one environment variable a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// User (NAME|UID[:GROUP|GID])
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// All capabilities of the container's user namespace, and no seccomp filter
    #[arg(long)]
    privileged: bool,
    /// Keys that detach from the command
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Name or id of a running container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true, num_args = 1..)]
    command: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let keys = detach_keys(cx, args.detach_keys.as_deref(), None)?;
    let terminal = term::is_terminal(std::io::stdin());
    if args.tty && args.interactive && !args.detach && !terminal {
        if cx.personality == Personality::Docker {
            return Err(Error::user("use -it: the input device is not a TTY"));
        }
        eprintln!("coracle: warning: the input is not a terminal, so -t can't pass its keys and size on");
    }
    let options = ExecOptions {
        env: environment(&args)?,
        args: args.command,
        cwd: args.workdir,
        user: args.user,
        privileged: args.privileged,
        tty: args.tty,
        stdin: args.interactive,
        detach: args.detach,
        window: term::window_size(std::io::stdin()).or_else(|| term::window_size(std::io::stdout())),
    };
    let session = exec(&cx.engine, &args.container, options)?;
    if args.detach {
        return Ok(0);
    }
    let raw = if args.tty && args.interactive && terminal { Some(RawGuard::new(std::io::stdin())?) } else { None };
    Ok(match session.wait(&keys, raw)? {
        ExecEnd::Exited(code) => code as u8,
        ExecEnd::Detached => 0,
    })
}

/// Env files first, then `-e`: the later wins.
fn environment(args: &Args) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for file in &args.env_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("read env file {file}"))?;
        words.extend(env::expand(&env::parse_file(&text, file)?, &host_environment)?);
    }
    words.extend(env::expand(&args.env, &host_environment)?);
    Ok(words)
}
