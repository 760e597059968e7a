//! `coracle __complete`: names for the shells' completions.

use super::{Cli, Cx, output};
use crate::engine::ps;
use crate::error::Result;
use crate::image::{Reference, Store};
use crate::net::networks;
use crate::volume;
use clap::{Command, CommandFactory};

/// Print the names that may stand where the last word is.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The command line so far, without the program; the last word is being typed
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What a word can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Containers,
    Running,
    Stopped,
    Images,
    Both,
    /// A container with a colon, or a file.
    Paths,
    Volumes,
    Networks,
    Nothing,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let kind = wanted(&Cli::command(), &args.words);
    let mut names = Vec::new();
    if matches!(kind, Names::Containers | Names::Running | Names::Stopped | Names::Both | Names::Paths) {
        for container in ps::list(&cx.engine)? {
            let fits = match kind {
                Names::Running => container.active(),
                Names::Stopped => !container.active(),
                _ => true,
            };
            if fits && !container.name.is_empty() {
                let colon = if kind == Names::Paths { ":" } else { "" };
                names.push(format!("{}{colon}", container.name));
            }
        }
    }
    if matches!(kind, Names::Images | Names::Both) {
        let familiar = |name: &String| Reference::parse(name).map(|r| r.familiar()).unwrap_or_else(|_| name.clone());
        let store = Store::open(&cx.engine.paths)?;
        let images = store.list()?.into_iter().map(|image| image.names);
        let lists = store.lists()?.into_iter().map(|list| list.names);
        names.extend(images.chain(lists).flatten().map(|name| familiar(&name)));
    }
    if kind == Names::Volumes {
        names.extend(volume::list(&cx.engine.paths)?.into_iter().map(|v| v.name));
    }
    if kind == Names::Networks {
        names.extend(networks::list(&cx.engine.paths)?.into_iter().map(|n| n.name));
    }
    for name in names {
        output::line(&name)?;
    }
    Ok(0)
}

/// What the last of `words` names.
fn wanted(root: &Command, words: &[String]) -> Names {
    let Some((_, before)) = words.split_last() else { return Names::Nothing };
    let mut at = root;
    let mut path = Vec::new();
    let mut positional = 0;
    let mut words = before.iter();
    while let Some(word) = words.next() {
        if word.len() > 1 && word.starts_with('-') {
            if takes_next(at, word) && words.next().is_none() {
                return Names::Nothing;
            }
            continue;
        }
        match at.find_subcommand(word) {
            Some(sub) if positional == 0 && at.has_subcommands() => {
                path.push(sub.get_name());
                at = sub;
            }
            _ => positional += 1,
        }
    }
    kind(&path, positional)
}

/// Whether the option's value is the next word.
fn takes_next(command: &Command, word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let arg = match word.strip_prefix("--") {
        Some(long) => command.get_arguments().find(|a| a.get_long() == Some(long)),
        // Of `-itv` only the last can take a value.
        None => command.get_arguments().find(|a| a.get_short() == word.chars().last()),
    };
    arg.is_some_and(|a| a.get_action().takes_values() && !a.is_require_equals_set())
}

fn kind(path: &[&str], positional: usize) -> Names {
    let many = |names: Names| names;
    let first = |names: Names| if positional == 0 { names } else { Names::Nothing };
    match path {
        ["image", "inspect" | "rm" | "exists"] | ["rmi"] => many(Names::Images),
        ["image", "mount" | "unmount"] => many(Names::Images),
        ["mount" | "unmount"] | ["container", "mount" | "unmount"] => many(Names::Containers),
        ["manifest", "add" | "create"] => many(Names::Images),
        ["manifest", _] => first(Names::Images),
        ["volume", "inspect" | "rm" | "mount" | "unmount"] => many(Names::Volumes),
        ["volume", "exists" | "export" | "import"] => first(Names::Volumes),
        ["network", "inspect" | "rm"] => many(Names::Networks),
        ["network", "connect" | "disconnect"] if positional == 0 => Names::Networks,
        ["network", "connect" | "disconnect"] if positional == 1 => Names::Containers,
        ["network", "reload"] => many(Names::Running),
        ["network", "exists"] => first(Names::Networks),
        ["run" | "create" | "history" | "tag" | "pull"] | ["container", "run" | "create"] => first(Names::Images),
        ["image", "history" | "tag" | "pull"] => first(Names::Images),
        ["inspect"] => many(Names::Both),
        ["container", "inspect"] => many(Names::Containers),
        ["start"] | ["container", "start"] => many(Names::Stopped),
        ["stop" | "kill" | "wait"] | ["container", "stop" | "kill" | "wait"] => many(Names::Running),
        ["stats"] | ["container", "stats"] => many(Names::Running),
        ["attach" | "exec" | "top"] | ["container", "attach" | "exec" | "top"] => first(Names::Running),
        ["rm" | "restart" | "update"] | ["container", "rm" | "restart" | "update"] => many(Names::Containers),
        ["logs" | "port" | "rename"] | ["container", "logs" | "port" | "rename" | "exists"] => first(Names::Containers),
        ["cp"] | ["container", "cp"] => many(Names::Paths),
        _ => Names::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_a_word_names() {
        let root = Cli::command();
        for (line, want) in [
            ("rm we", Names::Containers),
            ("rm a b ", Names::Containers),
            ("container rm -f ", Names::Containers),
            ("run ", Names::Images),
            ("run -it --name x ", Names::Images),
            ("run --rm deb", Names::Images),
            ("run debian ba", Names::Nothing),
            ("run --name we", Names::Nothing),
            ("exec -it ", Names::Running),
            ("exec web sh", Names::Nothing),
            ("inspect ", Names::Both),
            ("cp we", Names::Paths),
            ("volume rm ", Names::Volumes),
            ("network rm ", Names::Networks),
            ("ps ", Names::Nothing),
            ("r", Names::Nothing),
            ("", Names::Nothing),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_string).collect();
            assert_eq!(wanted(&root, &words), want, "{line}");
        }
    }
}
