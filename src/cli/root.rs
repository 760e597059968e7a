//! The way from argv to a command's `run` and from its result to the exit code.

use super::{Cli, Command, Cx, Globals, Personality, usage};
use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::state::paths::Paths;
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Parses the command line, runs the command, prints its error, and returns the exit code.
pub fn main() -> ExitCode {
    crate::sys::process::begin_as_usual();
    // Like any filter: `coracle ps | head` ends quietly. Relays of containers switch this off again.
    crate::sys::signal::pipe_kills();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let who = personality();
    let cli = match parse(words) {
        Ok(Parsed::Run(cli)) => cli,
        Ok(Parsed::Help(text)) => return finish(super::output::raw(text.as_bytes()).map(|()| 0), false),
        Ok(Parsed::Version) => return finish(super::output::line(&super::version::one_line(who)).map(|()| 0), false),
        Err(e) => return finish(Err(e), false),
    };
    // Docker's own commands fail with 1; what runs containers has 125 for our errors.
    let fails_with_one = who == Personality::Docker && !cli.command.runs_containers();
    finish(run(*cli, who), fails_with_one)
}

fn run(cli: Cli, who: Personality) -> Result<u8> {
    super::logger::start(if cli.globals.debug { "debug" } else { &cli.globals.log_level })?;
    if cli.command.needs_no_store() {
        return cli.command.run(&Cx { personality: who, engine: engine::Ctx { paths: Paths::new("", "") } });
    }
    let cx = context(&cli, who)?;
    warn_of_remote(&cx.engine.paths);
    cli.command.run(&cx)
}

fn finish(result: Result<u8>, fails_with_one: bool) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever read our output went away.
        Err(e) if e.is_errno(libc::EPIPE) && e.context.iter().any(|c| c == super::output::WRITE) => ExitCode::from(141),
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "coracle: {e}");
            ExitCode::from(match (e.exit_code(), fails_with_one) {
                (125, true) => 1,
                (code, _) => code,
            })
        }
    }
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    Run(Box<Cli>),
    /// The help text for stdout.
    Help(String),
    Version,
}

/// Parses argv without its first word.
pub fn parse(mut words: Vec<OsString>) -> Result<Parsed> {
    // `coracle help run` = `coracle run --help`; clap's own help command would copy the whole tree.
    if words.first().is_some_and(|w| w == "help") {
        words.remove(0);
        words.push("--help".into());
    }
    if let Some(cli) = only(&words).and_then(|command| try_parse(command, &words).ok()) {
        return Ok(Parsed::Run(Box::new(cli)));
    }
    let error = match try_parse(Cli::command(), &words) {
        Ok(cli) => return Ok(Parsed::Run(Box::new(cli))),
        Err(error) => error,
    };
    let error = match error.kind() {
        // A flag with a value: try again with flags that take `=false` (or `=0`), which would only clutter the help.
        ErrorKind::TooManyValues | ErrorKind::InvalidValue => {
            match try_parse(with_boolean_values(Cli::command()), &words) {
                Ok(cli) => return Ok(Parsed::Run(Box::new(cli))),
                Err(error) => error,
            }
        }
        _ => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let coloured = super::term::is_terminal(std::io::stdout()) && super::term::colour_allowed();
            let text = error.render();
            Ok(Parsed::Help(if coloured { text.ansi().to_string() } else { text.to_string() }))
        }
        ErrorKind::DisplayVersion => Ok(Parsed::Version),
        _ => Err(usage::explain(&error, &Cli::command(), &words)),
    }
}

/// The commands of scripts and loops, which shall not wait until all others are defined too (half a millisecond).
const FREQUENT: &[(&str, fn(clap::Command) -> clap::Command)] = &[
    ("create", super::create::Args::augment_args),
    ("exec", super::exec::Args::augment_args),
    ("images", super::images::Args::augment_args),
    ("inspect", super::inspect::Args::augment_args),
    ("kill", super::kill::Args::augment_args),
    ("logs", super::logs::Args::augment_args),
    ("ps", super::ps::Args::augment_args),
    ("rm", super::rm::Args::augment_args),
    ("run", super::run::Args::augment_args),
    ("start", super::start::Args::augment_args),
    ("stop", super::stop::Args::augment_args),
    ("wait", super::wait::Args::augment_args),
];

/// The definition with nothing but the command in `words`, if it is a frequent one. It accepts nothing that the whole
/// definition would not; what it refuses is parsed again with the whole one, whose messages know the alternatives.
fn only(words: &[OsString]) -> Option<clap::Command> {
    // A global option's value may be taken for the command: that fails, and the whole definition decides.
    let (name, augment) = words.iter().find_map(|word| FREQUENT.iter().find(|(name, _)| word == name))?;
    let root = clap::Command::new("coracle").version(env!("CARGO_PKG_VERSION")).disable_version_flag(true);
    Some(Globals::augment_args(root).subcommand(augment(clap::Command::new(*name))))
}

fn try_parse(mut command: clap::Command, words: &[OsString]) -> Result<Cli, clap::Error> {
    let argv = std::iter::once(OsString::from("coracle")).chain(words.iter().cloned());
    let mut matches = command.try_get_matches_from_mut(argv)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
}

/// Makes every flag take an optional `=BOOL`, as Go's flags do.
fn with_boolean_values(command: clap::Command) -> clap::Command {
    fn flag(arg: Arg) -> Arg {
        match arg.get_action() {
            ArgAction::SetTrue => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .default_value("false")
                .value_parser(ValueParser::from(parse_bool)),
            ArgAction::Set if arg.get_value_parser().type_id() == ValueParser::bool().type_id() => {
                arg.value_parser(ValueParser::from(parse_bool))
            }
            _ => arg,
        }
    }
    command.mut_args(flag).mut_subcommands(with_boolean_values)
}

/// Go's strconv.ParseBool.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("use true or false".into()),
    }
}

fn personality() -> Personality {
    let argv0 = std::env::args_os().next().unwrap_or_default();
    match PathBuf::from(argv0).file_name().and_then(|n| n.to_str()) {
        Some("docker") => Personality::Docker,
        Some("podman") => Personality::Podman,
        _ => Personality::Coracle,
    }
}

fn context(cli: &Cli, personality: Personality) -> Result<Cx> {
    let dirs = directories::BaseDirs::new();
    let data = match (&cli.globals.root, &dirs) {
        (Some(root), _) => root.clone(),
        (None, Some(d)) => d.data_dir().join("coracle"),
        (None, None) => {
            return Err(Error::user("find the data directory: HOME is not set").hint("set HOME or use --root DIR"));
        }
    };
    let run = match (&cli.globals.runroot, dirs.as_ref().and_then(|d| d.runtime_dir())) {
        (Some(run), _) => run.clone(),
        (None, Some(run)) => run.join("coracle"),
        (None, None) => private_tmp()?,
    };
    Ok(Cx { personality, engine: engine::Ctx { paths: Paths::new(absolute(data)?, absolute(run)?) } })
}

/// Paths go into the records of containers and to processes with other working directories.
fn absolute(path: PathBuf) -> Result<PathBuf> {
    use crate::error::Context;
    std::path::absolute(&path).with_context(|| format!("find {}", path.display()))
}

/// Without XDG_RUNTIME_DIR: a directory of our own in /tmp, which nobody else may have made.
fn private_tmp() -> Result<PathBuf> {
    use crate::error::Context;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let uid = rustix::process::getuid().as_raw();
    let dir = PathBuf::from(format!("/tmp/coracle-{uid}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => return Ok(dir),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e).with_context(|| format!("make {}", dir.display())),
    }
    let meta = std::fs::symlink_metadata(&dir).with_context(|| format!("look at {}", dir.display()))?;
    if meta.is_dir() && meta.uid() == uid && meta.mode() & 0o077 == 0 {
        return Ok(dir);
    }
    Err(Error::new(Kind::Denied, format!("use {}: it belongs to somebody else or is open to others", dir.display()))
        .hint("set XDG_RUNTIME_DIR or use --runroot DIR"))
}

/// Says once (until the next reboot or logout) that there is no daemon to connect to.
fn warn_of_remote(paths: &Paths) {
    let set = |name: &str| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "default");
    let Some(name) = ["DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT"].into_iter().find(|n| set(n)) else { return };
    let said = paths.run.join("remote-ignored");
    let first = std::fs::create_dir_all(&paths.run)
        .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).open(said))
        .is_ok();
    if first {
        super::output::warn(&format!("{name} is ignored: coracle runs containers itself, without a daemon"));
    }
}

impl Command {
    /// Commands whose exit code is that of a container's program.
    fn runs_containers(&self) -> bool {
        use super::ContainerCommand as C;
        let grouped = matches!(self, Command::Container(C::Create(_) | C::Exec(_) | C::Run(_) | C::Start(_)));
        grouped
            || matches!(
                self,
                Command::Create(_) | Command::Exec(_) | Command::Run(_) | Command::Start(_) | Command::Unshare(_)
            )
    }

    /// Commands that work without HOME.
    fn needs_no_store(&self) -> bool {
        matches!(
            self,
            Command::Completion(_)
                | Command::Login(_)
                | Command::Logout(_)
                | Command::Search(_)
                | Command::Version(_)
                | Command::GenerateDocs(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> String {
        match parse(line.split_whitespace().map(Into::into).collect()) {
            Ok(Parsed::Run(cli)) => format!("{:?}", cli.command),
            Ok(Parsed::Help(text)) => text,
            Ok(Parsed::Version) => "version".into(),
            Err(e) => format!("error: {e}"),
        }
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
        with_boolean_values(Cli::command()).debug_assert();
    }

    #[test]
    fn go_style_flags() {
        assert_eq!(parsed("run -itd --rm=true --init=T x"), parsed("run --interactive -t -d --rm --init x"));
        assert_eq!(parsed("run --init=false --quiet=0 x"), parsed("run x"));
        assert!(parsed("run --init=maybe x").starts_with("error: run: --init"));
        // As in Go, the last of a repeated flag counts, and lists grow.
        assert_eq!(
            parsed("run --rm --rm --name a --name b -e A=1 -e B=2 x"),
            parsed("run --rm --name b -e A=1 --env=B=2 x")
        );
        assert!(parsed("run -e A=1 -e B=2 x").contains(r#"env: ["A=1", "B=2"]"#));
        // After the image all belongs to the container's command.
        assert_eq!(parsed("run --rm x ls -la --rm=false"), parsed("run --rm=1 x ls -la --rm=false"));
    }

    #[test]
    fn frequent_commands_are_defined_alone_alike() {
        for line in ["ps -aq", "--root /x run --rm -it -e A=b x sh -c ps", "--root run ps", "rm -f a b", "logs -n 5 a"]
        {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let whole = try_parse(Cli::command(), &words).unwrap();
            assert_eq!(parsed(line), format!("{:?}", whole.command));
        }
        let all = Cli::command();
        for (name, _) in FREQUENT {
            assert!(all.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn help_in_all_forms() {
        assert_eq!(parsed("help run"), parsed("run --help"));
        assert_eq!(parsed("help container ls"), parsed("container list --help"));
        assert!(parsed("").contains("Commands:"));
        assert!(parsed("container").contains("Commands:"));
        assert!(parsed("help").contains("Commands:"));
    }

    #[test]
    fn versions() {
        for line in ["-v", "--version", "--root /x --version"] {
            assert_eq!(parsed(line), "version", "{line}");
        }
        assert!(parsed("run -v /a:/b x").starts_with("Run("));
    }

    #[test]
    fn grouped_forms() {
        for (short, long) in [("ps", "container ps"), ("ps", "container list"), ("version", "system info")] {
            let long = parsed(long);
            assert!(!long.starts_with("error"), "{short}: {long}");
        }
    }
}
