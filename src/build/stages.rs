//! Which stage builds on what, and which stages a target needs.

use super::args::BuildArgs;
use super::ast::{Dockerfile, Instruction, Mount};
use super::lint::{Lint, Rule, nearest};
use super::source::{Fault, Span};
use super::words::Lexer;
use crate::error::{Error, Result};
use crate::image::Reference;
use std::collections::BTreeSet;

/// What a FROM, `--from` or `from=` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, or a named context of that name.
    Image(String),
}

/// A stage's FROM, variables expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub base: Base,
    pub platform: Option<String>,
}

/// Evaluates the global ARGs into `args`, then every FROM.
pub fn resolve(file: &Dockerfile, args: &mut BuildArgs, lint: &mut Lint) -> Result<Vec<Origin>, Fault> {
    let mut defaults = args.clone();
    defaults.given.clear();
    globals(file, args)?;
    globals(file, &mut defaults)?;
    let lexer = Lexer::new(file.directives.escape);
    let declared = |name: &str| {
        let lists = file.globals.iter().filter_map(|step| match &step.what {
            Instruction::Arg(list) => Some(list),
            _ => None,
        });
        lists.flatten().any(|(declared, _)| declared == name)
    };
    let mut origins = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let span = stage.span;
        let mut word = |text: &str| {
            let expanded =
                lexer.expand(text, &|name| args.globals.get(name).cloned()).map_err(|error| Fault { error, span })?;
            for name in expanded.missing.into_iter().filter(|n| !declared(n)) {
                let near = nearest(&name, args.globals.keys().map(String::as_str));
                let guess = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
                lint.warn(Rule::UndefinedArgInFrom, span, format!("FROM argument '{name}' is not declared{guess}"));
            }
            Ok(expanded.text)
        };
        let from = word(&stage.from)?;
        let platform = stage.platform.as_deref().map(&mut word).transpose()?;
        check_platform(stage.platform.as_deref(), span, lint);
        if from.is_empty() {
            return Err(Fault::new(span, format!("base name ({}) should not be blank", stage.from))
                .hint("declare the ARG with a default before the first FROM, or give --build-arg"));
        }
        if stage.from.contains('$') {
            let plain = lexer.word(&stage.from, &|name| defaults.globals.get(name).cloned()).unwrap_or_default();
            if plain.is_empty() || Reference::parse(&plain).is_err() && earlier(file, index, &plain).is_none() {
                let text = "results in empty or invalid base image name";
                let message = format!("Default value for ARG {} {text}", stage.from);
                lint.warn(Rule::InvalidDefaultArgInFrom, span, message);
            }
        }
        let base = match earlier(file, index, &from) {
            Some(earlier) => Base::Stage(earlier),
            None if from == "scratch" => Base::Scratch,
            None => Base::Image(from),
        };
        origins.push(Origin { base, platform: platform.filter(|p| !p.is_empty()) });
    }
    Ok(origins)
}

fn globals(file: &Dockerfile, args: &mut BuildArgs) -> Result<(), Fault> {
    let lexer = Lexer::new(file.directives.escape);
    for step in &file.globals {
        let Instruction::Arg(list) = &step.what else { continue };
        for (name, default) in list {
            let value = match (args.given.get(name), default) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(text)) => {
                    let value = lexer.word(text, &|name| args.globals.get(name).cloned());
                    Some(value.map_err(|error| Fault { error, span: step.span })?)
                }
                (None, None) => args.globals.get(name).cloned(),
            };
            match value {
                Some(value) => drop(args.globals.insert(name.clone(), value)),
                None => drop(args.globals.remove(name)),
            }
        }
    }
    Ok(())
}

fn check_platform(platform: Option<&str>, span: Span, lint: &mut Lint) {
    let Some(text) = platform else { return };
    if matches!(text, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message =
            format!("Setting platform to predefined {text} in FROM is redundant as this is the default behavior");
        lint.warn(Rule::RedundantTargetPlatform, span, message);
    } else if !text.contains('$') {
        let message = format!("FROM --platform flag should not use constant value \"{text}\"");
        lint.warn(Rule::FromPlatformFlagConstDisallowed, span, message);
    }
}

/// The last stage before `index` that is called `name`.
fn earlier(file: &Dockerfile, index: usize, name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    file.stages[..index].iter().rposition(|s| s.name.as_ref() == Some(&name))
}

/// What `--from=name` in stage `index` means: a stage by name or number, else an image.
pub fn reference(file: &Dockerfile, index: usize, name: &str) -> Base {
    if let Some(stage) = earlier(file, index, name) {
        return Base::Stage(stage);
    }
    match name.parse::<usize>() {
        Ok(number) if number < index => Base::Stage(number),
        _ if name == "scratch" => Base::Scratch,
        _ => Base::Image(name.to_string()),
    }
}

/// The error for a FROM whose variables make it no name of an image, which says so; any other as it is.
pub fn explain(file: &Dockerfile, args: &BuildArgs, index: usize, origin: &Origin, error: Error) -> Error {
    let (from, Base::Image(name)) = (&file.stages[index].from, &origin.base) else { return error };
    if !from.contains('$') || Reference::parse(name).is_ok() {
        return error;
    }
    let missing = Lexer::new(file.directives.escape).expand(from, &|_| None).map(|e| e.missing).unwrap_or_default();
    let unset = missing.iter().find(|name| args.globals.get(*name).is_none_or(String::is_empty));
    let hint = match unset {
        Some(name) => format!("give {name} a value: ARG {name}=… before the first FROM, or --build-arg {name}=…"),
        None => "see the ARGs before the first FROM, and --build-arg".into(),
    };
    Error { hint: Some(hint), ..error.context(format!("{from} is '{name}' here")) }
}

/// What may be meant by a `--from` in stage `index` that turned out to be no image.
pub fn meant(file: &Dockerfile, index: usize, name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let called = |stage: &super::ast::Stage| stage.name.as_ref() == Some(&lower);
    if file.stages.get(index).is_some_and(called) {
        return Some(format!("a stage can't copy from itself: {name} is this one"));
    }
    if let Some(later) = file.stages.iter().skip(index + 1).find(|s| called(s)) {
        return Some(format!("stage {name} begins later, in line {}: put it before this one", later.span.start));
    }
    let names = file.stages[..index].iter().filter_map(|s| s.name.as_deref());
    nearest(&lower, names).map(|near| format!("did you mean the stage {near}?"))
}

/// The stage to build: by name or number, or the last.
pub fn target(file: &Dockerfile, name: Option<&str>) -> Result<usize> {
    let last = file.stages.len() - 1;
    let Some(name) = name.filter(|n| !n.is_empty()) else { return Ok(last) };
    let lower = name.to_lowercase();
    if let Some(found) = file.stages.iter().rposition(|s| s.name.as_ref() == Some(&lower)) {
        return Ok(found);
    }
    if let Some(number) = name.parse::<usize>().ok().filter(|n| *n <= last) {
        return Ok(number);
    }
    let names: Vec<&str> = file.stages.iter().filter_map(|s| s.name.as_deref()).collect();
    let error = Error::not_found(format!("find target stage '{name}'"));
    Err(match nearest(&lower, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None if names.is_empty() => error.hint("no stage has a name: FROM IMAGE AS NAME"),
        None => error.hint(format!("there are {}", names.join(", "))),
    })
}

/// What the `from=` of a RUN --mount says.
pub fn mount_from(mount: &Mount) -> Option<&str> {
    mount.options.iter().rev().find(|(key, _)| key == "from").and_then(|(_, value)| value.as_deref())
}

/// The stages that `target` needs, itself included, in the order in which they can be built.
pub fn needed(file: &Dockerfile, origins: &[Origin], target: usize) -> Vec<usize> {
    let mut all = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if !all.insert(index) {
            continue;
        }
        open.extend(inputs(file, origins, index));
    }
    all.into_iter().collect()
}

/// The stages that a stage takes something from directly.
pub fn inputs(file: &Dockerfile, origins: &[Origin], index: usize) -> Vec<usize> {
    let mut found = Vec::new();
    if let Base::Stage(base) = origins[index].base {
        found.push(base);
    }
    for step in &file.stages[index].steps {
        let names: Vec<&str> = match &step.what {
            Instruction::Copy(copy) => copy.from.as_deref().into_iter().collect(),
            Instruction::Run(run) => run.mounts.iter().filter_map(mount_from).collect(),
            _ => Vec::new(),
        };
        for name in names {
            if let Base::Stage(stage) = reference(file, index, name) {
                found.push(stage);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::super::source::Source;
    use super::*;
    use std::collections::BTreeMap;

    fn read(text: &str, given: &[(&str, &str)]) -> (Dockerfile, Result<Vec<Origin>, Fault>, Lint) {
        let mut lint = Lint::default();
        let file = parse(&Source::new("Dockerfile", text.as_bytes()).unwrap(), &mut lint).unwrap();
        let given: BTreeMap<String, String> = given.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut args = BuildArgs::new(given, &Default::default(), &Default::default());
        let origins = resolve(&file, &mut args, &mut lint);
        (file, origins, lint)
    }

    #[test]
    fn stages_know_their_bases() {
        let text =
            "ARG V=1\nARG W=${V}2\nFROM img:$W AS Base\nFROM base\nFROM scratch AS s\nFROM --platform=$V x:${V:-3}\n";
        let (_, origins, _) = read(text, &[]);
        let origins = origins.unwrap();
        let bases: Vec<&Base> = origins.iter().map(|o| &o.base).collect();
        assert_eq!(bases, [&Base::Image("img:12".into()), &Base::Stage(0), &Base::Scratch, &Base::Image("x:1".into())]);
        assert_eq!(origins[3].platform.as_deref(), Some("1"));
        let (_, origins, _) = read(text, &[("V", "9")]);
        assert_eq!(origins.unwrap()[0].base, Base::Image("img:92".into()));
        let (_, origins, lint) = read("FROM $X\n", &[]);
        assert!(origins.unwrap_err().error.to_string().contains("base name ($X) should not be blank"));
        assert!(lint.warnings.iter().any(|w| w.rule == Rule::UndefinedArgInFrom));
        // A stage of the same name later is another one; a name never means its own stage.
        let (file, origins, _) = read("FROM a AS a\nFROM a AS b\n", &[]);
        assert_eq!(origins.unwrap()[0].base, Base::Image("a".into()));
        assert_eq!(reference(&file, 1, "0"), Base::Stage(0));
        assert_eq!(reference(&file, 1, "1"), Base::Image("1".into()));
    }

    #[test]
    fn only_needed_stages_are_built() {
        let text = "FROM a AS one\nRUN x\nFROM b AS two\nCOPY --from=one /x /y\nFROM c AS unused\nFROM d\nRUN --mount=from=two,target=/t y\nFROM scratch AS last\nCOPY --from=3 / /\n";
        let (file, origins, _) = read(text, &[]);
        let origins = origins.unwrap();
        assert_eq!(needed(&file, &origins, target(&file, None).unwrap()), [0, 1, 3, 4]);
        assert_eq!(needed(&file, &origins, target(&file, Some("TWO")).unwrap()), [0, 1]);
        assert_eq!(target(&file, Some("2")).unwrap(), 2);
        assert!(target(&file, Some("oen")).unwrap_err().to_string().contains("did you mean one?"));
    }
}
