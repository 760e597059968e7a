//! The checks of a whole Dockerfile, without building it.

use super::args::BuildArgs;
use super::ast::{CopySource, Dockerfile, Instruction};
use super::ignore::{Ignore, clean};
use super::lint::{Lint, Rule};
use super::source::{Fault, Span};
use super::stages::{self, Base};
use super::state::{Setting, State};
use crate::image::RunConfig;
use std::collections::{BTreeMap, BTreeSet};

/// Finds the configuration of a base image where it is known without asking a registry.
pub type KnownImage<'a> = dyn Fn(&str) -> Option<RunConfig> + 'a;

/// Goes through all stages as a build would, and through the rules about names and letter case.
pub fn check(
    file: &Dockerfile,
    args: &mut BuildArgs,
    ignore: &Ignore,
    image: &KnownImage<'_>,
    lint: &mut Lint,
) -> Result<(), Fault> {
    static_rules(file, ignore, lint);
    let origins = stages::resolve(file, args, lint)?;
    let setting = Setting { escape: file.directives.escape, args };
    let mut states: Vec<State> = Vec::new();
    for (stage, origin) in file.stages.iter().zip(&origins) {
        let mut state = match &origin.base {
            Base::Scratch => State::scratch(),
            Base::Stage(index) => {
                let base = &states[*index];
                let mut state = State::from_base(base.config.clone(), base.author.clone(), base.args.clone());
                state.base_known = base.base_known;
                state
            }
            Base::Image(name) => match image(name) {
                Some(config) => State::from_base(config, String::new(), Vec::new()),
                None => State::default(),
            },
        };
        for step in &stage.steps {
            state.apply(step, &setting, lint)?;
        }
        states.push(state);
    }
    lint.sort();
    Ok(())
}

/// The names that any ARG declares.
pub fn declared(file: &Dockerfile) -> BTreeSet<String> {
    let steps = file.globals.iter().chain(file.stages.iter().flat_map(|s| &s.steps));
    let lists = steps.filter_map(|step| match &step.what {
        Instruction::Arg(list) => Some(list),
        _ => None,
    });
    lists.flatten().map(|(name, _)| name.clone()).collect()
}

/// What needs no values.
pub fn static_rules(file: &Dockerfile, ignore: &Ignore, lint: &mut Lint) {
    casing(file, lint);
    let mut names: BTreeMap<&str, Span> = BTreeMap::new();
    for stage in &file.stages {
        if let (Some(name), Some((written, word))) = (&stage.name, &stage.written) {
            if written != name {
                lint.warn(Rule::StageNameCasing, stage.span, format!("Stage name '{written}' should be lowercase"));
            }
            if is_upper(word) != is_upper(&stage.keyword) {
                let text = format!("'{word}' and '{}' keywords' casing do not match", stage.keyword);
                lint.warn(Rule::FromAsCasing, stage.span, text);
            }
            if names.insert(name, stage.span).is_some() {
                let text = format!("Duplicate stage name \"{name}\", stage names should be unique");
                lint.warn(Rule::DuplicateStageName, stage.span, text);
            }
            if matches!(name.as_str(), "scratch" | "context") {
                let text = format!("Stage name should not use the same name as reserved stage \"{name}\"");
                lint.warn(Rule::ReservedStageName, stage.span, text);
            }
            describes(&stage.comments, name, stage.span, lint);
        }
        for step in &stage.steps {
            ignored(&step.what, step.span, ignore, lint);
        }
    }
    for step in &file.globals {
        if let Instruction::Arg(list) = &step.what {
            for (name, _) in list {
                describes(&step.comments, name, step.span, lint);
            }
        }
    }
}

/// A comment above a definition is its description, and begins with its name.
fn describes(comments: &[String], name: &str, span: Span, lint: &mut Lint) {
    if comments.last().is_some_and(|c| c.split_whitespace().next().is_none_or(|w| !w.eq_ignore_ascii_case(name))) {
        let text = format!(
            "Comment for build stage or argument should follow the format: `# {name} <description>`. If this is not \
             intended to be a description comment, add an empty line or comment between the instruction and the comment."
        );
        lint.warn(Rule::InvalidDefinitionDescription, span, text);
    }
}

fn ignored(what: &Instruction, span: Span, ignore: &Ignore, lint: &mut Lint) {
    let (verb, copy) = match what {
        Instruction::Copy(copy) if copy.from.is_none() => ("Copy", copy),
        Instruction::Add(copy) => ("Add", copy),
        _ => return,
    };
    for source in &copy.sources {
        let CopySource::Path(path) = source else { continue };
        let name = clean(path);
        if path.contains(['$', '*', '?', '[']) || path.contains("://") || name.is_empty() {
            continue;
        }
        if ignore.excludes(&name) && !ignore.may_include_below(&name) {
            let text = format!("Attempting to {verb} file \"{path}\" that is excluded by .dockerignore");
            lint.warn(Rule::CopyIgnoredFile, span, text);
        }
    }
}

fn is_upper(word: &str) -> bool {
    !word.chars().any(|c| c.is_ascii_lowercase())
}

fn casing(file: &Dockerfile, lint: &mut Lint) {
    let words = file.globals.iter().map(|s| (s.keyword.as_str(), s.span)).chain(file.stages.iter().flat_map(|stage| {
        let steps = stage.steps.iter().map(|s| (s.keyword.as_str(), s.span));
        std::iter::once((stage.keyword.as_str(), stage.span)).chain(steps)
    }));
    let words: Vec<(&str, Span)> = words.collect();
    let lower = words.iter().filter(|(w, _)| w.to_ascii_lowercase() == **w).count();
    let upper = words.iter().filter(|(w, _)| is_upper(w)).count();
    let mostly_lower = lower > upper;
    for (word, span) in words {
        let wanted = if mostly_lower { word.to_ascii_lowercase() } else { word.to_ascii_uppercase() };
        if word != wanted {
            let case = if mostly_lower { "lowercase" } else { "uppercase" };
            let text = format!("Command '{word}' should match the case of the command majority ({case})");
            lint.warn(Rule::ConsistentInstructionCasing, span, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::super::source::Source;
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        let mut lint = Lint::default();
        let file = parse(&Source::new("Dockerfile", text.as_bytes()).unwrap(), &mut lint).unwrap();
        let ignore = Ignore::parse("secret\n").unwrap();
        let known =
            |name: &str| (name == "a").then(|| RunConfig { env: vec!["PATH=/bin".into()], ..Default::default() });
        let _ = check(&file, &mut BuildArgs::default(), &ignore, &known, &mut lint);
        lint.warnings.iter().map(|w| format!("{}:{}", w.span.start, w.rule.name())).collect()
    }

    #[test]
    fn each_rule_finds_its_fault_and_nothing_else() {
        for (text, want) in [
            ("FROM a AS Base\n", "1:StageNameCasing"),
            ("FROM a as b\n", "1:FromAsCasing"),
            ("from a as b\n", ""),
            ("FROM a\nRUN x \\\n\n y\n", "2:NoEmptyContinuation"),
            ("FROM a\nRUN x\nrun y\n", "3:ConsistentInstructionCasing"),
            ("FROM a\nRun x\n", "2:ConsistentInstructionCasing"),
            ("FROM a AS b\nFROM a AS b\n", "2:DuplicateStageName"),
            ("FROM a AS context\n", "1:ReservedStageName"),
            ("FROM a\nCMD x\n", "2:JSONArgsRecommended"),
            ("FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nCMD x\n", ""),
            ("FROM a\nENTRYPOINT x\n", "2:JSONArgsRecommended"),
            ("FROM a\nMAINTAINER x\n", "2:MaintainerDeprecated"),
            ("FROM a:$X\n", "1:InvalidDefaultArgInFrom 1:UndefinedArgInFrom"),
            ("ARG X\nFROM a:$X\n", "2:InvalidDefaultArgInFrom"),
            ("ARG X=1\nFROM a:$X\n", ""),
            ("FROM a\nENV A=$B\n", "2:UndefinedVar"),
            ("FROM a\nENV A=$PATH B=${C:-d}\n", ""),
            ("FROM a\nARG B\nENV A=$B\n", ""),
            ("FROM unknown\nENV A=$B\n", ""),
            ("FROM a\nCMD [\"x\"]\nCMD [\"y\"]\n", "3:MultipleInstructionsDisallowed"),
            ("FROM a\nWORKDIR x\nWORKDIR y\n", "2:WorkdirRelativePath"),
            ("FROM a\nWORKDIR /x\nWORKDIR y\n", ""),
            ("FROM --platform=linux/amd64 a\n", "1:FromPlatformFlagConstDisallowed"),
            ("FROM --platform=$TARGETPLATFORM a\n", "1:RedundantTargetPlatform 1:UndefinedArgInFrom"),
            ("FROM a\nENV k v\n", "2:LegacyKeyValueFormat"),
            ("FROM a\nLABEL k v\n", "2:LegacyKeyValueFormat"),
            ("FROM a\nARG TOKEN\n", "2:SecretsUsedInArgOrEnv"),
            ("FROM a\nENV DB_PASSWORD=x\n", "2:SecretsUsedInArgOrEnv"),
            ("FROM a\nCOPY secret /\nADD ./secret/x /\n", "2:CopyIgnoredFile 3:CopyIgnoredFile"),
            ("FROM a\nEXPOSE 80/TCP\n", "2:ExposeProtoCasing"),
            ("FROM a\nEXPOSE 127.0.0.1:80:80\n", "2:ExposeInvalidFormat"),
            ("# other thing\nFROM a AS b\n", ""),
            ("# check=experimental=all\n# other thing\nFROM a AS b\n", "3:InvalidDefinitionDescription"),
            ("# check=skip=JSONArgsRecommended\nFROM a\nCMD x\n", ""),
            ("FROM a AS b\nFROM b\nENV A=$B\n", "3:UndefinedVar"),
        ] {
            assert_eq!(rules(text).join(" "), want, "{text}");
        }
    }
}
