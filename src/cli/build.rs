//! `coracle build`.

use super::{Cx, Personality, output};
use crate::build::args::{BuildArgs, PlatformArgs};
use crate::build::check::check;
use crate::build::context;
use crate::build::ignore::Ignore;
use crate::build::lint::Lint;
use crate::build::parser::parse;
use crate::build::source::{Fault, Source};
use crate::error::{Error, Result};
use crate::image::Store;
use crate::registry::Platform;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Check a Dockerfile.
///
/// Building images is not supported yet: this version parses the Dockerfile and reports what BuildKit's checks find.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The Dockerfile, or - for standard input (default: Containerfile or Dockerfile in the context)
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Value of an ARG; without a value, that of the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// The ignore file (default: FILE.dockerignore, .containerignore or .dockerignore)
    #[arg(long, value_name = "FILE")]
    ignorefile: Option<PathBuf>,
    /// Check the Dockerfile instead of building it
    #[arg(long)]
    check: bool,
    /// Directory with the files that the Dockerfile names, or - for a Dockerfile on standard input
    #[arg(value_name = "CONTEXT", default_value = ".")]
    context: PathBuf,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    if !args.check {
        return Err(Error::unsupported("build images: not supported yet").hint("--check checks the Dockerfile"));
    }
    let docker = cx.personality == Personality::Docker;
    let (source, ignore) = read(&args, docker)?;
    let mut lint = Lint::default();
    let host = platform_args(&Platform::host());
    let mut build_args = BuildArgs::new(given(&args.build_arg)?, &host, &host);
    let store = Store::open(&cx.engine.paths)?;
    let known = |name: &str| store.lookup(name).ok().map(|image| image.config.config);
    let checked = parse(&source, &mut lint).and_then(|file| check(&file, &mut build_args, &ignore, &known, &mut lint));
    lint.sort();
    report(&source, &lint, checked.as_ref().err())?;
    match checked {
        Err(fault) => Err(fault.in_file(&source)),
        Ok(()) => Ok(u8::from(!lint.warnings.is_empty())),
    }
}

/// Docker's text: a count, then each finding with its place.
fn report(source: &Source, lint: &Lint, fault: Option<&Fault>) -> Result<()> {
    let mut text = String::new();
    match (lint.warnings.len(), fault) {
        (0, None) => text.push_str("Check complete, no warnings found.\n"),
        (0, Some(_)) => {}
        (1, _) => text.push_str("Check complete, 1 warning has been found!\n"),
        (n, _) => text.push_str(&format!("Check complete, {n} warnings have been found!\n")),
    }
    for warning in &lint.warnings {
        text.push('\n');
        text.push_str(&warning.display(source));
    }
    if let Some(fault) = fault {
        eprint!("{}", source.excerpt(fault.span));
    }
    output::raw(text.as_bytes())
}

fn read(args: &Args, docker: bool) -> Result<(Source, Ignore)> {
    let stdin = |name: &str| {
        let mut bytes = Vec::new();
        let most = crate::build::source::MAX_DOCKERFILE as u64 + 1;
        std::io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|e| crate::error::IntoError::context(e, "read the Dockerfile from standard input"))?;
        Source::new(name, &bytes)
    };
    if args.context == Path::new("-") {
        return Ok((stdin("-")?, Ignore::default()));
    }
    if !args.context.is_dir() {
        return Err(Error::not_found(format!("use {} as context: it is no directory", args.context.display())));
    }
    if args.file.as_deref() == Some(Path::new("-")) {
        return Ok((stdin("-")?, context::ignore(&args.context, None, args.ignorefile.as_deref())?));
    }
    let path = context::dockerfile(&args.context, args.file.as_deref(), docker)?;
    let name = path.strip_prefix(&args.context).unwrap_or(&path).display().to_string();
    let ignore = context::ignore(&args.context, Some(&path), args.ignorefile.as_deref())?;
    Ok((context::read(&path, &name)?, ignore))
}

/// `--build-arg NAME` takes the value from the environment, or is not given at all.
fn given(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for word in words {
        match word.split_once('=') {
            Some(("", _)) => return Err(Error::user(format!("read --build-arg '{word}': write NAME=VALUE"))),
            Some((name, value)) => drop(all.insert(name.to_string(), value.to_string())),
            None => {
                if let Ok(value) = std::env::var(word) {
                    all.insert(word.clone(), value);
                }
            }
        }
    }
    Ok(all)
}

fn platform_args(platform: &Platform) -> PlatformArgs {
    PlatformArgs {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
    }
}
