//! Instructions as plain data; variables are not expanded yet.

use super::lexer::{Directives, Heredoc};
use super::source::Span;
use crate::image::Healthcheck;

/// A whole Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    pub directives: Directives,
    /// The ARGs before the first FROM.
    pub globals: Vec<Step>,
    pub stages: Vec<Stage>,
}

/// From one FROM to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Lower case, as COPY --from finds it.
    pub name: Option<String>,
    /// The name as written, with its `AS`.
    pub written: Option<(String, String)>,
    pub from: String,
    pub platform: Option<String>,
    pub span: Span,
    /// The FROM line.
    pub text: String,
    /// The word FROM as written.
    pub keyword: String,
    pub comments: Vec<String>,
    pub steps: Vec<Step>,
}

/// One instruction with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub span: Span,
    /// The line as written, continuations joined.
    pub text: String,
    /// The instruction's name as written.
    pub keyword: String,
    pub comments: Vec<String>,
    pub what: Instruction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    Add(Copy),
    Arg(Vec<(String, Option<String>)>),
    Cmd(Command),
    Copy(Copy),
    Entrypoint(Command),
    Env(Pairs),
    Expose(Vec<String>),
    Healthcheck(Health),
    Label(Pairs),
    Maintainer(String),
    /// The trigger as it goes into the image, and whether it parses is known already.
    Onbuild(String),
    Run(Run),
    Shell(Vec<String>),
    Stopsignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

impl Instruction {
    /// The keyword in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            Instruction::Add(_) => "ADD",
            Instruction::Arg(_) => "ARG",
            Instruction::Cmd(_) => "CMD",
            Instruction::Copy(_) => "COPY",
            Instruction::Entrypoint(_) => "ENTRYPOINT",
            Instruction::Env(_) => "ENV",
            Instruction::Expose(_) => "EXPOSE",
            Instruction::Healthcheck(_) => "HEALTHCHECK",
            Instruction::Label(_) => "LABEL",
            Instruction::Maintainer(_) => "MAINTAINER",
            Instruction::Onbuild(_) => "ONBUILD",
            Instruction::Run(_) => "RUN",
            Instruction::Shell(_) => "SHELL",
            Instruction::Stopsignal(_) => "STOPSIGNAL",
            Instruction::User(_) => "USER",
            Instruction::Volume(_) => "VOLUME",
            Instruction::Workdir(_) => "WORKDIR",
        }
    }
}

/// The pairs of ENV and LABEL, quotes still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    pub pairs: Vec<(String, String)>,
    /// Written as `ENV key value`.
    pub legacy: bool,
}

/// Shell form or exec form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Exec(Vec<String>),
    Shell(String),
}

/// Where COPY and ADD take a source from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    Path(String),
    Heredoc(Heredoc),
}

/// COPY and ADD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    pub sources: Vec<CopySource>,
    pub dest: String,
    pub from: Option<String>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub link: bool,
    pub parents: bool,
    pub exclude: Vec<String>,
    pub checksum: Option<String>,
    pub keep_git_dir: Option<bool>,
    pub unpack: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub command: Command,
    pub heredocs: Vec<Heredoc>,
    pub mounts: Vec<Mount>,
    pub network: Network,
    /// `--security=insecure`.
    pub insecure: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    Default,
    None,
    Host,
}

/// `RUN --mount`: the words as written, since their values may hold variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    pub options: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    None,
    /// Times are those of the flags; `Test` is still the command.
    Check {
        command: Command,
        times: Healthcheck,
    },
}
