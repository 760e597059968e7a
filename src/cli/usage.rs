//! Wrong command lines, said in one line: what is wrong, where, and what was probably meant.

use crate::error::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Commands of docker and podman that this version has not, so that users need not look for a spelling mistake.
const ABSENT: &[&str] = &[
    "artifact",
    "auto-update",
    "compose",
    "config",
    "context",
    "events",
    "farm",
    "generate",
    "healthcheck",
    "init",
    "kube",
    "machine",
    "node",
    "pause",
    "plugin",
    "pod",
    "quadlet",
    "secret",
    "service",
    "stack",
    "swarm",
    "trust",
    "unpause",
];

/// clap's error about `words` (argv without its first) as one of ours.
pub fn explain(error: &clap::Error, root: &clap::Command, words: &[OsString]) -> Error {
    let path = command_path(root, words);
    let prefix = path.join(" ");
    let text = |kind| error.get(kind).map(plain).unwrap_or_default();
    let argument = text(ContextKind::InvalidArg);
    let help = ["coracle"].into_iter().chain(path.iter().copied()).collect::<Vec<_>>().join(" ");
    let see = format!("see '{help} --help'");
    let or_see = |suggested: String| match suggested.is_empty() {
        true => see.clone(),
        false => format!("did you mean '{suggested}'?"),
    };
    let made = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            Error::user(format!("there is no option '{argument}'")).hint(or_see(text(ContextKind::SuggestedArg)))
        }
        ErrorKind::UnknownArgument => Error::user(format!("unexpected argument '{argument}'")).hint(see),
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand);
            match path.is_empty() && ABSENT.contains(&name.as_str()) {
                true => Error::unsupported(format!("this version has no command '{name}'")),
                false => Error::user(format!("there is no command '{name}'"))
                    .hint(or_see(nearest(root, &path, &name).unwrap_or_default())),
            }
        }
        ErrorKind::MissingRequiredArgument => Error::user(format!("{argument} is missing")).hint(see),
        ErrorKind::MissingSubcommand => Error::user("a command is missing").hint(see),
        ErrorKind::InvalidValue => {
            let value = text(ContextKind::InvalidValue);
            let valid = text(ContextKind::ValidValue);
            let made = match value.is_empty() {
                true => Error::user(format!("the value of {argument} is missing")),
                false => Error::user(format!("{argument} can't be '{value}'")),
            };
            made.hint(if valid.is_empty() { see } else { format!("use one of {valid}") })
        }
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(|s| s.to_string()).unwrap_or_default();
            Error::user(format!("{argument} can't be '{}': {cause}", text(ContextKind::InvalidValue)))
        }
        ErrorKind::ArgumentConflict => match text(ContextKind::PriorArg) {
            prior if prior.is_empty() || prior == argument => Error::user(format!("{argument} was given twice")),
            prior => Error::user(format!("{argument} and {prior} exclude each other")),
        },
        _ => Error::user(first_line(&error.to_string())).hint(see),
    };
    if prefix.is_empty() { made } else { made.context(prefix) }
}

/// The words that name commands: `["container", "ls"]`.
pub fn command_path<'c>(root: &'c clap::Command, words: &[OsString]) -> Vec<&'c str> {
    let mut path = Vec::new();
    let mut at = root;
    let mut skip = false;
    for word in words {
        let word = word.to_string_lossy();
        if std::mem::take(&mut skip) {
            continue;
        }
        if let Some(flag) = word.strip_prefix("--") {
            let takes_value = at.get_arguments().any(|a| a.get_long() == Some(flag) && a.get_action().takes_values());
            skip = takes_value && path.is_empty();
            continue;
        }
        if word.starts_with('-') {
            continue;
        }
        match at.find_subcommand(word.as_ref()) {
            Some(found) => {
                path.push(found.get_name());
                at = found;
            }
            None => break,
        }
    }
    path
}

/// The command with the spelling next to `name`, if any is near. (clap's own suggestions miss `rnu` for `run`.)
fn nearest(root: &clap::Command, path: &[&str], name: &str) -> Option<String> {
    let group = path.iter().try_fold(root, |at, word| at.find_subcommand(word))?;
    let names = group.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name());
    let (steps, best) = names.map(|n| (distance(name, n), n)).min_by_key(|(steps, _)| *steps)?;
    (steps <= 1 + name.chars().count() / 4).then(|| best.to_string())
}

/// Insertions, deletions, replacements and swaps of neighbours from one word to the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for k in 1..=b.len() {
            let replaced = rows[i - 1][k - 1] + usize::from(a[i - 1] != b[k - 1]);
            let mut least = replaced.min(rows[i - 1][k] + 1).min(row[k - 1] + 1);
            if i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] {
                least = least.min(rows[i - 2][k - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

fn plain(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(all) => all.join(", "),
        other => other.to_string(),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_string()
}

#[cfg(test)]
mod tests {
    use crate::cli::root;

    #[test]
    fn absent_commands_are_absent() {
        let root = <crate::cli::Cli as clap::CommandFactory>::command();
        let there: Vec<&&str> = super::ABSENT.iter().filter(|name| root.find_subcommand(name).is_some()).collect();
        assert!(there.is_empty(), "{there:?}");
    }

    #[test]
    fn one_line_each() {
        for (line, want) in [
            ("rnu", "there is no command 'rnu' (hint: did you mean 'run'?)"),
            ("xyzzy", "there is no command 'xyzzy' (hint: see 'coracle --help')"),
            ("kube play x", "this version has no command 'kube'"),
            ("container lss", "container: there is no command 'lss' (hint: did you mean 'ls'?)"),
            ("--root /x run --nmae y z", "run: there is no option '--nmae' (hint: did you mean '--name'?)"),
            ("version --quux", "version: there is no option '--quux' (hint: see 'coracle version --help')"),
            ("run --name", "run: the value of --name <NAME> is missing (hint: see 'coracle run --help')"),
            ("run --stop-timeout x y", "run: --stop-timeout <SECONDS> can't be 'x': invalid digit found in string"),
            ("version surplus", "version: unexpected argument 'surplus' (hint: see 'coracle version --help')"),
        ] {
            let error = root::parse(line.split(' ').map(Into::into).collect()).expect_err(line);
            assert_eq!(error.to_string(), want, "{line}");
        }
    }
}
