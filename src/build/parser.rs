//! Logical lines → instructions (BuildKit's `instructions`).

use super::ast::{Command, Copy, CopySource, Dockerfile, Health, Instruction, Mount, Network, Pairs, Run, Stage, Step};
use super::lexer::{self, Heredoc, Line};
use super::lint::{Lint, Rule};
use super::options::{Options, duration};
use super::source::{Fault, Source};
use super::words::split_quoted;
use crate::image::Healthcheck;

/// Every instruction.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Most instructions of one Dockerfile.
const MAX_STEPS: usize = 20_000;

/// Reads a Dockerfile; what is questionable but allowed goes to `lint`.
pub fn parse(source: &Source, lint: &mut Lint) -> Result<Dockerfile, Fault> {
    let (directives, lines) = lexer::lines(source)?;
    if let Some((text, span)) = &directives.check {
        lint.configure(text).map_err(|e| Fault { error: e, span: *span })?;
    }
    if lines.len() > MAX_STEPS {
        return Err(Fault::new(lines[MAX_STEPS].span, format!("more than {MAX_STEPS} instructions")));
    }
    let mut file = Dockerfile { directives, ..Dockerfile::default() };
    for line in &lines {
        if line.gap {
            lint.warn(Rule::NoEmptyContinuation, line.span, "Empty continuation line");
        }
        if line.name.eq_ignore_ascii_case("FROM") {
            file.stages.push(stage(line)?);
            continue;
        }
        let step = step(line, file.directives.escape)?;
        match (file.stages.last_mut(), &step.what) {
            (Some(stage), _) => stage.steps.push(step),
            (None, Instruction::Arg(_)) => file.globals.push(step),
            (None, _) => {
                return Err(Fault::new(line.span, "no build stage in current context").hint("begin with FROM IMAGE"));
            }
        }
    }
    if file.stages.is_empty() {
        let span = lines.last().map_or_else(Default::default, |l| l.span);
        return Err(Fault::new(span, "the Dockerfile has no stages to build").hint("begin with FROM IMAGE"));
    }
    Ok(file)
}

/// Reads one instruction of its own: an ONBUILD trigger of a base image, or `--change`.
pub fn instruction(text: &str) -> Result<Instruction, Fault> {
    let source = Source { name: "ONBUILD".into(), text: text.into() };
    let (_, lines) = lexer::lines(&source)?;
    match lines.as_slice() {
        [line] => Ok(step(line, '\\')?.what),
        _ => Err(Fault::new(Default::default(), format!("'{text}' is not one instruction"))),
    }
}

fn step(line: &Line, escape: char) -> Result<Step, Fault> {
    let what = read(line, escape)?;
    let (span, text, keyword) = (line.span, line.text.clone(), line.name.clone());
    Ok(Step { span, text, keyword, comments: line.comments.clone(), what })
}

fn fault(line: &Line, message: impl Into<String>) -> Fault {
    Fault::new(line.span, message)
}

fn stage(line: &Line) -> Result<Stage, Fault> {
    let mut options = Options::new(line, &["platform"])?;
    let words: Vec<&str> = line.rest.split_whitespace().collect();
    let mut stage = Stage {
        platform: options.value("platform"),
        span: line.span,
        text: line.text.clone(),
        keyword: line.name.clone(),
        comments: line.comments.clone(),
        ..Stage::default()
    };
    match words.as_slice() {
        [from] => stage.from = from.to_string(),
        [from, word, name] if word.eq_ignore_ascii_case("as") => {
            let lower = name.to_lowercase();
            let fine = lower.starts_with(|c: char| c.is_ascii_lowercase())
                && lower.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
            if !fine {
                return Err(fault(line, format!("invalid name for build stage: '{name}'"))
                    .hint("a name starts with a letter and has letters, digits, '-', '_' and '.'"));
            }
            stage.from = from.to_string();
            stage.name = Some(lower);
            stage.written = Some((name.to_string(), word.to_string()));
        }
        _ => return Err(fault(line, "FROM requires either one or three arguments").hint("FROM IMAGE [AS NAME]")),
    }
    Ok(stage)
}

fn read(line: &Line, escape: char) -> Result<Instruction, Fault> {
    let name = line.name.to_ascii_uppercase();
    let Some(name) = KEYWORDS.iter().find(|k| **k == name) else {
        let unknown = fault(line, format!("unknown instruction: {}", line.name));
        return Err(match super::lint::nearest(&name, KEYWORDS.iter().copied()) {
            Some(near) => unknown.hint(format!("did you mean {near}?")),
            None => unknown,
        });
    };
    match *name {
        "ADD" | "COPY" => return copy(line, *name == "ADD"),
        "RUN" => return run(line),
        "HEALTHCHECK" => return health(line),
        _ => drop(Options::new(line, &[])?),
    }
    if line.rest.is_empty() {
        return Err(fault(
            line,
            match *name {
                "ENV" | "LABEL" | "ARG" | "EXPOSE" | "VOLUME" | "SHELL" => {
                    format!("{name} requires at least one argument")
                }
                // An empty command is allowed: it clears that of the base image.
                "CMD" | "ENTRYPOINT" => return Ok(empty_command(name)),
                _ => format!("{name} requires exactly one argument"),
            },
        ));
    }
    let words = || line.rest.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    Ok(match *name {
        "ARG" => Instruction::Arg(arguments(line, escape)?),
        "CMD" => Instruction::Cmd(command(line, &line.rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(line, &line.rest)?),
        "ENV" => Instruction::Env(pairs(line, escape)?),
        "LABEL" => Instruction::Label(pairs(line, escape)?),
        "EXPOSE" => Instruction::Expose(words()),
        "MAINTAINER" => Instruction::Maintainer(line.rest.clone()),
        "ONBUILD" => onbuild(line, escape)?,
        "SHELL" => match json(line, &line.rest)? {
            Some(words) if !words.is_empty() => Instruction::Shell(words),
            _ => {
                return Err(fault(line, "SHELL requires the arguments to be in JSON form")
                    .hint("SHELL [\"/bin/bash\", \"-c\"]"));
            }
        },
        "STOPSIGNAL" => Instruction::Stopsignal(line.rest.clone()),
        "USER" => Instruction::User(line.rest.clone()),
        "VOLUME" => {
            let volumes = json(line, &line.rest)?.unwrap_or_else(words);
            if volumes.iter().any(|v| v.trim().is_empty()) || volumes.is_empty() {
                return Err(fault(line, "VOLUME specified can not be an empty string"));
            }
            Instruction::Volume(volumes)
        }
        _ => Instruction::Workdir(line.rest.clone()),
    })
}

fn empty_command(name: &str) -> Instruction {
    let none = Command::Exec(Vec::new());
    if name == "CMD" { Instruction::Cmd(none) } else { Instruction::Entrypoint(none) }
}

/// The words of a JSON array of strings; `None` when it is no JSON, an error when it is one of something else.
fn json(line: &Line, text: &str) -> Result<Option<Vec<String>>, Fault> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else { return Ok(None) };
    let words: Option<Vec<String>> = values.into_iter().map(|v| v.as_str().map(str::to_string)).collect();
    words.map(Some).ok_or_else(|| fault(line, "when using JSON array syntax, arrays must be comprised of strings only"))
}

fn command(line: &Line, text: &str) -> Result<Command, Fault> {
    Ok(json(line, text)?.map_or_else(|| Command::Shell(text.to_string()), Command::Exec))
}

fn arguments(line: &Line, escape: char) -> Result<Vec<(String, Option<String>)>, Fault> {
    let words = split_quoted(&line.rest, escape);
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(fault(line, "ARG names can not be blank")),
            Some((name, value)) => Ok((name.to_string(), Some(value.to_string()))),
            None => Ok((word.clone(), None)),
        })
        .collect()
}

fn pairs(line: &Line, escape: char) -> Result<Pairs, Fault> {
    let name = line.name.to_ascii_uppercase();
    let words = split_quoted(&line.rest, escape);
    let Some(first) = words.first() else { return Err(fault(line, format!("{name} requires at least one argument"))) };
    if !first.contains('=') {
        let Some((key, value)) = line.rest.split_once(char::is_whitespace) else {
            return Err(fault(line, format!("{name} must have two arguments")).hint(format!("{name} {first}=VALUE")));
        };
        return Ok(Pairs { pairs: vec![(key.to_string(), value.trim_start().to_string())], legacy: true });
    }
    let pairs = words.iter().map(|word| match word.split_once('=') {
        Some(("", _)) => Err(fault(line, format!("{name} names can not be blank"))),
        Some((key, value)) => Ok((key.to_string(), value.to_string())),
        None => Err(fault(line, format!("can't find = in '{word}'")).hint(format!("{name} NAME=VALUE ..."))),
    });
    Ok(Pairs { pairs: pairs.collect::<Result<_, _>>()?, legacy: false })
}

fn copy(line: &Line, add: bool) -> Result<Instruction, Fault> {
    let known: &[&str] = match add {
        true => &["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"],
        false => &["chown", "chmod", "link", "exclude", "from", "parents"],
    };
    let mut options = Options::new(line, known)?;
    let mut words =
        json(line, &line.rest)?.unwrap_or_else(|| line.rest.split_whitespace().map(str::to_string).collect());
    let name = if add { "ADD" } else { "COPY" };
    let dest = words.pop().filter(|_| !words.is_empty()).ok_or_else(|| {
        fault(line, format!("{name} requires at least two arguments, but only one was provided"))
            .hint("destination could not be determined")
    })?;
    if lexer::heredoc(&dest).is_some() && !line.heredocs.is_empty() {
        return Err(fault(line, format!("{name} cannot accept a heredoc as a destination")));
    }
    let mut docs = line.heredocs.iter().cloned();
    let sources = words.into_iter().map(|word| match lexer::heredoc(&word) {
        Some(_) => docs.next().map_or_else(|| CopySource::Path(word), CopySource::Heredoc),
        None => CopySource::Path(word),
    });
    let mut copy = Copy { sources: sources.collect(), dest, ..Copy::default() };
    (copy.from, copy.chown, copy.chmod) = (options.value("from"), options.value("chown"), options.value("chmod"));
    copy.link = options.boolean("link")?.unwrap_or(false);
    copy.parents = options.boolean("parents")?.unwrap_or(false);
    copy.exclude = options.values("exclude");
    copy.checksum = options.value("checksum");
    copy.keep_git_dir = options.boolean("keep-git-dir")?;
    copy.unpack = options.boolean("unpack")?;
    Ok(if add { Instruction::Add(copy) } else { Instruction::Copy(copy) })
}

fn run(line: &Line) -> Result<Instruction, Fault> {
    let mut options = Options::new(line, &["mount", "network", "security", "device"])?;
    let network = match options.value("network").as_deref() {
        None | Some("default") => Network::Default,
        Some("none") => Network::None,
        Some("host") => Network::Host,
        Some(other) => {
            return Err(fault(line, format!("unsupported network mode '{other}'")).hint("default, none or host"));
        }
    };
    let insecure = match options.value("security").as_deref() {
        None | Some("sandbox") => false,
        Some("insecure") => true,
        Some(other) => {
            return Err(fault(line, format!("unsupported security mode '{other}'")).hint("sandbox or insecure"));
        }
    };
    if options.value("device").is_some() {
        return Err(fault(line, "RUN --device is not supported"));
    }
    let mounts = options.values("mount").iter().map(|text| mount(line, text)).collect::<Result<_, _>>()?;
    if line.rest.is_empty() {
        return Err(fault(line, "RUN requires at least one argument"));
    }
    let heredocs: Vec<Heredoc> = line.heredocs.clone();
    Ok(Instruction::Run(Run { command: command(line, &line.rest)?, heredocs, mounts, network, insecure }))
}

/// Splits `type=cache,target=/x,"id=a,b"`: comma-separated values, quoted as in a CSV file.
fn mount(line: &Line, text: &str) -> Result<Mount, Fault> {
    let mut mount = Mount::default();
    let mut field = String::new();
    let mut quoted = false;
    let mut fields = Vec::new();
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    for field in fields {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(k, v)| (k, Some(v.to_string())));
        let key = key.trim().to_ascii_lowercase();
        let known = [
            "type",
            "from",
            "source",
            "src",
            "target",
            "dst",
            "destination",
            "readonly",
            "ro",
            "readwrite",
            "rw",
            "id",
            "sharing",
            "required",
            "size",
            "mode",
            "uid",
            "gid",
            "env",
        ];
        if !known.contains(&key.as_str()) {
            let wrong = fault(line, format!("unexpected key '{key}' in --mount '{text}'"));
            return Err(match super::lint::nearest(&key, known.into_iter()) {
                Some(near) => wrong.hint(format!("did you mean {near}?")),
                None => wrong,
            });
        }
        let flag = matches!(key.as_str(), "readonly" | "ro" | "readwrite" | "rw" | "required");
        if value.is_none() && !flag {
            return Err(fault(line, format!("invalid field '{field}' in --mount: it must be a key=value pair")));
        }
        mount.options.push((key, value));
    }
    Ok(mount)
}

fn health(line: &Line) -> Result<Instruction, Fault> {
    let mut options = Options::new(line, &["interval", "timeout", "start-period", "start-interval", "retries"])?;
    let (word, rest) = line.rest.split_once(char::is_whitespace).unwrap_or((&line.rest, ""));
    let rest = rest.trim();
    match word.to_ascii_uppercase().as_str() {
        "NONE" if rest.is_empty() => Ok(Instruction::Healthcheck(Health::None)),
        "NONE" => Err(fault(line, "HEALTHCHECK NONE takes no arguments")),
        "CMD" => {
            if rest.is_empty() {
                return Err(fault(line, "missing command after HEALTHCHECK CMD"));
            }
            let mut time = |name: &str| match options.value(name) {
                Some(text) => duration(&text).ok_or_else(|| {
                    fault(line, format!("HEALTHCHECK --{name}={text} is not a duration of at least 1ms"))
                        .hint("30s, 1m30s, 500ms")
                }),
                None => Ok(0),
            };
            let mut times = Healthcheck {
                interval: time("interval")?,
                timeout: time("timeout")?,
                start_period: time("start-period")?,
                start_interval: time("start-interval")?,
                ..Healthcheck::default()
            };
            if let Some(text) = options.value("retries") {
                times.retries = text.parse::<i32>().ok().filter(|n| *n >= 0).map(i64::from).ok_or_else(|| {
                    fault(line, format!("HEALTHCHECK --retries={text} is not a number of at least 0"))
                })?;
            }
            Ok(Instruction::Healthcheck(Health::Check { command: command(line, rest)?, times }))
        }
        "" => Err(fault(line, "HEALTHCHECK requires at least one argument")),
        other => Err(fault(line, format!("unknown type '{other}' in HEALTHCHECK")).hint("CMD COMMAND, or NONE")),
    }
}

fn onbuild(line: &Line, escape: char) -> Result<Instruction, Fault> {
    let sub = lexer::trigger(line)?;
    let name = sub.name.to_ascii_uppercase();
    match name.as_str() {
        "ONBUILD" => return Err(fault(line, "chaining ONBUILD via `ONBUILD ONBUILD` is not allowed")),
        "FROM" | "MAINTAINER" => return Err(fault(line, format!("{name} is not allowed as an ONBUILD trigger"))),
        _ => drop(read(&sub, escape)?),
    }
    let mut text = line.rest.clone();
    for doc in &line.heredocs {
        text.push('\n');
        text.push_str(&doc.content);
        text.push_str(&doc.name);
    }
    Ok(Instruction::Onbuild(text))
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
