//! `coracle completion`.

use super::{Cx, docs, output};
use crate::error::Result;
use clap::ValueEnum;
use clap_complete::Shell;

/// Print the completion script of a shell.
#[derive(clap::Args, Debug)]
#[command(after_help = "bash: source <(coracle completion bash)\n\
                        zsh:  coracle completion zsh > \"${fpath[1]}/_coracle\"\n\
                        fish: coracle completion fish > ~/.config/fish/completions/coracle.fish")]
pub struct Args {
    /// Shell
    #[arg(value_name = "SHELL")]
    shell: Known,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

pub fn run(args: Args, _cx: &Cx) -> Result<u8> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    output::raw(docs::completion(shell).as_bytes())?;
    Ok(0)
}
