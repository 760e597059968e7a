//! What the instructions of a stage do to its image configuration, and which work they leave to be done.

use super::args::{BuildArgs, looks_secret};
use super::ast::{Command, Copy, CopySource, Health, Instruction, Mount, Pairs, Run, Step};
use super::lexer::{self, Heredoc};
use super::lint::{Lint, Rule, nearest};
use super::source::{Fault, Span};
use super::words::{Expanded, Lexer};
use crate::image::{Empty, Healthcheck, RunConfig};
use crate::spec::signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A stage while its instructions are gone through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub config: RunConfig,
    pub author: String,
    /// ARGs declared so far: name and value, if it has one.
    pub args: Vec<(String, Option<String>)>,
    /// The environment of the base image is known: a variable that is not set is really undefined.
    pub base_known: bool,
    /// CMD was given in this stage.
    cmd_set: bool,
    /// An absolute WORKDIR was given in this stage.
    workdir_set: bool,
    #[serde(skip)]
    seen: BTreeSet<&'static str>,
}

/// What an instruction needs done besides the change of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Nothing.
    Metadata,
    Run(RunWork),
    Copy(CopyWork),
    /// The directory shall exist.
    Workdir(String),
}

/// A RUN, ready to execute.
#[derive(Clone, Debug, PartialEq)]
pub struct RunWork {
    pub args: Vec<String>,
    /// `KEY=value`: the configuration's environment, and ARGs that it does not hide.
    pub env: Vec<String>,
    /// The ARGs among them, for the cache key and the history.
    pub arg_env: Vec<String>,
    /// A here-document with `#!` first: its name and text.
    pub script: Option<(String, String)>,
    pub run: Run,
    /// The mounts, variables expanded.
    pub mounts: Vec<Mount>,
    pub user: String,
    pub cwd: String,
}

/// A COPY or ADD, ready to execute.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyWork {
    pub add: bool,
    /// Variables expanded.
    pub copy: Copy,
    /// The destination below the root, with its final `/` if it had one (or ended in `.`).
    pub dest: String,
}

/// What does not change from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub escape: char,
    pub args: &'a BuildArgs,
}

impl State {
    /// The stage begins with its base image's configuration.
    pub fn from_base(config: RunConfig, author: String, args: Vec<(String, Option<String>)>) -> State {
        State { config, author, args, base_known: true, ..State::default() }
    }

    /// FROM scratch: an empty root, and the usual PATH (as BuildKit and buildah have it).
    pub fn scratch() -> State {
        let env = vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()];
        State::from_base(RunConfig { env, ..RunConfig::default() }, String::new(), Vec::new())
    }

    /// The value of a variable: ENV before ARG.
    pub fn lookup(&self, name: &str) -> Option<String> {
        let set = self.config.env.iter().find_map(|e| e.split_once('=').filter(|(k, _)| *k == name));
        match set {
            Some((_, value)) => Some(value.to_string()),
            None => self.args.iter().rev().find(|(k, _)| k == name).and_then(|(_, v)| v.clone()),
        }
    }

    /// The shell of shell forms.
    pub fn shell(&self) -> Vec<String> {
        if self.config.shell.is_empty() { vec!["/bin/sh".into(), "-c".into()] } else { self.config.shell.clone() }
    }

    fn with_shell(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(text) => [self.shell(), vec![text.clone()]].concat(),
        }
    }

    /// Applies one instruction.
    pub fn apply(&mut self, step: &Step, setting: &Setting<'_>, lint: &mut Lint) -> Result<Work, Fault> {
        let mut expander = Expander { state: self.clone(), setting, span: step.span, lint };
        let span = step.span;
        let mut work = Work::Metadata;
        match &step.what {
            Instruction::Add(copy) => work = Work::Copy(expander.copy(copy, true)?),
            Instruction::Copy(copy) => work = Work::Copy(expander.copy(copy, false)?),
            Instruction::Run(run) => work = Work::Run(expander.run(run)?),
            Instruction::Arg(args) => {
                for (name, default) in args {
                    let value = expander.argument(name, default.as_deref())?;
                    expander.state.args.push((name.clone(), value.clone()));
                    self.args.push((name.clone(), value));
                }
            }
            Instruction::Env(pairs) => {
                for (key, value) in expander.pairs("ENV", pairs)? {
                    if looks_secret(&key) {
                        let text = "Do not use ARG or ENV instructions for sensitive data";
                        lint.warn(Rule::SecretsUsedInArgOrEnv, span, format!("{text} (ENV \"{key}\")"));
                    }
                    set_env(&mut self.config.env, &key, &value);
                }
            }
            Instruction::Label(pairs) => self.config.labels.extend(expander.pairs("LABEL", pairs)?),
            Instruction::Cmd(command) => {
                self.once("CMD", span, lint);
                self.recommend_json("CMD", command, span, lint);
                self.config.cmd = self.with_shell(command);
                self.cmd_set = true;
            }
            Instruction::Entrypoint(command) => {
                self.once("ENTRYPOINT", span, lint);
                self.recommend_json("ENTRYPOINT", command, span, lint);
                self.config.entrypoint = self.with_shell(command);
                // The base image's CMD was meant for its ENTRYPOINT.
                if !self.cmd_set {
                    self.config.cmd.clear();
                }
            }
            Instruction::Expose(words) => {
                let ports = expander.words(words)?;
                for word in &ports {
                    for port in expose(word, span, lint)? {
                        self.config.exposed_ports.insert(port, Empty {});
                    }
                }
            }
            Instruction::Healthcheck(health) => {
                self.once("HEALTHCHECK", span, lint);
                self.config.healthcheck = Some(match health {
                    Health::None => Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() },
                    Health::Check { command, times } => {
                        let test = match command {
                            Command::Exec(words) => [vec!["CMD".into()], words.clone()].concat(),
                            Command::Shell(text) => vec!["CMD-SHELL".into(), text.clone()],
                        };
                        Healthcheck { test, ..times.clone() }
                    }
                });
            }
            Instruction::Maintainer(name) => {
                let text = "Maintainer instruction is deprecated in favor of using label";
                lint.warn(Rule::MaintainerDeprecated, span, text);
                self.author = name.clone();
            }
            Instruction::Onbuild(text) => self.config.on_build.push(text.clone()),
            Instruction::Shell(words) => self.config.shell = words.clone(),
            Instruction::Stopsignal(text) => {
                let name = expander.word(text)?;
                signal::parse(&name).map_err(|error| Fault { error, span })?;
                self.config.stop_signal = name;
            }
            Instruction::User(text) => self.config.user = expander.word(text)?,
            Instruction::Volume(words) => {
                for word in words {
                    let path = expander.word(word)?;
                    if path.is_empty() {
                        return Err(Fault::new(span, "VOLUME specified can not be an empty string"));
                    }
                    self.config.volumes.insert(path, Empty {});
                }
            }
            Instruction::Workdir(text) => {
                let path = expander.word(text)?;
                if !path.starts_with('/') && !self.workdir_set {
                    let text =
                        format!("Relative workdir \"{path}\" can have unexpected results if the base image changes");
                    lint.warn(Rule::WorkdirRelativePath, span, text);
                }
                self.workdir_set = true;
                self.config.working_dir = join(&self.config.working_dir, &path);
                work = Work::Workdir(self.config.working_dir.clone());
            }
        }
        Ok(work)
    }

    fn once(&mut self, name: &'static str, span: Span, lint: &mut Lint) {
        if !self.seen.insert(name) {
            let text = "instructions should not be used in the same stage because only the last one will be used";
            lint.warn(Rule::MultipleInstructionsDisallowed, span, format!("Multiple {name} {text}"));
        }
    }

    fn recommend_json(&self, name: &str, command: &Command, span: Span, lint: &mut Lint) {
        if matches!(command, Command::Shell(_)) && self.config.shell.is_empty() {
            let text = "to prevent unintended behavior related to OS signals";
            lint.warn(Rule::JSONArgsRecommended, span, format!("JSON arguments recommended for {name} {text}"));
        }
    }
}

/// Expands the arguments of one instruction: every variable has one value for all of it.
struct Expander<'a> {
    state: State,
    setting: &'a Setting<'a>,
    span: Span,
    lint: &'a mut Lint,
}

impl Expander<'_> {
    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.span, message)
    }

    fn expand(&mut self, lexer: Lexer, text: &str) -> Result<Expanded, Fault> {
        let state = &self.state;
        let result =
            lexer.expand(text, &|name| state.lookup(name)).map_err(|error| Fault { error, span: self.span })?;
        let declared = |name: &str| state.args.iter().any(|(n, _)| n == name);
        if state.base_known {
            for name in result.missing.iter().filter(|n| !declared(n)) {
                let known = state.config.env.iter().filter_map(|e| e.split_once('=')).map(|(k, _)| k);
                let near = nearest(name, known.chain(state.args.iter().map(|(n, _)| n.as_str())));
                let guess = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
                self.lint.warn(Rule::UndefinedVar, self.span, format!("Usage of undefined variable '${name}'{guess}"));
            }
        }
        Ok(result)
    }

    fn word(&mut self, text: &str) -> Result<String, Fault> {
        Ok(self.expand(Lexer::new(self.setting.escape), text)?.text)
    }

    fn words(&mut self, texts: &[String]) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        for text in texts {
            all.extend(self.expand(Lexer::new(self.setting.escape), text)?.words);
        }
        Ok(all)
    }

    fn pairs(&mut self, name: &str, pairs: &Pairs) -> Result<Vec<(String, String)>, Fault> {
        if pairs.legacy {
            let text = format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
            self.lint.warn(Rule::LegacyKeyValueFormat, self.span, text);
        }
        pairs.pairs.iter().map(|(key, value)| Ok((self.word(key)?, self.word(value)?))).collect()
    }

    /// The value of an ARG: given, else its default, else the global one.
    fn argument(&mut self, name: &str, default: Option<&str>) -> Result<Option<String>, Fault> {
        if looks_secret(name) {
            let text = "Do not use ARG or ENV instructions for sensitive data";
            self.lint.warn(Rule::SecretsUsedInArgOrEnv, self.span, format!("{text} (ARG \"{name}\")"));
        }
        match (self.setting.args.given.get(name), default) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(text)) => Ok(Some(self.word(text)?)),
            (None, None) => Ok(self.setting.args.globals.get(name).cloned()),
        }
    }

    fn copy(&mut self, copy: &Copy, add: bool) -> Result<CopyWork, Fault> {
        let mut out = copy.clone();
        for source in &mut out.sources {
            match source {
                CopySource::Path(path) => *path = self.word(path)?,
                CopySource::Heredoc(doc) => {
                    doc.content = doc.text();
                    if doc.expand {
                        let lexer = Lexer { no_quotes: true, ..Lexer::new('\\') };
                        doc.content = self.expand(lexer, &doc.content)?.text;
                    }
                }
            }
        }
        out.dest = self.word(&copy.dest)?;
        for option in [&mut out.chown, &mut out.chmod, &mut out.checksum].into_iter().flatten() {
            *option = self.word(option)?;
        }
        for pattern in &mut out.exclude {
            *pattern = self.word(pattern)?;
        }
        if let Some(from) = copy.from.as_deref().filter(|f| f.contains('$')) {
            return Err(self
                .fault(format!("'--from={from}' does not support variable expansion"))
                .hint("define a stage with the variable: FROM IMAGE:${TAG} AS base, then COPY --from=base"));
        }
        if out.sources.iter().any(|s| matches!(s, CopySource::Path(p) if p.is_empty())) || out.dest.is_empty() {
            return Err(self.fault("a path is empty once its variables are expanded"));
        }
        let slash = out.dest.ends_with('/') || out.dest.ends_with("/.") || out.dest == "." || out.dest == "..";
        let mut dest = join(&self.state.config.working_dir, &out.dest);
        if slash && dest != "/" {
            dest.push('/');
        }
        Ok(CopyWork { add, copy: out, dest })
    }

    fn run(&mut self, run: &Run) -> Result<RunWork, Fault> {
        let mut mounts = run.mounts.clone();
        for mount in &mut mounts {
            for (key, value) in &mut mount.options {
                let Some(text) = value.as_mut().filter(|v| v.contains('$')) else { continue };
                if key == "from" || key == "type" {
                    return Err(self
                        .fault(format!("'{key}={text}' in --mount does not support variable expansion"))
                        .hint("define a stage with the variable: FROM IMAGE:${TAG} AS base, then from=base"));
                }
                *text = self.word(text)?;
            }
        }
        let (args, script) = self.command(run)?;
        let mut env = self.state.config.env.clone();
        let mut arg_env = Vec::new();
        for (name, _) in &self.state.args {
            let set = |list: &[String]| list.iter().any(|e| e.split_once('=').is_some_and(|(k, _)| k == name));
            if let Some(value) = self.state.lookup(name).filter(|_| !set(&self.state.config.env) && !set(&arg_env)) {
                arg_env.push(format!("{name}={value}"));
            }
        }
        env.extend(arg_env.iter().cloned());
        let config = &self.state.config;
        Ok(RunWork {
            args,
            env,
            arg_env,
            script,
            run: run.clone(),
            mounts,
            user: config.user.clone(),
            cwd: if config.working_dir.is_empty() { "/".into() } else { config.working_dir.clone() },
        })
    }

    /// The words to execute; here-documents are for the shell, or are scripts of their own.
    fn command(&self, run: &Run) -> Result<(Vec<String>, Option<(String, String)>), Fault> {
        let Command::Shell(line) = &run.command else { return Ok((self.state.with_shell(&run.command), None)) };
        let Some(first) = run.heredocs.first() else { return Ok((self.state.with_shell(&run.command), None)) };
        let shell = |text: String| (self.state.with_shell(&Command::Shell(text)), None);
        if lexer::heredoc(line).is_none() {
            // Something takes the here-documents as input: the shell reads them.
            let docs = run.heredocs.iter().map(|Heredoc { name, content, .. }| format!("\n{content}{name}"));
            return Ok(shell(docs.fold(line.clone(), |all, doc| all + &doc)));
        }
        let text = first.text();
        if !text.starts_with("#!") {
            return Ok(shell(text));
        }
        let path = format!("/dev/pipes/{}", first.name);
        if first.name.contains('/') || first.name.starts_with('.') {
            return Err(self.fault(format!("here-document '{}' can't be the name of a script", first.name)));
        }
        Ok((self.state.with_shell(&Command::Shell(path)), Some((first.name.clone(), text))))
    }
}

/// Puts a variable into an environment: in its old place, or at the end.
pub fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let text = format!("{key}={value}");
    match env.iter_mut().find(|e| e.split_once('=').is_some_and(|(k, _)| k == key)) {
        Some(old) => *old = text,
        None => env.push(text),
    }
}

/// `path` seen from the directory `base`, cleaned: absolute, `..` ends at the root.
pub fn join(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_string() } else { format!("{base}/{path}") };
    format!("/{}", super::ignore::clean(&whole))
}

/// The ports of one EXPOSE word: `80`, `80/udp`, `8000-8010/tcp`.
fn expose(word: &str, span: Span, lint: &mut Lint) -> Result<Vec<String>, Fault> {
    let bad = || Fault::new(span, format!("invalid containerPort: {word}")).hint("EXPOSE PORT[-PORT][/tcp|/udp|/sctp]");
    let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let lower = protocol.to_ascii_lowercase();
    if lower != protocol {
        let text = format!("Defined protocol '{word}' in EXPOSE instruction should be lowercase");
        lint.warn(Rule::ExposeProtoCasing, span, text);
    }
    if !matches!(lower.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let ports = match ports.rsplit_once(':') {
        Some((_, container)) => {
            let text = "EXPOSE instruction should not define an IP address or host-port mapping";
            lint.warn(Rule::ExposeInvalidFormat, span, format!("{text}, found '{word}'"));
            container
        }
        None => ports,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
    if first > last || first == 0 {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{lower}")).collect())
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
