//! Man pages and completions, made from the definitions that parse the command line.

use super::Cli;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::collections::BTreeSet;

/// Every generated file: path below the project's directory, and text.
pub fn files() -> Vec<(String, String)> {
    let mut files = man_pages();
    for (shell, path) in [
        (Shell::Bash, "completions/coracle.bash"),
        (Shell::Zsh, "completions/_coracle"),
        (Shell::Fish, "completions/coracle.fish"),
    ] {
        files.push((path.into(), completion(shell)));
    }
    files
}

/// The completion script of a shell: options from the definitions, names from `coracle __complete`.
pub fn completion(shell: Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut without_hidden(Cli::command()), "coracle", &mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    match shell {
        Shell::Bash => bash(&text),
        Shell::Zsh => zsh(&text),
        Shell::Fish => fish(&text),
        _ => text,
    }
}

/// clap_complete knows hidden options, but not hidden commands.
fn without_hidden(command: Command) -> Command {
    let shown: Vec<Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
    let mut root = Command::new("coracle")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        root = root.about(about.clone());
    }
    for arg in command.get_arguments() {
        root = root.arg(arg.clone());
    }
    root.subcommands(shown)
}

fn bash(text: &str) -> String {
    // Placeholders such as <CONTAINER> are no completions.
    let mut out = String::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("opts=\"") {
            Some(words) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let kept =
                    words.trim_end_matches('"').split(' ').filter(|w| !w.contains(['<', '[', ']', '>', '.', '|']));
                out += &format!("{indent}opts=\"{}\"\n", kept.collect::<Vec<_>>().join(" "));
            }
            None => out += &format!("{line}\n"),
        }
    }
    let from = out.find("\nif [[ \"${BASH_VERSINFO[0]}\"").unwrap_or(out.len());
    out.truncate(from);
    out + r#"
# Options and commands from the definitions, names of containers, images and volumes from the store.
_coracle_with_names() {
    _coracle "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}"
    if [[ "$cur" != -* ]]; then
        local names
        names=$("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
        # Where a name belongs, options would only be in its way.
        [[ -n "$names" ]] && COMPREPLY=($(compgen -W "$names" -- "$cur"))
        [[ " ${COMP_WORDS[*]} " == *" cp "* ]] && COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _coracle_with_names -o nosort -o bashdefault -o default coracle
else
    complete -F _coracle_with_names -o bashdefault -o default coracle
fi
"#
}

fn zsh(text: &str) -> String {
    const KINDS: [&str; 7] = ["container", "name", "image", "volume", "network", "source", "destination"];
    let mut out = String::new();
    for line in text.lines() {
        // Positional arguments: `'*::container -- Names or ids:_default' \`.
        let trimmed = line.trim_start();
        let named = ["':", "'::", "'*::", "'*:"]
            .iter()
            .filter_map(|p| trimmed.strip_prefix(p))
            .any(|rest| KINDS.iter().any(|k| rest.to_lowercase().starts_with(k)));
        match named {
            true => out += &format!("{}\n", line.replace(":_default'", ":_coracle_names'")),
            false => out += &format!("{line}\n"),
        }
    }
    let function = r#"
# Names of containers, images, volumes and networks from the store.
_coracle_names() {
    local -a all names
    all=(${(z)LBUFFER})
    [[ $LBUFFER == *' ' ]] && all+=('')
    names=(${(f)"$(_call_program names ${all[1]} __complete -- ${(q)all[2,-1]} 2>/dev/null)"})
    (( $#names )) && compadd -a names
    # cp takes files as well.
    [[ $#names == 0 || " $all " == *' cp '* ]] && _files
}
"#;
    match out.find("\n(( $+functions[_coracle_commands] ))") {
        Some(at) => out.insert_str(at, function),
        None => out += function,
    }
    out
}

fn fish(text: &str) -> String {
    text.to_string()
        + r#"
# Names of containers, images, volumes and networks from the store.
function __coracle_names
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
function __coracle_wants_name
    not string match -q -- '-*' (commandline -ct)
    and not contains -- cp (commandline -opc)
    and test -n "$(__coracle_names)"
end
complete -c coracle -n __coracle_wants_name -f -a "(__coracle_names)"
complete -c coracle -n "contains -- cp (commandline -opc)" -a "(__coracle_names)"
"#
}

/// One page a command. Grouped forms of commands that stand alone too (`container run`) share their page.
fn man_pages() -> Vec<(String, String)> {
    let mut root = without_hidden(Cli::command());
    root.build();
    let alone: BTreeSet<String> = root.get_subcommands().map(|c| c.get_name().to_string()).collect();
    let mut files = vec![page(&root, &["coracle"])];
    for command in root.get_subcommands() {
        let name = command.get_name();
        files.push(page(command, &["coracle", name]));
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let same = match (name, sub.get_name()) {
                ("container", "ls") | ("image", "ls" | "rm") => true,
                (_, sub) => {
                    alone.contains(sub)
                        && !matches!(name, "network" | "volume")
                        && !(name == "image" && sub == "inspect")
                }
            };
            if !same {
                files.push(page(sub, &["coracle", name, sub.get_name()]));
            }
        }
    }
    files
}

fn page(command: &Command, path: &[&str]) -> (String, String) {
    let dashed = path.join("-");
    // clap wants names that live for ever; this runs once, for some fifty pages.
    let name: &'static str = Box::leak(dashed.clone().into_boxed_str());
    let command = command.clone().name(name).bin_name(path.join(" ")).display_name(name);
    let man = clap_mangen::Man::new(command)
        .title(dashed.to_uppercase())
        .section("1")
        .date("")
        .source(format!("coracle {}", env!("CARGO_PKG_VERSION")))
        .manual("Coracle manual");
    let mut out = Vec::new();
    // Writing into memory can't fail.
    let _ = man.render(&mut out);
    (format!("man/{dashed}.1"), String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_a_command() {
        let files = files();
        let has = |name: &str| files.iter().any(|(path, _)| path == name);
        assert!(has("man/coracle.1") && has("man/coracle-run.1") && has("man/coracle-container-prune.1"));
        assert!(has("man/coracle-volume-rm.1") && has("man/coracle-image-inspect.1"));
        assert!(!has("man/coracle-container-run.1") && !has("man/coracle-generate-docs.1"));
        for (path, text) in &files {
            assert!(!text.contains("__complete\n") && text.len() > 200, "{path}");
        }
    }

    #[test]
    fn scripts_ask_for_names() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = completion(shell);
            assert!(text.contains("__complete --"), "{shell}");
            assert!(!text.contains("generate-docs"), "{shell}");
        }
    }
}
